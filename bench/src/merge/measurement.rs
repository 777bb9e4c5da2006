//! One server's measurement out of those of several load machines.

use anyhow::{Context, ensure};

use crate::c1m::report::Measurement;

/// Adds up what each load machine counted; what was read of the server and of all clients together is in each alike.
pub(super) fn merge_measurements(parts: Vec<Measurement>) -> anyhow::Result<Measurement> {
    let warnings = tell(&parts, |part| &part.warnings);
    let problems = tell(&parts, |part| &part.problems);
    let mut parts = parts.into_iter();
    let mut merged = parts.next().context("there is nothing to merge")?;
    for part in parts {
        ensure!(
            same(&merged) == same(&part),
            "reports of one session disagree about the server: has one been changed?"
        );
        add(&mut merged, &part);
    }
    (merged.warnings, merged.problems) = (warnings, problems);
    ensure!(
        merged.share == merged.connections,
        "the shares of all load machines are {} of {} connections",
        merged.share,
        merged.connections
    );
    let per_second = merged.opened as f64 / merged.ramp_seconds;
    merged.connections_per_second = if per_second.is_finite() { per_second } else { 0.0 };
    let lost: u64 = merged.lost.sum();
    let open = merged.open_after_ramp.client;
    // Those lost may have been lost before or after all met.
    if !(merged.opened.saturating_sub(lost)..=merged.opened).contains(&open) {
        merged.problems.push(format!(
            "load machines have opened {} connections and lost {lost}, and {open} were open after the ramp",
            merged.opened
        ));
    }
    Ok(merged)
}

fn add(merged: &mut Measurement, part: &Measurement) {
    merged.share += part.share;
    merged.client_threads += part.client_threads;
    merged.opened += part.opened;
    merged.closed += part.closed;
    merged.ramp_seconds = merged.ramp_seconds.max(part.ramp_seconds);
    merged.close_seconds = merged.close_seconds.max(part.close_seconds);
    merged.after.settled_seconds = merged.after.settled_seconds.max(part.after.settled_seconds);
    merged.handshake_us.add(&part.handshake_us);
    merged.failed += &part.failed;
    merged.lost += &part.lost;
    merged.unclean += &part.unclean;
    if let Some((merged, part)) = merged.probe.as_mut().zip(part.probe.as_ref()) {
        merged.rate = merged.rate.zip(part.rate).map(|(merged, part)| merged + part);
        merged.add(part);
    }
}

/// What must be the same in all.
fn same(of: &Measurement) -> (&str, u64, u32, u64, Option<(u64, u64)>) {
    let pings = of.hold.as_ref().map(|hold| (hold.pings_sent, hold.pongs_received));
    (&of.server, of.connections, of.machines, of.user.server_at_n, pings)
}

/// What all say once, the rest as that of the machine which says it.
fn tell(parts: &[Measurement], of: fn(&Measurement) -> &Vec<String>) -> Vec<String> {
    let is_common = |text: &&String| parts.iter().all(|part| of(part).contains(text));
    let common = parts.first().into_iter().flat_map(of).filter(is_common).cloned();
    let own = parts.iter().zip(1..).flat_map(|(part, number)| {
        let own = of(part).iter().filter(move |text| !is_common(text));
        own.map(move |text| format!("load machine {number}: {text}"))
    });
    common.chain(own).collect()
}
