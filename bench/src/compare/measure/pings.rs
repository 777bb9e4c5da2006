//! Connections that are held and pinged, as `throng-bench hold` measures them.

use super::{Found, Running, Scene, time};

pub(super) fn measure(scene: &Scene<'_>, running: &Running) -> anyhow::Result<Found> {
    let args = scene.args;
    let (report, mut found) = scene.hold(running, args.held, args.hold)?;
    if report.outcome.min_pings_held == 0 {
        found.problems.push(format!(
            "a connection was not pinged once within {}: is it the interval that the server keeps?",
            time(args.hold)
        ));
    }
    let costs = report.server.unwrap_or_default();
    found.put_some("cpu_us", costs.cpu_us_per_ping);
    found.put_some("cores", costs.cpu_cores_held);
    found.put("pings", report.outcome.pings_answered as f64);
    Ok(found)
}
