//! `throng-bench connect`: how many connections a second any WebSocket server takes, one after the other.

mod page;
mod visits;

use std::time::Duration;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::args::{OutputArgs, Rate, duration};
use crate::engine::args::ClientArgs;
use crate::engine::driver::Driver;
use crate::engine::{Engine, Plan};
use crate::measure::distribution::Distribution;
use crate::measure::environment::Environment;
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::measure::reasons::Reasons;
use crate::measure::watch::{ServerCosts, Watch, WatchArgs, micros_each};
use crate::report::deliver;
use visits::{Habits, Leave, Visits};

/// Connections for which source addresses are chosen: ports rest in TIME_WAIT for a minute after their use.
const RESTING: u64 = 1_000_000;

/// Opens connections to a WebSocket server and leaves again, and says how many a second it took and how long they took to open.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectArgs {
    /// Connections that are there at the same time, at most: being opened, staying or being closed.
    #[arg(short = 'n', long, value_name = "C", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Connections to begin per second, by the clock; latencies begin at the planned time. max: as soon as one has left, the
    /// next one comes.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) rate: Rate,
    /// How long each stays once it is open.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub(crate) stay: Duration,
    /// How each leaves [default: close, and reset with --raw].
    #[arg(long, value_name = "HOW")]
    pub(crate) leave: Option<Leave>,
    /// Time before the measured time in which connections come and go but do not count.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// The measured time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How to connect.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Whom to watch.
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What connections that come and go came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConnectReport {
    pub(crate) environment: Environment,
    pub(crate) connections: u64,
    pub(crate) threads: usize,
    pub(crate) raw: bool,
    pub(crate) leave: Leave,
    pub(crate) stay_seconds: f64,
    pub(crate) rate: Option<f64>,
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) opened: u64,
    pub(crate) per_second: f64,
    pub(crate) failed: Reasons,
    pub(crate) lost: Reasons,
    pub(crate) unclean: Reasons,
    pub(crate) not_begun: u64,
    pub(crate) behind_us: u64,
    pub(crate) latency_us: Distribution,
    pub(crate) server: Option<ServerCosts>,
}

/// Runs the command. `false` when a connection failed.
pub(crate) fn run(args: &ConnectArgs) -> anyhow::Result<bool> {
    let report = measure(args, &Interrupt::listen()?)?;
    deliver(&report, args.output.json.as_deref(), None)
}

/// Has connections come and go for the planned time.
pub(crate) fn measure(args: &ConnectArgs, interrupt: &Interrupt) -> anyhow::Result<ConnectReport> {
    let leave = leave(args)?;
    let plan = plan(args)?;
    let threads = plan.threads.count;
    let mut watch = Watch::start(&args.watch)?;
    let habits = Habits {
        rate: args.rate.per_second(),
        stay: args.stay,
        leave,
        warm_up: args.warm_up,
        time: args.duration,
    };
    let engine = Engine::with(plan, move |plan, thread| Visits::new(habits, plan, thread))?;
    let mut driver = Driver { engine, interrupt: interrupt.clone(), bars: Bars::new(args.output.progress) };
    driver.engine.open();
    driver.pass("warm up", args.warm_up)?;
    let cpu = || watch.as_ref().map_or(Ok(0), Watch::cpu_nanos);
    let before = cpu()?;
    driver.pass("connect", args.duration)?;
    let cpu_nanos = cpu()?.saturating_sub(before);
    driver.engine.close();
    driver.until(|engine| engine.is_finished().then_some(()))?;
    let opening = driver.engine.opening();
    let (outcome, behind) = driver.close()?;
    if let Some(watch) = &mut watch {
        watch.costs.cpu_us_per_handshake = micros_each(cpu_nanos, opening.opened);
        watch.note_memory(0)?;
    }
    let seconds = args.duration.as_secs_f64();
    Ok(ConnectReport {
        environment: Environment::read(),
        connections: u64::from(args.connections),
        threads,
        raw: args.client.raw,
        leave,
        stay_seconds: args.stay.as_secs_f64(),
        rate: args.rate.per_second(),
        seed: args.client.seed,
        seconds,
        opened: opening.opened,
        per_second: opening.opened as f64 / seconds,
        failed: opening.failed,
        lost: outcome.lost,
        unclean: outcome.unclean,
        not_begun: behind.not_begun,
        behind_us: behind.behind_us,
        latency_us: opening.latency_us,
        server: watch.map(|watch| watch.costs),
    })
}

fn leave(args: &ConnectArgs) -> anyhow::Result<Leave> {
    let default = if args.client.raw { Leave::Reset } else { Leave::Close };
    let leave = args.leave.unwrap_or(default);
    ensure!(
        !(args.client.raw && leave == Leave::Close),
        "--raw has no closing handshake: use --leave fin or --leave reset"
    );
    Ok(leave)
}

fn plan(args: &ConnectArgs) -> anyhow::Result<Plan> {
    ensure!(!args.duration.is_zero(), "--duration must be longer than nothing");
    // A source that is not loopback's has what ports it has: TIME_WAIT may then be the limit, and the reason says so.
    let is_loopback =
        args.client.to.iter().all(|target| target.address.ip().is_loopback() && target.address.is_ipv4());
    let is_chosen = args.client.sources.is_some() || !args.client.source.is_empty();
    let connections = u64::from(args.connections);
    let resting = if is_loopback && !is_chosen { RESTING.max(connections) } else { connections };
    Ok(Plan {
        sources: args.client.choose_sources(resting)?,
        in_flight: args.connections as usize,
        ..Plan::of(&args.client, args.connections)?
    })
}
