//! `throng-bench echo`: how fast messages come back from any WebSocket server that echoes, and whether all of them do.

pub(crate) mod page;

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::args::{OutputArgs, Rate, duration};
use crate::engine::args::ClientArgs;
use crate::engine::driver::Driver;
use crate::engine::{EchoPlan, Echoed, Engine, Opening, Outcome, Payload, Plan};
use crate::measure::environment::Environment;
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::measure::watch::{ServerCosts, Watch, WatchArgs, micros_each};
use crate::report::deliver;

/// Most bytes of a message: what throng's server takes at most by default is less.
const MAX_SIZE: u32 = 16 * 1024 * 1024;
/// Most bytes that one connection may have on their way.
const MAX_ON_THEIR_WAY: u64 = 64 * 1024 * 1024;

/// Sends messages to a WebSocket server that sends them back, checks every byte of every echo, and says how long they took.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EchoArgs {
    /// Connections that send.
    #[arg(short = 'n', long, value_name = "C", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Messages of a connection on their way at the same time, at most.
    #[arg(long, value_name = "D", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) depth: u32,
    /// Bytes of each message, up to 16 MiB.
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_SIZE)))]
    pub(crate) size: u32,
    /// Messages per second over all connections, sent by the clock; latencies begin at the planned time. max: a closed loop, in
    /// which each echo is followed by the next message.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) rate: Rate,
    /// Send binary messages instead of text.
    #[arg(long)]
    pub(crate) binary: bool,
    /// Time before the measured time in which messages go but do not count.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) warm_up: Duration,
    /// The measured time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long echoes may take to come after that.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Connections to begin per second: a number, or max.
    #[arg(long, value_name = "R/s", default_value = "max")]
    pub(crate) connect_rate: Rate,
    /// How to connect.
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Whom to watch.
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What an echo measurement came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EchoReport {
    pub(crate) environment: Environment,
    pub(crate) connections: u64,
    pub(crate) threads: usize,
    pub(crate) raw: bool,
    pub(crate) binary: bool,
    pub(crate) seed: u64,
    pub(crate) opening: Opening,
    pub(crate) echo: Echoed,
    pub(crate) outcome: Outcome,
    pub(crate) server: Option<ServerCosts>,
}

/// Runs the command. `false` when a connection failed or an echo was wrong.
pub(crate) fn run(args: &EchoArgs) -> anyhow::Result<bool> {
    let report = measure(args, &Interrupt::listen()?)?;
    deliver(&report, args.output.json.as_deref(), None)
}

/// Opens the connections, has them echo, and closes them.
pub(crate) fn measure(args: &EchoArgs, interrupt: &Interrupt) -> anyhow::Result<EchoReport> {
    let plan = plan(args)?;
    let mut report = EchoReport {
        environment: Environment::read(),
        connections: u64::from(args.connections),
        threads: plan.threads.count,
        raw: args.client.raw,
        binary: args.binary,
        seed: args.client.seed,
        ..EchoReport::default()
    };
    let mut watch = Watch::start(&args.watch)?;
    let driver = Driver {
        engine: Engine::start(plan)?,
        interrupt: interrupt.clone(),
        bars: Bars::new(args.output.progress),
    };
    report.opening = driver.ramp("connect")?;
    if let Some(watch) = &mut watch {
        watch.costs.cpu_us_per_handshake = micros_each(watch.cpu_nanos()?, report.opening.opened);
        watch.note_memory(report.opening.opened)?;
    }
    let (echo, cpu_nanos) = echo(args, &driver, watch.as_ref())?;
    if let Some(watch) = &mut watch {
        watch.costs.cpu_us_per_echo = micros_each(cpu_nanos, echo.received);
    }
    report.echo = echo;
    report.outcome = driver.close()?.0;
    report.server = watch.map(|watch| watch.costs);
    Ok(report)
}

fn plan(args: &EchoArgs) -> anyhow::Result<Plan> {
    let on_their_way = u64::from(args.size) * u64::from(args.depth);
    ensure!(!args.duration.is_zero(), "--duration must be longer than nothing");
    ensure!(
        on_their_way <= MAX_ON_THEIR_WAY,
        "--depth times --size is {on_their_way} bytes on their way on each connection: at most {MAX_ON_THEIR_WAY} are supported"
    );
    ensure!(!args.client.raw || args.size > 0, "--raw has no messages of 0 bytes: give a larger --size");
    Ok(Plan { rate: args.connect_rate.per_second(), ..Plan::of(&args.client, args.connections)? })
}

/// What came back, and the processor time in nanoseconds that the server took in the measured time.
fn echo(args: &EchoArgs, driver: &Driver, watch: Option<&Watch>) -> anyhow::Result<(Echoed, u64)> {
    let start = driver.engine.echo(EchoPlan {
        connections: usize::try_from(args.connections)?,
        depth: args.depth,
        size: usize::try_from(args.size)?,
        rate: args.rate.per_second(),
        payload: if args.binary { Payload::Bytes } else { Payload::Letters },
        warm_up: args.warm_up,
        time: args.duration,
        patience: args.patience,
    });
    let cpu = || watch.map_or(Ok(0), Watch::cpu_nanos);
    driver.pass("warm up", (start + args.warm_up).saturating_duration_since(Instant::now()))?;
    let before = cpu()?;
    driver.pass("echo", args.duration)?;
    let cpu_nanos = cpu()?.saturating_sub(before);
    Ok((driver.until(Engine::echoed)?, cpu_nanos))
}
