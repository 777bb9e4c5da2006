//! Messages to many, as `throng-bench broadcast` measures them: the next batch follows when all have the one before.

use anyhow::Context;

use super::{Found, Running, Scene, time};
use crate::broadcast::{BroadcastArgs, Measurement, measure as measure_broadcast, measure_lent};

/// Bytes of a message.
const SIZE: u32 = 64;
/// Where other servers take subscribers, and where they take messages for them.
const FEED: &str = "feed";
const PUBLISH: &str = "publish";

pub(super) fn measure(scene: &Scene<'_>, running: &mut Running, in_flight: u32) -> anyhow::Result<Found> {
    let args = scene.args;
    let options = [
        ("--connections", args.subscribers.to_string()),
        ("--rate", "max".to_owned()),
        ("--size", SIZE.to_string()),
        ("--in-flight", in_flight.to_string()),
        ("--warm-up", time(args.warm_up)),
        ("--duration", time(args.duration)),
        ("--publish", running.url(PUBLISH)),
    ];
    let parsed: BroadcastArgs = scene.arguments(running, FEED, &options, &[])?;
    let measured = if running.is_ours() {
        measure_lent(&parsed, running, scene.interrupt)?
    } else {
        let mut report = measure_broadcast(&parsed, scene.interrupt)?;
        report.rounds.pop().context("a server that was given has one round: a bug")?
    };
    Ok(found(&measured))
}

fn found(measured: &Measurement) -> Found {
    let mut found = Found::default();
    for (what, reasons) in [
        ("failed", &measured.failed),
        ("lost", &measured.lost),
        ("refused", &measured.published.refused),
        ("wrong", &measured.received.wrong),
    ] {
        found.blame(what, reasons);
    }
    found.note("closing", &measured.unclean);
    let (deliveries, expected) = (measured.received.deliveries, measured.published.expected);
    if deliveries != expected || deliveries == 0 {
        found.problems.push(format!("{deliveries} of {expected} deliveries came"));
    }
    found.put_some("cpu_us", measured.cpu.server_us_per_delivery);
    found.put("per_second", measured.deliveries_per_second);
    found.put_latency(&measured.received.latency_us);
    if measured.last_us.count() > 0 {
        found.put("last_us", measured.last_us.value_at(0.5) as f64);
        found.put("last_max_us", measured.last_us.value_at(1.0) as f64);
    }
    found
}
