//! A hold from its first connection to its last.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::args::HoldArgs;
use super::control::{self, Command, Event};
use super::report::HoldReport;
use crate::engine::driver::{Driver, show_time};
use crate::engine::{Counts, Engine, Plan};
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::measure::watch::{Watch, micros_each};

/// How often the main thread looks at the engine.
const LOOK: Duration = Duration::from_millis(20);
/// How often a parent process is told how far it is.
const REPORT: Duration = Duration::from_millis(200);

pub(super) struct Hold<'a> {
    args: &'a HoldArgs,
    interrupt: &'a Interrupt,
    commands: Option<Receiver<Command>>,
    driver: Driver,
    report: HoldReport,
    watch: Option<Watch>,
    next_report: Instant,
}

impl<'a> Hold<'a> {
    pub(super) fn start(args: &'a HoldArgs, interrupt: &'a Interrupt) -> anyhow::Result<Self> {
        let client = &args.client;
        let plan = Plan {
            in_flight: usize::try_from(args.in_flight)?,
            rate: args.rate.per_second(),
            ..Plan::of(client, args.connections)?
        };
        let report = HoldReport {
            connections: u64::from(args.connections),
            threads: plan.threads.count,
            private_tables: plan.threads.private_tables,
            raw: client.raw,
            sources: plan.sources.count(),
            seed: client.seed,
            ..HoldReport::default()
        };
        let watch = Watch::start(&args.watch)?;
        // The threads come first: each private table is a copy of this one, so it should be small.
        let engine = Engine::start(plan)?;
        let commands = args.controlled.then(control::listen).transpose()?;
        // An interrupted hold closes its connections and reports: it takes a signal for the command to do so.
        let driver =
            Driver { engine, interrupt: Interrupt::default(), bars: Bars::new(args.output.progress) };
        Ok(Self { args, interrupt, commands, driver, report, watch, next_report: Instant::now() })
    }

    pub(super) fn run(mut self) -> anyhow::Result<HoldReport> {
        let (threads, private_tables) = (self.report.threads, self.report.private_tables);
        self.tell(|| Event::Ready { threads, private_tables })?;
        let controlled = self.args.controlled;
        let begins =
            self.until(|_, command| (!controlled || command == Some(Command::Open)).then_some(()))?;
        if begins.is_some() && self.ramp()? && self.hold()? {
            self.probe()?;
        }
        self.close()
    }

    /// Waits for something, which may be a command; `None` when everything is to be closed instead.
    fn until<T>(
        &mut self,
        mut ready: impl FnMut(&Engine, Option<Command>) -> Option<T>,
    ) -> anyhow::Result<Option<T>> {
        loop {
            let command = self.command();
            if command == Some(Command::Close) {
                return Ok(None);
            }
            if let Some(found) = ready(&self.driver.engine, command) {
                return Ok(Some(found));
            }
            self.driver.look(LOOK)?;
            self.report_progress()?;
        }
    }

    /// Opens the connections. `false` when it is to end before all have opened.
    fn ramp(&mut self) -> anyhow::Result<bool> {
        let bar = self.driver.bars.counting("ramp", self.report.connections);
        self.driver.engine.open();
        let ramped = self.until(|engine, _| {
            let counts = engine.counts();
            bar.set_position(counts.opened);
            bar.set_message(format!("{} failed, {} lost", counts.failed, counts.lost));
            engine.is_ramped().then_some(())
        })?;
        bar.finish_and_clear();
        if ramped.is_some() {
            self.driver.engine.hold();
            self.tell(|| Event::Opened(self.driver.engine.opening()))?;
        }
        Ok(ramped.is_some())
    }

    /// Holds the connections. `false` when nothing is to follow but their end.
    fn hold(&mut self) -> anyhow::Result<bool> {
        let (start, before) = (Instant::now(), self.counts());
        let cpu = self.watched_cpu()?;
        if let Some(watch) = &mut self.watch {
            watch.costs.cpu_us_per_handshake = micros_each(cpu, before.opened);
        }
        let bar = self.driver.bars.waiting("hold", self.args.hold);
        let (controlled, time) = (self.args.controlled, self.args.hold);
        let probes = self.until(|engine, command| {
            let counts = engine.counts();
            show_time(&bar, start);
            bar.set_message(format!(
                "{} open, {} lost, {} pings answered",
                counts.open, counts.lost, counts.pings_answered
            ));
            let is_over = !controlled && start.elapsed() >= time;
            (is_over || command == Some(Command::Probe)).then_some(())
        })?;
        bar.finish_and_clear();
        self.report.held_seconds = start.elapsed().as_secs_f64();
        let (cpu, counts) = (self.watched_cpu()? - cpu, self.counts());
        if let Some(watch) = &mut self.watch {
            let answered = counts.pings_answered - before.pings_answered;
            watch.costs.cpu_cores_held =
                Some(Duration::from_nanos(cpu).as_secs_f64() / self.report.held_seconds);
            watch.costs.cpu_us_per_ping = micros_each(cpu, answered);
            watch.note_memory(counts.open)?;
        }
        Ok(probes.is_some() && !self.args.probe_time.is_zero())
    }

    fn counts(&self) -> Counts {
        self.driver.engine.counts()
    }

    /// Processor time in nanoseconds of the server since before the first connection; 0 when nobody watches it.
    fn watched_cpu(&self) -> anyhow::Result<u64> {
        self.watch.as_ref().map_or(Ok(0), Watch::cpu_nanos)
    }

    /// Sends messages on a sample of the connections until all have come back, or have had time enough to.
    fn probe(&mut self) -> anyhow::Result<()> {
        self.driver.engine.echo(self.args.probe.plan(self.args.probe_time));
        let bar = self.driver.bars.waiting("probe", self.args.probe_time);
        let start = Instant::now();
        let echoed = self.until(|engine, _| {
            show_time(&bar, start);
            engine.echoed()
        })?;
        bar.finish_and_clear();
        let Some(echoed) = echoed else { return Ok(()) };
        self.report.probe = Some(echoed.clone());
        self.tell(|| Event::Probed(Box::new(echoed)))?;
        if self.args.controlled {
            self.until(|_, _| None::<()>)?;
        }
        Ok(())
    }

    fn close(mut self) -> anyhow::Result<HoldReport> {
        self.driver.engine.close();
        let bar = self.driver.bars.counting("close", self.counts().open);
        while !self.driver.engine.is_finished() {
            std::thread::sleep(LOOK);
            self.report_progress()?;
            bar.set_position(self.counts().closed);
        }
        bar.finish_and_clear();
        self.report.opening = self.driver.engine.opening();
        self.report.outcome = self.driver.engine.finish()?.0;
        self.report.server = self.watch.map(|watch| watch.costs);
        Ok(self.report)
    }

    fn report_progress(&mut self) -> anyhow::Result<()> {
        if Instant::now() >= self.next_report {
            self.next_report = Instant::now() + REPORT;
            self.tell(|| Event::Progress(self.counts()))?;
        }
        Ok(())
    }

    /// Tells a parent process, if there is one.
    fn tell(&self, event: impl FnOnce() -> Event) -> anyhow::Result<()> {
        if self.args.controlled { event().emit() } else { Ok(()) }
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
