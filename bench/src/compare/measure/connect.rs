//! Handshakes, and connections that come and leave, as `throng-bench hold` and `connect` measure them.

use std::time::Duration;

use super::{Found, Running, Scene, VISITORS, time};
use crate::connect::{ConnectArgs, measure as measure_connect};

/// One in so many planned connections may find all places taken after a moment in which the machine did something else.
const MAY_MISS: u64 = 100;

/// Connections that open and stay, so that nothing but their handshakes is measured.
pub(super) fn handshakes(scene: &Scene<'_>, running: &Running) -> anyhow::Result<Found> {
    let (report, mut found) = scene.hold(running, scene.args.handshakes, Duration::ZERO)?;
    found.put_some("cpu_us", report.server.and_then(|costs| costs.cpu_us_per_handshake));
    found.put("per_second", report.opening.connections_per_second);
    found.put_latency(&report.opening.latency_us);
    Ok(found)
}

/// Connections that open and leave with a closing handshake, which is in the processor time too.
pub(super) fn churn(scene: &Scene<'_>, running: &Running, rate: Option<f64>) -> anyhow::Result<Found> {
    let args = scene.args;
    let options = [
        ("--connections", VISITORS.to_string()),
        ("--rate", rate.map_or_else(|| "max".to_owned(), |rate| rate.to_string())),
        ("--warm-up", time(args.warm_up)),
        ("--duration", time(args.duration)),
    ];
    let parsed: ConnectArgs = scene.arguments(running, "", &options, &[])?;
    let report = measure_connect(&parsed, scene.interrupt)?;
    let mut found = Found::default();
    found.blame("failed", &report.failed);
    found.blame("lost", &report.lost);
    found.note("closing", &report.unclean);
    if report.not_begun > 0 {
        let told = format!("{} connections were planned and never begun", report.not_begun);
        if report.not_begun > report.opened / MAY_MISS {
            found.problems.push(format!("{told}: give a lower --churn-rate"));
        } else {
            found.notes.push(told);
        }
    }
    found.put_some("cpu_us", report.server.and_then(|costs| costs.cpu_us_per_handshake));
    found.put("per_second", report.per_second);
    found.put_latency(&report.latency_us);
    Ok(found)
}
