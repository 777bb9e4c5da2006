//! One churn from its start to its end.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::args::ChurnArgs;
use super::plan::{habits, ping_period, plans, want};
use super::report::{After, ChurnReport};
use super::samples;
use super::visits::{Visitors, Visits};
use crate::engine::driver::{Driver, Halt, LOOK, show_time};
use crate::engine::target::Target;
use crate::engine::{Engine, Plan};
use crate::measure::environment::Environment;
use crate::measure::interrupt::Interrupt;
use crate::measure::process::user_bytes;
use crate::measure::progress::Bars;
use crate::servers::program::Program;
use crate::servers::running::Running;

/// How often a sample is taken; in a short run ten are.
const SAMPLE: Duration = Duration::from_secs(1);
/// How long the server may take to see that all have left, and to give memory back.
const SETTLE: Duration = Duration::from_secs(20);
/// Memory that has not fallen for so long has settled: the server looks after its own every second.
const STILL: Duration = Duration::from_secs(3);

/// The server, its clients and what is known so far.
pub(super) struct Session<'a> {
    args: &'a ChurnArgs,
    interrupt: &'a Interrupt,
    driver: Driver,
    visiting: Plan,
    population: Option<Engine<Visitors>>,
    // Behind the clients: whatever happens, they go first.
    server: Running,
    report: ChurnReport,
}

impl<'a> Session<'a> {
    /// Starts the server, and the threads that will hold connections.
    pub(super) fn start(args: &'a ChurnArgs, interrupt: &'a Interrupt, bars: Bars) -> anyhow::Result<Self> {
        let server = Program::Throng(args.server.server_bin.clone()).start(&want(args), interrupt)?;
        let target: Target = server.url("").parse().context("the server listens at a strange address")?;
        let (staying, visiting) = plans(args, &target)?;
        let report = ChurnReport {
            environment: Environment::read(),
            held: u64::from(args.held),
            population: u64::from(args.population),
            life_seconds: args.life.as_secs_f64(),
            pause_seconds: args.pause().as_secs_f64(),
            ping_period_seconds: ping_period(args).as_secs_f64(),
            seed: args.seed,
            server_workers: server.workers().unwrap_or_default(),
            private_tables: server.private_tables().unwrap_or_default(),
            sources: staying.sources.count(),
            after: After { user_at_start: user_bytes(server.pid())?, ..After::default() },
            ..ChurnReport::default()
        };
        let driver = Driver { engine: Engine::start(staying)?, interrupt: interrupt.clone(), bars };
        Ok(Self { args, interrupt, driver, visiting, population: None, server, report })
    }

    pub(super) fn run(mut self) -> anyhow::Result<ChurnReport> {
        self.report.opening = self.driver.ramp("hold")?;
        let held_since = Instant::now();
        let habits = habits(self.args);
        let visitors = move |plan: &Plan, thread| Visitors::new(habits, plan, thread);
        self.population = Some(Engine::with(self.visiting.clone(), visitors)?);
        self.population.iter().for_each(Engine::open);
        self.warm_up()?;
        self.steady()?;
        self.report.held_seconds = held_since.elapsed().as_secs_f64();
        self.close_visitors()?;
        let Self { driver, server, mut report, interrupt, .. } = self;
        report.outcome = driver.close()?.0;
        report.after = settle(&server, report.after, interrupt)?;
        report.server = server.stats()?;
        report.judge();
        if let Err(error) = server.stop() {
            report.problems.push(format!("{error:#}"));
        }
        Ok(report)
    }

    /// Waits until every slot has had a visitor, and the time for it has passed.
    fn warm_up(&mut self) -> anyhow::Result<()> {
        let bar = self.driver.bars.counting("warm up", self.report.population);
        let (start, mut halt) = (Instant::now(), Halt::new("filling the population", Duration::ZERO));
        loop {
            self.look()?;
            let visits = self.visits();
            bar.set_position(visits.begun);
            if visits.begun >= self.report.population && start.elapsed() >= self.args.warm_up() {
                break;
            }
            // The first visitors take their time, up to a mean life; the last have no more to come.
            if visits.begun < self.report.population && start.elapsed() >= self.args.life {
                halt.check(visits.begun)?;
            }
        }
        bar.finish_and_clear();
        self.report.warm_up_seconds = start.elapsed().as_secs_f64();
        Ok(())
    }

    fn steady(&mut self) -> anyhow::Result<()> {
        let bar = self.driver.bars.waiting("churn", self.args.steady);
        let (start, opened) = (Instant::now(), self.visits().opened);
        let every = SAMPLE.min(self.args.steady / 10);
        let mut next = start;
        while start.elapsed() < self.args.steady {
            if Instant::now() >= next {
                next += every;
                self.sample(start)?;
            }
            self.look()?;
            let (held, visits) = (self.driver.engine.counts(), self.visits());
            show_time(&bar, start);
            bar.set_message(format!("{} held lost, {} visitors here", held.lost, visits.here));
        }
        self.sample(start)?;
        bar.finish_and_clear();
        self.report.steady_seconds = start.elapsed().as_secs_f64();
        let visits = (self.visits().opened - opened) as f64;
        self.report.visits_per_second = visits / self.report.steady_seconds;
        Ok(())
    }

    fn sample(&mut self, start: Instant) -> anyhow::Result<()> {
        let (seconds, held) = (start.elapsed().as_secs_f64(), self.driver.engine.counts().open);
        let sample = samples::look(seconds, &self.server, held, &self.visits())?;
        self.report.samples.push(sample);
        Ok(())
    }

    fn close_visitors(&mut self) -> anyhow::Result<()> {
        let Some(population) = self.population.take() else { return Ok(()) };
        let driver = Driver { engine: population, interrupt: self.interrupt.clone(), bars: self.driver.bars };
        let (outcome, visits) = driver.close()?;
        self.report.visits = Visits { pings_answered: outcome.pings_answered, ..visits };
        Ok(())
    }

    fn visits(&self) -> Visits {
        self.population.as_ref().map(Engine::tally).unwrap_or_default()
    }

    /// One look at signals and threads, and a little sleep.
    fn look(&mut self) -> anyhow::Result<()> {
        if let Some(population) = self.population.take_if(|population| population.has_ended_thread()) {
            // It has an error to tell.
            population.finish()?;
            bail!("a visitors' thread has ended early");
        }
        self.driver.look(LOOK)
    }
}

/// Waits until the server has seen that all have left and its memory falls no more, or has had time enough.
fn settle(server: &Running, mut after: After, interrupt: &Interrupt) -> anyhow::Result<After> {
    let start = Instant::now();
    let mut fallen = start;
    after.user = u64::MAX;
    loop {
        let stats = server.stats()?;
        let user = user_bytes(server.pid())?;
        if user < after.user {
            (after.user, fallen) = (user, Instant::now());
        }
        (after.open, after.sockets, after.buffered_bytes) = (stats.open, stats.sockets, stats.buffered_bytes);
        after.settled_seconds = start.elapsed().as_secs_f64();
        let is_settled = after.is_clean() && fallen.elapsed() >= STILL;
        if is_settled || start.elapsed() >= SETTLE {
            // The last word, not the lowest.
            after.user = user;
            return Ok(after);
        }
        rest(interrupt)?;
    }
}

fn rest(interrupt: &Interrupt) -> anyhow::Result<()> {
    ensure!(!interrupt.is_raised(), "interrupted");
    std::thread::sleep(LOOK);
    Ok(())
}
