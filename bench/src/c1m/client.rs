//! The clients of this machine: `throng-bench hold --controlled` as a child process.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::load::LoadArgs;
use crate::engine::Counts;
use crate::hold::control::{Command as Order, Event};
use crate::measure::child::Talker;
use crate::measure::interrupt::Interrupt;
use crate::measure::process::{cpu_nanos, user_bytes};
use crate::servers::host::Kind;

/// The clients report several times a second; silence for so long means that they hang.
const SILENCE: Duration = Duration::from_secs(60);
/// How long they may take to end once they have reported.
const END: Duration = Duration::from_secs(20);

/// Which clients there are to be.
pub(super) struct ClientPlan<'a> {
    /// The server they are for.
    pub(super) kind: Kind,
    pub(super) connections: u32,
    /// Where the server is.
    pub(super) urls: &'a [String],
    /// Addresses to connect from; none for the kernel's choice.
    pub(super) sources: &'a [IpAddr],
}

/// The clients.
pub(super) struct Client {
    talker: Talker,
    pub(super) threads: usize,
}

impl Client {
    /// Starts the clients and waits until they stand ready.
    pub(super) fn start(
        args: &LoadArgs,
        plan: &ClientPlan<'_>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let &ClientPlan { kind, connections, urls, sources } = plan;
        let timeout = humantime::format_duration(args.timeout).to_string();
        let mut command = Command::new(std::env::current_exe().context("cannot find this program's file")?);
        command.args(["hold", "--controlled", "-n"]).arg(connections.to_string());
        command.arg("--seed").arg(args.seed.to_string());
        for url in urls {
            command.args(["--to", url]);
        }
        for source in sources {
            command.arg("--source").arg(source.to_string());
        }
        if let Some(rate) = args.rate.per_second() {
            command.arg("--rate").arg(rate.to_string());
        }
        let probe = &args.probe;
        command.arg("--probe-time").arg(humantime::format_duration(args.probe_time).to_string());
        command.arg("--probe-sample").arg(probe.probe_sample.to_string());
        command.arg("--probe-rate").arg(probe.probe_rate.to_string());
        command.arg("--probe-size").arg(probe.probe_size.to_string());
        for option in ["--connect-timeout", "--handshake-timeout", "--close-timeout"] {
            command.args([option, &timeout]);
        }
        match kind {
            Kind::Throng => {}
            Kind::Floor => drop(command.arg("--sample-key")),
            Kind::Accept => drop(command.arg("--raw")),
        }
        let mut talker = Talker::start("the client", command, None, interrupt)?;
        match talker.hear(SILENCE)? {
            Event::Ready { threads, .. } => Ok(Self { talker, threads }),
            other => bail!("the client began with {other:?}"),
        }
    }

    pub(super) fn user_bytes(&self) -> anyhow::Result<u64> {
        user_bytes(self.talker.pid())
    }

    pub(super) fn cpu_nanos(&self) -> anyhow::Result<u64> {
        cpu_nanos(self.talker.pid())
    }

    pub(super) fn order(&mut self, order: Order) -> anyhow::Result<()> {
        self.talker.say_line(order.line())
    }

    /// What the clients say next.
    pub(super) fn hear(&mut self) -> anyhow::Result<Event> {
        let event = self.talker.hear(SILENCE)?;
        if let Event::Closed(_) = event {
            // They judge themselves by their exit code; the report says more.
            self.talker.finish(END)?;
        }
        Ok(event)
    }

    /// The clients' counts as they are now: what they have said before is skipped.
    pub(super) fn counts(&mut self) -> anyhow::Result<Counts> {
        let mut latest = None;
        loop {
            // What is there already may be old; the next to come is not.
            let patience = if latest.is_none() { SILENCE } else { Duration::ZERO };
            match self.talker.try_hear(patience)? {
                Some(Event::Progress(counts)) => latest = Some(counts),
                Some(other) => bail!("the client said {other:?} while holding"),
                None => {
                    ensure!(latest.is_some(), self.talker.explain("has said nothing for too long"));
                    return Ok(latest.unwrap_or_default());
                }
            }
        }
    }
}
