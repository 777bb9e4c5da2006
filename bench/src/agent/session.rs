//! What the agent does for load machines that measure together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};

use super::door::{Caller, Event};
use super::wire::{Answer, Ask, Entered, Meeting};
use crate::measure::environment::{Environment, boot_id};
use crate::measure::interrupt::Interrupt;
use crate::servers::host::{Host, Programs};

/// How often signals are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// From the first load machine's coming until all leave.
pub(super) struct Session<'a> {
    events: &'a Receiver<Event>,
    programs: &'a Programs,
    interrupt: &'a Interrupt,
    has_begun: bool,
    /// By number.
    callers: BTreeMap<u32, Caller>,
    /// What those ask for that wait for the others.
    asked: BTreeMap<u32, Ask>,
    /// The server, while one runs.
    host: Option<Host>,
}

impl<'a> Session<'a> {
    pub(super) const fn new(
        events: &'a Receiver<Event>,
        programs: &'a Programs,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self {
            events,
            programs,
            interrupt,
            has_begun: false,
            callers: BTreeMap::new(),
            asked: BTreeMap::new(),
            host: None,
        }
    }

    /// Serves load machines until all of them leave. An early end is told to all with its reason, which is the error.
    pub(super) fn serve(mut self) -> anyhow::Result<()> {
        let end = self.take_steps();
        if let Err(why) = &end {
            self.answer(&Answer::Refused(format!("{why:#}")));
        }
        end
    }

    fn take_steps(&mut self) -> anyhow::Result<()> {
        loop {
            let (number, ask) = self.next()?;
            match ask {
                Ask::Waiting => {}
                Ask::Quit(why) => bail!("load machine {} has ended: {why}", self.callers[&number].machine),
                Ask::Sample => {
                    let sample = self.host()?.sample()?;
                    self.callers[&number].answer(&Answer::Sampled(sample));
                }
                step => drop(self.asked.insert(number, step)),
            }
            if self.has_begun && self.asked.len() == self.callers.len() {
                let step = join(std::mem::take(&mut self.asked))?;
                let is_last = step == Ask::Leave;
                let answer = self.act(step)?;
                self.answer(&answer);
                if is_last {
                    return Ok(());
                }
            }
        }
    }

    /// What a machine of the session says next.
    fn next(&mut self) -> anyhow::Result<(u32, Ask)> {
        loop {
            ensure!(!self.interrupt.is_raised(), "the agent was ended");
            let event = match self.events.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => continue,
                other => other.context("the agent listens no more: a bug")?,
            };
            match event {
                Event::Came(caller) => self.admit(caller)?,
                Event::Said(connection, ask) => {
                    if let Some(caller) = self.caller(connection) {
                        return Ok((caller.machine.number, ask));
                    }
                }
                Event::Gone(connection, why) => {
                    if let Some(caller) = self.caller(connection) {
                        bail!("load machine {} has ended: {why}", caller.machine);
                    }
                }
            }
        }
    }

    fn caller(&self, connection: u64) -> Option<&Caller> {
        self.callers.values().find(|caller| caller.connection == connection)
    }

    /// Takes a machine into the session, or turns it away, and begins when all have come.
    fn admit(&mut self, caller: Caller) -> anyhow::Result<()> {
        let machine = caller.machine;
        let all = self.callers.values().next().map_or(machine.of, |first| first.machine.of);
        let refusal = if self.has_begun {
            format!(
                "the agent is busy with {all} load machines of another session: try again when they are done"
            )
        } else if machine.of == all {
            match self.callers.entry(machine.number) {
                Entry::Occupied(_) => format!("two load machines call themselves {machine}"),
                Entry::Vacant(place) => {
                    place.insert(caller);
                    return if self.callers.len() == all as usize { self.begin() } else { Ok(()) };
                }
            }
        } else {
            format!("machine {machine} joins a session of {all} load machines")
        };
        caller.answer(&Answer::Refused(refusal));
        Ok(())
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let session = format!("{now}-{}", std::process::id());
        let own = boot_id();
        let sharing = self.callers.values().filter(|caller| caller.boot_id == own).count();
        eprintln!("session {session} begins");
        self.answer(&Answer::Entered(Box::new(Entered {
            session,
            environment: Environment::read(),
            sharing_kernel: u32::try_from(sharing)?,
        })));
        self.has_begun = true;
        Ok(())
    }

    /// Does what all want.
    fn act(&mut self, step: Ask) -> anyhow::Result<Answer> {
        match step {
            Ask::Start(plan) => {
                ensure!(self.host.is_none(), "a server runs already: stop it first");
                let host = self.host.insert(Host::start(self.programs, &plan, self.interrupt)?);
                Ok(Answer::Started(host.shape()?, plan.connections))
            }
            Ask::Meet(point, clients) => {
                Ok(Answer::Met(Box::new(Meeting::at(point, clients, self.host()?)?)))
            }
            Ask::Stop => {
                self.host.take().context("no server runs")?.stop()?;
                Ok(Answer::Done)
            }
            Ask::Leave => Ok(Answer::Done),
            other => bail!("{other:?} is no step"),
        }
    }

    fn host(&mut self) -> anyhow::Result<&mut Host> {
        self.host.as_mut().context("no server runs")
    }

    fn answer(&self, answer: &Answer) {
        self.callers.values().for_each(|caller| caller.answer(answer));
    }
}

/// What all machines ask for, put together.
fn join(asked: BTreeMap<u32, Ask>) -> anyhow::Result<Ask> {
    let mut asked = asked.into_iter();
    let (_, mut all) = asked.next().context("there are no load machines")?;
    for (machine, own) in asked {
        ensure!(
            all.join(&own),
            "load machines disagree: give all of them the same options (one wants {all:?}, machine {machine} {own:?})"
        );
    }
    Ok(all)
}
