//! The report for people.

use std::fmt;

use super::kernel::{CacheGrowth, Side};
use super::report::{C1mReport, Hold, Measurement, RampCpu, Ratios};
use crate::hold::reasons;

const MIB: f64 = 1024.0 * 1024.0;

pub(super) struct Text<'a>(pub(super) &'a C1mReport);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let C1mReport { environment, floor, throng, ratios } = self.0;
        let gib = mib(environment.memory_bytes) / 1024.0;
        writeln!(
            f,
            "machine   {} x {}, {gib:.1} GiB, Linux {}, {} descriptors a table",
            environment.cores, environment.cpu, environment.kernel, environment.descriptors
        )?;
        for measurement in floor.iter().chain([throng]) {
            writeln!(f)?;
            measured(f, measurement)?;
        }
        if let Some(ratios) = ratios {
            writeln!(f)?;
            compared(f, ratios)?;
        }
        Ok(())
    }
}

fn measured(f: &mut fmt::Formatter<'_>, m: &Measurement) -> fmt::Result {
    let tables = if m.private_tables { ", a descriptor table each" } else { "" };
    writeln!(
        f,
        "{}: {} connections, {} workers{tables}, {} client threads, seed {}",
        m.server, m.connections, m.server_workers, m.client_threads, m.seed
    )?;
    let lost: u64 = m.lost.values().sum();
    let held = if m.hold.is_some() { m.open_after_hold } else { m.open_after_ramp };
    writeln!(
        f,
        "  held       {} of {}, {lost} lost; the server counts {}",
        held.client, m.connections, held.server
    )?;
    for (title, counts) in [("  failed", &m.failed), ("  lost", &m.lost), ("  unclean", &m.unclean)] {
        reasons(f, title, counts)?;
    }
    writeln!(f, "  ramp       {:.2} s, {:.0} connections/s", m.ramp_seconds, m.connections_per_second)?;
    let RampCpu { server_seconds, client_seconds, others_seconds } = m.ramp_cpu;
    writeln!(
        f,
        "  ramp CPU   {server_seconds:.2} s server, {client_seconds:.2} s client, {others_seconds:.2} s others"
    )?;
    writeln!(f, "  latency    {}", m.handshake_us)?;
    if let Some(hold) = &m.hold {
        held_text(f, hold)?;
    }
    for warning in &m.warnings {
        writeln!(f, "  WARNING    {warning}")?;
    }
    memory(f, m)?;
    writeln!(f, "  close      {} in order in {:.2} s", m.closed, m.close_seconds)?;
    for problem in &m.problems {
        writeln!(f, "  PROBLEM    {problem}")?;
    }
    Ok(())
}

fn held_text(f: &mut fmt::Formatter<'_>, hold: &Hold) -> fmt::Result {
    writeln!(
        f,
        "  pings      {} sent, {} answered in {:.1} s ({} cycles of {} s); at least {} by each connection, {} timeouts",
        hold.pings_sent,
        hold.pongs_received,
        hold.seconds,
        hold.cycles,
        hold.ping_interval_seconds,
        hold.min_pings_per_connection,
        hold.pong_timeouts
    )?;
    writeln!(f, "  ping RTT   {}", hold.ping_rtt_us)?;
    writeln!(
        f,
        "  server CPU {:.3} cores while holding, {:.2} us a ping cycle",
        hold.server_cpu_cores, hold.cpu_us_per_ping_cycle
    )
}

fn memory(f: &mut fmt::Formatter<'_>, m: &Measurement) -> fmt::Result {
    let user = &m.user;
    writeln!(
        f,
        "  user       {:.1} bytes/connection; {:.2} MiB in all, {:.2} MiB of them without connections",
        user.server_bytes_per_connection,
        mib(user.server_at_n),
        mib(user.server_at_zero)
    )?;
    writeln!(
        f,
        "             client {:.1} bytes/connection; {:.2} MiB in all",
        user.client_bytes_per_connection,
        mib(user.client_at_n)
    )?;
    match &m.kernel {
        None => writeln!(f, "  kernel     unknown: /proc/slabinfo cannot be read without root")?,
        Some(kernel) => {
            writeln!(
                f,
                "  kernel     {:.0} bytes/connection in slabs; {:.1} MiB for both ends",
                kernel.server_bytes_per_connection,
                mib(kernel.total_bytes.unsigned_abs())
            )?;
            let related = |cache: &&CacheGrowth| cache.side != Side::Unrelated;
            for cache in kernel.caches.iter().filter(related) {
                let merged = if cache.merged_with.is_empty() {
                    String::new()
                } else {
                    format!(" (with {})", cache.merged_with.join(", "))
                };
                let side = match cache.side {
                    Side::Both => "",
                    Side::Client => ", the client's only",
                    Side::Either => ", taken by halves",
                    Side::Unrelated => ", not counted",
                };
                writeln!(
                    f,
                    "             {:>7.1} {}{merged}; {} objects{side}",
                    cache.server_bytes_per_connection, cache.name, cache.objects
                )?;
            }
        }
    }
    writeln!(
        f,
        "  machine    {:.0} bytes/connection less free or in the page cache, for both ends",
        m.machine_bytes_per_connection
    )?;
    let bytes = |bytes: Option<i64>| {
        bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.1} MiB", signed_mib(bytes)))
    };
    let back = match m.kernel_came_back() {
        Some(true) => " (all back)",
        Some(false) => " (NOT all back)",
        None => "",
    };
    let (left, time_wait) = (bytes(m.after.kernel_left), bytes(m.after.time_wait));
    writeln!(
        f,
        "  afterwards {:.2} MiB user; kernel {left} more than at the start{back}, settled in {:.1} s; {time_wait} in TIME_WAIT",
        mib(m.after.server_user),
        m.after.settled_seconds
    )
}

fn compared(f: &mut fmt::Formatter<'_>, ratios: &Ratios) -> fmt::Result {
    let met = |is_met: bool| if is_met { "met" } else { "MISSED" };
    writeln!(f, "throng / floor")?;
    writeln!(
        f,
        "  ramp       {:.2} x (goal: at most {}): {}",
        ratios.ramp,
        Ratios::RAMP_GOAL,
        met(ratios.ramp_met)
    )?;
    writeln!(f, "  ramp CPU   {:.2} x", ratios.ramp_cpu)?;
    if let (Some(kernel), Some(is_met)) = (ratios.kernel, ratios.kernel_met) {
        let (percent, goal) = ((kernel - 1.0) * 100.0, Ratios::KERNEL_GOAL * 100.0);
        writeln!(
            f,
            "  kernel     {percent:+.2} % bytes/connection (goal: within {goal} %): {}",
            met(is_met)
        )?;
    }
    if let Some(is_back) = ratios.kernel_back {
        let goal = Ratios::LEFT_GOAL * 100.0;
        writeln!(f, "  leaked     kernel memory came back (goal: all but {goal} %): {}", met(is_back))?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn signed_mib(bytes: i64) -> f64 {
    bytes as f64 / MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_and_missed_goals_stand_out() {
        let throng = Measurement {
            server: "throng",
            ramp_seconds: 2.0,
            problems: vec!["3 connections were lost".to_owned()],
            ..Measurement::default()
        };
        let floor = Measurement { server: "floor", ramp_seconds: 1.0, ..Measurement::default() };
        let ratios = Some(Ratios::of(&throng, &floor));
        let report = C1mReport {
            environment: crate::linux::environment::Environment::default(),
            floor: Some(floor),
            throng,
            ratios,
        };
        let text = Text(&report).to_string();
        assert!(text.contains("PROBLEM    3 connections were lost"), "{text}");
        assert!(text.contains("2.00 x (goal: at most 1.7): MISSED"), "{text}");
    }
}
