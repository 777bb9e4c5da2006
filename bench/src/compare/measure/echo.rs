//! Messages that come back, as `throng-bench echo` measures them.

use super::{Found, Running, Scene, time};
use crate::echo::{EchoArgs, measure as measure_echo};

pub(super) fn measure(
    scene: &Scene<'_>,
    running: &Running,
    (connections, depth, size): (u32, u32, u32),
) -> anyhow::Result<Found> {
    let args = scene.args;
    let options = [
        ("--connections", connections.to_string()),
        ("--depth", depth.to_string()),
        ("--size", size.to_string()),
        ("--warm-up", time(args.warm_up)),
        ("--duration", time(args.duration)),
    ];
    let parsed: EchoArgs = scene.arguments(running, "", &options, &["--binary"])?;
    let report = measure_echo(&parsed, scene.interrupt)?;
    let mut found = Found::default();
    found.blame("failed", &report.opening.failed);
    found.blame("lost", &report.outcome.lost);
    found.blame("wrong", &report.echo.wrong);
    found.note("closing", &report.outcome.unclean);
    if report.echo.received == 0 {
        found.problems.push("nothing came back in the measured time".to_owned());
    }
    found.put_some("cpu_us", report.server.and_then(|costs| costs.cpu_us_per_echo));
    found.put("per_second", report.echo.per_second);
    found.put_latency(&report.echo.latency_us);
    Ok(found)
}
