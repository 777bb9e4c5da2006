//! Connections that are held and pinged, as `throng-bench hold` measures them.

use super::connect::IN_FLIGHT;
use super::{Found, Running, Scene, time};
use crate::args::parse;
use crate::hold::{HoldArgs, measure as measure_hold};

pub(super) fn measure(scene: &Scene<'_>, running: &Running) -> anyhow::Result<Found> {
    let args = scene.args;
    let mut options = scene.options(running, "");
    options.extend([
        ("--connections", args.held.to_string()),
        ("--in-flight", IN_FLIGHT.to_string()),
        ("--hold", time(args.hold)),
    ]);
    let options = options.iter().flat_map(|(name, value)| [*name, value]);
    let parsed: HoldArgs = parse(running.sample_key().into_iter().chain(options))?;
    let report = measure_hold(&parsed, scene.interrupt)?;
    let mut found = Found::default();
    found.blame("failed", &report.opening.failed);
    found.blame("lost", &report.outcome.lost);
    found.note("closing", &report.outcome.unclean);
    if report.outcome.min_pings_held == 0 {
        found.problems.push(format!(
            "a connection was not pinged once within {}: is it the interval that the server keeps?",
            time(args.hold)
        ));
    }
    let costs = report.server.unwrap_or_default();
    found.put_some("cpu_us", costs.cpu_us_per_ping);
    found.put_some("cores", costs.cpu_cores_held);
    #[expect(clippy::cast_precision_loss, reason = "a number for people")]
    found.put("pings", report.outcome.pings_answered as f64);
    Ok(found)
}
