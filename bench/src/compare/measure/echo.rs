//! Messages that come back, as `throng-bench echo` measures them.

use super::{Found, Running, Scene};
use crate::echo::{EchoArgs, measure as measure_echo};

pub(super) fn measure(
    scene: &Scene<'_>,
    running: &Running,
    (connections, depth, size): (u32, u32, u32),
) -> anyhow::Result<Found> {
    let args = scene.args;
    let time = |time| humantime::format_duration(time).to_string();
    let options = [
        ("--to", running.url("")),
        ("--connections", connections.to_string()),
        ("--depth", depth.to_string()),
        ("--size", size.to_string()),
        ("--warm-up", time(args.warm_up)),
        ("--duration", time(args.duration)),
        ("--threads", "1".to_owned()),
        ("--seed", args.seed.to_string()),
        ("--pid", running.pid().to_string()),
    ];
    let flags = ["--binary"].into_iter().chain(running.is_floor().then_some("--sample-key"));
    let options = options.iter().flat_map(|(name, value)| [*name, value]);
    let report = measure_echo(&EchoArgs::parse(flags.chain(options))?, scene.interrupt)?;
    let mut found = Found::default();
    found.blame("failed", &report.opening.failed);
    found.blame("lost", &report.outcome.lost);
    found.blame("wrong", &report.echo.wrong);
    found.note("closing", &report.outcome.unclean);
    if let Some(cpu) = report.server.and_then(|costs| costs.cpu_us_per_echo) {
        found.put("cpu_us", cpu);
    }
    found.put("per_second", report.echo.per_second);
    found.put_latency(&report.echo.latency_us);
    if report.echo.received == 0 {
        found.problems.push("nothing came back in the measured time".to_owned());
    }
    Ok(found)
}
