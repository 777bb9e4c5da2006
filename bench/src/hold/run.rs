//! A hold from its first connection to its last.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::control::{self, Command, Event};
use super::{HoldArgs, HoldReport};
use crate::engine::{Plan, Swarm};
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::measure::watch::{Watch, micros_each};

/// How often the main thread looks at the swarm.
const LOOK: Duration = Duration::from_millis(20);
/// How often a parent process is told how far it is.
const REPORT: Duration = Duration::from_millis(200);

pub(super) struct Hold<'a> {
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
    pub(super) fn start(args: &'a HoldArgs, interrupt: Interrupt) -> anyhow::Result<Self> {
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
        let bars = Bars::new(args.output.progress);
        Ok(Self { args, interrupt, commands, swarm, bars, report, watch, next_report: Instant::now() })
    }

    pub(super) fn run(mut self) -> anyhow::Result<HoldReport> {
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
    Ok(Plan {
        in_flight: usize::try_from(args.in_flight)?,
        rate: args.rate.per_second(),
        ..Plan::of(&args.client, args.connections)?
    })
}
