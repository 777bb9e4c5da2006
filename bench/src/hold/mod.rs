//! `throng-bench hold`: connections to any WebSocket server, opened, kept and closed.

pub mod control;
pub mod probe;
mod text;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use crate::args::{Rate, duration};
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Bars;
use crate::swarm::args::ClientArgs;
use crate::swarm::{Echoed, Opening, Outcome, Plan, Swarm};
use crate::threads::{Spread, Threads};
use crate::watch::{ServerCosts, Watch, WatchArgs, micros_each};
use control::{Command, Event};
use probe::ProbeArgs;
pub(crate) use text::reasons;

/// How often the main thread looks at the swarm.
const LOOK: Duration = Duration::from_millis(20);
/// How often a parent process is told how far it is.
const REPORT: Duration = Duration::from_millis(200);

/// Opens connections to a WebSocket server, answers its pings, and counts every loss with its reason.
#[derive(Debug, Clone, clap::Args)]
pub struct HoldArgs {
    /// Connections to open.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub rate: Rate,
    /// How long to keep the connections once all have opened.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub hold: Duration,
    /// Most connections being opened, or closed, at the same time: no more than the server's listen backlog.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub in_flight: u32,
    /// Afterwards send messages on a sample of the connections for so long, and take the time until they come back; 0s for none.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub probe_time: Duration,
    /// How that is done.
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// How to connect.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Whom to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Write the report as JSON to this file, - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw progress bars even when standard error is no terminal.
    #[arg(long)]
    pub progress: bool,
    /// Be driven by a parent process: commands on standard input (open, probe, close), events as JSON lines on standard output.
    #[arg(long, hide_short_help = true)]
    pub controlled: bool,
}

/// What a hold came to. The names of its fields in JSON are stable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldReport {
    /// Connections that were to be opened.
    pub connections: u64,
    /// Threads that held them.
    pub threads: usize,
    /// Whether each thread had a descriptor table of its own.
    pub private_tables: bool,
    /// Whether connections were bare TCP.
    pub raw: bool,
    /// Source addresses in use.
    pub sources: usize,
    /// The seed of masking keys and nonces.
    pub seed: u64,
    /// How the opening went.
    #[serde(flatten)]
    pub opening: Opening,
    /// Seconds from the end of the ramp to the beginning of the close.
    pub held_seconds: f64,
    /// Messages that came back, if they were sent.
    pub probe: Option<Echoed>,
    /// How everything went afterwards.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What the server's processes took, if they were watched.
    pub server: Option<ServerCosts>,
}

impl HoldReport {
    /// Whether every connection opened, stayed and was closed in order.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.opening.failed.is_empty()
            && self.outcome.lost.is_empty()
            && self.outcome.unclean.is_empty()
            && self.opening.opened == self.connections
            && self.probe.as_ref().is_none_or(Echoed::is_clean)
    }
}

/// Runs the command. `false` when a connection failed or was lost.
///
/// # Errors
/// What keeps it from running at all.
pub fn run(args: &HoldArgs) -> anyhow::Result<bool> {
    ensure!(
        !args.controlled || !output::is_standard(args.json.as_deref()),
        "with --controlled standard output carries events: give --json a file"
    );
    let interrupt = Interrupt::listen()?;
    let report = Hold::start(args, interrupt)?.run()?;
    if let Some(path) = &args.json {
        output::write_json(path, &report)?;
    }
    if args.controlled {
        Event::Closed(Box::new(report.clone())).emit()?;
    } else if !output::is_standard(args.json.as_deref()) {
        output::print(text::Text(&report))?;
    }
    Ok(report.is_clean())
}

struct Hold<'a> {
    args: &'a HoldArgs,
    interrupt: Interrupt,
    commands: Option<Receiver<Command>>,
    swarm: Swarm,
    bars: Bars,
    report: HoldReport,
    watch: Option<Watch>,
    next_report: Instant,
}

impl<'a> Hold<'a> {
    fn start(args: &'a HoldArgs, interrupt: Interrupt) -> anyhow::Result<Self> {
        let plan = plan(args)?;
        let report = HoldReport {
            connections: u64::from(args.connections),
            threads: plan.threads.count,
            private_tables: plan.threads.private_tables,
            raw: args.client.raw,
            sources: plan.sources.count(),
            seed: args.client.seed,
            ..HoldReport::default()
        };
        let watch = Watch::start(&args.watch)?;
        // The threads come first: each private table is a copy of this one, so it should be small.
        let swarm = Swarm::start(plan)?;
        let commands = args.controlled.then(control::listen).transpose()?;
        let bars = Bars::new(args.progress);
        Ok(Self { args, interrupt, commands, swarm, bars, report, watch, next_report: Instant::now() })
    }

    fn run(mut self) -> anyhow::Result<HoldReport> {
        if self.args.controlled {
            let (threads, private_tables) = (self.report.threads, self.report.private_tables);
            Event::Ready { threads, private_tables }.emit()?;
        }
        if self.await_open()? {
            self.swarm.open();
            if self.ramp()? && self.hold()? {
                self.probe()?;
            }
        }
        self.close()
    }

    /// Waits for the parent's word, if there is one. `false` for the end.
    fn await_open(&mut self) -> anyhow::Result<bool> {
        if self.commands.is_none() {
            return Ok(true);
        }
        loop {
            match self.command() {
                Some(Command::Open) => return Ok(true),
                Some(Command::Close) => return Ok(false),
                Some(Command::Probe) | None => self.look()?,
            }
        }
    }

    /// Opens the connections. `false` when it is to end before all have opened.
    fn ramp(&mut self) -> anyhow::Result<bool> {
        let bar = self.bars.counting("ramp", self.report.connections);
        while !self.swarm.is_ramped() {
            if self.command() == Some(Command::Close) {
                return Ok(false);
            }
            self.look()?;
            let counts = self.swarm.counts();
            bar.set_position(counts.opened);
            bar.set_message(format!("{} failed, {} lost", counts.failed, counts.lost));
        }
        bar.finish_and_clear();
        self.swarm.hold();
        if self.args.controlled {
            Event::Opened(self.swarm.opening()).emit()?;
        }
        Ok(true)
    }

    /// Holds the connections. `false` when nothing is to follow but their end.
    fn hold(&mut self) -> anyhow::Result<bool> {
        let (start, pings) = (Instant::now(), self.swarm.counts().pings_answered);
        self.note_handshakes()?;
        let cpu = self.watched_cpu()?;
        let bar = self.bars.waiting("hold", self.args.hold);
        let mut goes_on = !self.args.probe_time.is_zero();
        while self.args.controlled || start.elapsed() < self.args.hold {
            match self.command() {
                Some(Command::Close) => {
                    goes_on = false;
                    break;
                }
                Some(Command::Probe) => break,
                _ => self.look()?,
            }
            let counts = self.swarm.counts();
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
            bar.set_message(format!(
                "{} open, {} lost, {} pings answered",
                counts.open, counts.lost, counts.pings_answered
            ));
        }
        bar.finish_and_clear();
        self.report.held_seconds = start.elapsed().as_secs_f64();
        let (cpu, counts) = (self.watched_cpu()? - cpu, self.swarm.counts());
        if let Some(watch) = &mut self.watch {
            let answered = counts.pings_answered - pings;
            watch.costs.cpu_cores_held =
                Some(Duration::from_nanos(cpu).as_secs_f64() / self.report.held_seconds);
            watch.costs.cpu_us_per_ping = micros_each(cpu, answered);
            watch.note_memory(counts.open)?;
        }
        Ok(goes_on)
    }

    fn note_handshakes(&mut self) -> anyhow::Result<()> {
        let (cpu, opened) = (self.watched_cpu()?, self.swarm.counts().opened);
        if let Some(watch) = &mut self.watch {
            watch.costs.cpu_us_per_handshake = micros_each(cpu, opened);
        }
        Ok(())
    }

    /// Processor time in nanoseconds of the server since before the first connection; 0 when nobody watches it.
    fn watched_cpu(&self) -> anyhow::Result<u64> {
        self.watch.as_ref().map_or(Ok(0), Watch::cpu_nanos)
    }

    /// Sends messages on a sample of the connections until all have come back, or have had time enough to.
    fn probe(&mut self) -> anyhow::Result<()> {
        self.swarm.echo(self.args.probe.plan(self.args.probe_time));
        let bar = self.bars.waiting("probe", self.args.probe_time);
        let start = Instant::now();
        let echoed = loop {
            if self.command() == Some(Command::Close) {
                return Ok(());
            }
            if let Some(echoed) = self.swarm.echoed() {
                break echoed;
            }
            self.look()?;
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
        };
        bar.finish_and_clear();
        if self.args.controlled {
            Event::Probed(Box::new(echoed.clone())).emit()?;
        }
        self.report.probe = Some(echoed);
        while self.args.controlled && self.command() != Some(Command::Close) {
            self.look()?;
        }
        Ok(())
    }

    fn close(mut self) -> anyhow::Result<HoldReport> {
        self.swarm.close();
        let bar = self.bars.counting("close", self.swarm.counts().open);
        while !self.swarm.is_finished() {
            std::thread::sleep(LOOK);
            self.report_progress()?;
            bar.set_position(self.swarm.counts().closed);
        }
        bar.finish_and_clear();
        self.report.opening = self.swarm.opening();
        self.report.outcome = self.swarm.finish()?;
        self.report.server = self.watch.map(|watch| watch.costs);
        Ok(self.report)
    }

    /// One look at the swarm, and a little sleep.
    fn look(&mut self) -> anyhow::Result<()> {
        if self.swarm.has_ended_thread() {
            bail!("a client thread has ended early");
        }
        self.report_progress()?;
        std::thread::sleep(LOOK);
        Ok(())
    }

    fn report_progress(&mut self) -> anyhow::Result<()> {
        if self.args.controlled && Instant::now() >= self.next_report {
            self.next_report = Instant::now() + REPORT;
            Event::Progress(self.swarm.counts()).emit()?;
        }
        Ok(())
    }

    /// What the parent or the user wants now.
    fn command(&self) -> Option<Command> {
        if self.interrupt.is_raised() {
            return Some(Command::Close);
        }
        match self.commands.as_ref()?.try_recv() {
            Ok(command) => Some(command),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Command::Close),
        }
    }
}

fn plan(args: &HoldArgs) -> anyhow::Result<Plan> {
    let connections = u64::from(args.connections);
    Ok(Plan {
        targets: args.client.to.clone(),
        sources: args.client.choose_sources(connections)?,
        connections: usize::try_from(connections)?,
        threads: Threads::plan(connections, args.client.threads, Spread::Even)?,
        in_flight: usize::try_from(args.in_flight)?,
        rate: args.rate.per_second(),
        raw: args.client.raw,
        sample_key: args.client.sample_key,
        timeouts: args.client.timeouts(),
        seed: args.client.seed,
    })
}
