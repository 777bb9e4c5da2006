//! User memory of idle connections, as `throng-bench idle` measures it.

use anyhow::Context;

use super::{Found, Running, Scene, time};
use crate::idle::{IdleArgs, measure as measure_idle};

pub(super) fn measure(scene: &Scene<'_>, running: &Running, compressed: bool) -> anyhow::Result<Found> {
    let args = scene.args;
    let options = [
        ("--low", args.idle_low.to_string()),
        ("--high", args.idle_high.to_string()),
        ("--settle", time(args.settle)),
    ];
    let flags: &[&str] = if compressed { &["--compression"] } else { &[] };
    let parsed: IdleArgs = scene.arguments(running, "", &options, flags)?;
    let mut report = measure_idle(&parsed, scene.interrupt)?;
    let round = report.rounds.pop().context("a server that was given has one round: a bug")?;
    let mut found = Found::default();
    found.blame("failed", &round.failed);
    found.blame("lost", &round.lost);
    found.blame("wrong", &round.echo.wrong);
    found.note("closing", &round.unclean);
    if compressed && round.agreed.contains_key("nothing") {
        found.problems.push("it did not agree to compress".to_owned());
    }
    found.notes.extend(round.unsettled.iter().map(|look| format!("memory was not at rest: {look}")));
    found.put_some("before_bytes", round.per_connection.before);
    found.put_some("after_bytes", round.per_connection.after);
    found.put_some("user_bytes", round.user_bytes.high_echoed.map(|bytes| bytes as f64));
    Ok(found)
}
