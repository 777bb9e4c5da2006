//! A load machine's end of a session with an agent.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::wire::{Answer, Ask, Clients, Entered, Machine, Meeting, PROTOCOL, Point, Request, Step};
use crate::measure::environment::boot_id;
use crate::measure::interrupt::Interrupt;
use crate::servers::host::{Sample, ServerPlan, ServerShape};

/// How long an answer may take. The agent answers within a second, also when it has nothing to say.
const ANSWER: Duration = Duration::from_secs(20);

/// A session with an agent. Dropping it ends the session for all machines that take part.
#[derive(Debug)]
pub(crate) struct Remote {
    http: ureq::Agent,
    url: String,
    machine: Machine,
    interrupt: Interrupt,
    step: u64,
    begun: Option<Entered>,
    is_over: bool,
}

impl Remote {
    /// Begins a session with the agent at `HOST:PORT`, as soon as all load machines have come.
    pub(crate) fn enter(address: &str, machine: Machine, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let http = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut remote = Self {
            http,
            url: format!("http://{address}/"),
            machine,
            interrupt: interrupt.clone(),
            step: 0,
            begun: None,
            is_over: false,
        };
        let entered = remote.step(Step::Enter { protocol: PROTOCOL, boot_id: boot_id() })?;
        let Answer::Entered(entered) = entered else { return Err(remote.unexpected(&entered)) };
        remote.begun = Some(*entered);
        Ok(remote)
    }

    /// Which load machine this is.
    pub(crate) const fn machine(&self) -> Machine {
        self.machine
    }

    /// What the agent said at the beginning.
    pub(crate) fn entered(&self) -> anyhow::Result<&Entered> {
        self.begun.as_ref().context("the session has not begun")
    }

    /// Has a server started with room for the connections of the plan and those of the other machines. Returns its shape and the
    /// number of all connections.
    pub(crate) fn start(&mut self, plan: &ServerPlan) -> anyhow::Result<(ServerShape, u64)> {
        match self.step(Step::Start(plan.clone()))? {
            Answer::Started(shape, connections) => Ok((shape, connections)),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Waits for the other machines, and has the server's machine read.
    pub(crate) fn meet(&mut self, point: Point, clients: Clients) -> anyhow::Result<Meeting> {
        match self.step(Step::Meet(point, clients))? {
            Answer::Met(meeting) => Ok(*meeting),
            other => Err(self.unexpected(&other)),
        }
    }

    /// What the server is like now.
    pub(crate) fn sample(&mut self) -> anyhow::Result<Sample> {
        loop {
            match self.ask(Ask::Sample)? {
                Answer::Sampled(sample) => return Ok(sample),
                Answer::Wait => {}
                other => return Err(self.unexpected(&other)),
            }
        }
    }

    /// Stops the server.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.step(Step::Stop).map(drop)
    }

    /// Ends the session in order.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        self.step(Step::Leave)?;
        self.is_over = true;
        Ok(())
    }

    /// Ends the session for all machines, with a reason.
    pub(crate) fn quit(&mut self, why: &str) {
        if !self.is_over {
            self.is_over = true;
            // Whoever cannot be reached finds out by himself.
            let _ = self.send(Ask::Quit(why.to_owned()));
        }
    }

    fn step(&mut self, step: Step) -> anyhow::Result<Answer> {
        loop {
            match self.ask(Ask::Step(self.step, step.clone()))? {
                Answer::Wait => {}
                answer => {
                    self.step += 1;
                    return Ok(answer);
                }
            }
        }
    }

    fn ask(&mut self, ask: Ask) -> anyhow::Result<Answer> {
        ensure!(!self.interrupt.is_raised(), "interrupted");
        let answer = self.send(ask);
        if answer.is_err() {
            // There is nobody to tell, or nothing that he does not know.
            self.is_over = true;
        }
        answer
    }

    fn send(&self, ask: Ask) -> anyhow::Result<Answer> {
        let session = self.begun.as_ref().map(|entered| entered.session.clone());
        let request = Request { machine: self.machine, session, ask };
        let request = serde_json::to_string(&request).context("cannot make JSON of a request")?;
        let asked = self.http.post(&self.url).content_type("application/json").send(request);
        let unreachable = || {
            format!(
                "cannot reach the agent at {} (scripts/c1m --serve, or throng-bench agent, on the server's machine)",
                self.url
            )
        };
        let mut answer = asked.with_context(unreachable)?;
        let body = answer.body_mut().read_to_string().with_context(unreachable)?;
        if !answer.status().is_success() {
            bail!("the agent: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("{} is no agent of this version", self.url))
    }

    fn unexpected(&self, answer: &Answer) -> anyhow::Error {
        anyhow::anyhow!("the agent at {} gave an answer to something else: {answer:?}", self.url)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.quit("it has ended early");
    }
}
