//! What the agent does for load machines that measure together.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use anyhow::{Context, bail};

use super::lockstep::{Joint, Lockstep};
use super::wire::{Answer, Entered, Meeting};
use crate::measure::environment::{Environment, boot_id};
use crate::measure::interrupt::Interrupt;
use crate::servers::host::{Host, Programs};

/// Between [`Enter`](super::wire::Step::Enter) and [`Leave`](super::wire::Step::Leave). `R` is where an answer goes.
pub(super) struct Session<R> {
    pub(super) name: String,
    pub(super) steps: Lockstep<R>,
    /// When each machine was heard of last.
    pub(super) heard: BTreeMap<u32, Instant>,
    /// The server, while one runs.
    host: Option<Host>,
}

impl<R> Session<R> {
    pub(super) fn of(machines: u32) -> Self {
        Self {
            name: format!("{}-{}", humantime::format_rfc3339_seconds(SystemTime::now()), std::process::id()),
            steps: Lockstep::new(machines),
            heard: BTreeMap::new(),
            host: None,
        }
    }

    pub(super) fn sample(&mut self) -> anyhow::Result<Answer> {
        let host = self.host.as_mut().context("no server runs")?;
        Ok(Answer::Sampled(host.sample()?))
    }

    /// Does what all want.
    pub(super) fn act(
        &mut self,
        joint: Joint,
        programs: &Programs,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Answer> {
        match joint {
            Joint::Enter(machines) => {
                let own = boot_id();
                let sharing = machines.iter().filter(|(_, boot_id)| *boot_id == own).count();
                Ok(Answer::Entered(Box::new(Entered {
                    session: self.name.clone(),
                    environment: Environment::read(),
                    sharing_kernel: u32::try_from(sharing)?,
                })))
            }
            Joint::Start(plan) => {
                if self.host.is_some() {
                    bail!("a server runs already: stop it first");
                }
                let host = self.host.insert(Host::start(programs, &plan, interrupt)?);
                Ok(Answer::Started(host.shape()?, plan.connections))
            }
            Joint::Meet(point, clients) => {
                let host = self.host.as_mut().context("no server runs")?;
                Ok(Answer::Met(Box::new(Meeting::at(point, clients, host)?)))
            }
            Joint::Stop => {
                self.host.take().context("no server runs")?.stop()?;
                Ok(Answer::Done)
            }
            Joint::Leave => Ok(Answer::Done),
        }
    }
}
