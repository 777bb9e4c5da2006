//! The report for people.

use std::fmt;

use super::figures::Growth;
use super::report::{C1mReport, Hold, Measurement, Part, RampCpu};
use crate::engine::Echoed;
use crate::measure::account::LEAST_CONNECTIONS;
use crate::measure::cgroup::Charges;
use crate::measure::environment::Environment;
use crate::measure::kernel::{CacheGrowth, Side};
use crate::report::judge::Goal;
use crate::report::text::reasons;
use crate::report::units::{mib, millis, number};

pub(crate) struct Text<'a>(pub(crate) &'a C1mReport);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let C1mReport { part, environment, other_environments, server_environment, runs, growth, .. } =
            self.0;
        if let Some(Part { session, machine }) = part {
            writeln!(f, "session   {session}, load machine {machine}")?;
        }
        for environment in [environment].into_iter().chain(other_environments) {
            machine(f, "machine", environment)?;
        }
        if let Some(environment) = server_environment {
            machine(f, "server", environment)?;
        }
        for run in runs {
            for measurement in run.floor.iter().chain([&run.throng]) {
                writeln!(f)?;
                measured(f, measurement)?;
            }
            if let Some(ratios) = &run.ratios {
                writeln!(
                    f,
                    "\nthrong / floor, {} connections, rounds: {}",
                    run.connections,
                    run.rounds.len()
                )?;
                if let Some((ramp, cpu)) = ratios.get("ramp").zip(ratios.get("ramp_cpu")) {
                    writeln!(f, "  ramp       {ramp:.2} x, with {cpu:.2} x the processor time")?;
                }
                ratios.goals().iter().try_for_each(|goal| goal_text(f, goal))?;
            }
        }
        if let Some(growth) = growth {
            let Growth { from, to, throng, floor, .. } = growth;
            writeln!(
                f,
                "\na ping cycle from {from} to {to} connections: {throng:.2} x; the floor: {floor:.2} x"
            )?;
            goal_text(f, &growth.goal())?;
        }
        Ok(())
    }
}

pub(crate) fn machine(f: &mut fmt::Formatter<'_>, title: &str, environment: &Environment) -> fmt::Result {
    let gib = mib(environment.memory_bytes) / 1024.0;
    writeln!(
        f,
        "{title:<9} {} x {}, {gib:.1} GiB, Linux {}, {} descriptors a table",
        environment.cores, environment.cpu, environment.kernel, environment.descriptors
    )
}

fn goal_text(f: &mut fmt::Formatter<'_>, goal: &Goal) -> fmt::Result {
    let met = if goal.is_met() { "met" } else { "MISSED" };
    writeln!(f, "  {met:<10} {}: {:.3} (goal: at most {})", goal.name, goal.value, goal.most)
}

pub(crate) fn measured(f: &mut fmt::Formatter<'_>, m: &Measurement) -> fmt::Result {
    let tables = if m.private_tables { ", a descriptor table each" } else { "" };
    writeln!(
        f,
        "{}: {} connections, {} workers{tables}, {} client threads, seed {}",
        m.server, m.connections, m.server_workers, m.client_threads, m.seed
    )?;
    let lost: u64 = m.lost.values().sum();
    let held = m.held();
    writeln!(
        f,
        "  held       {} of {}, {lost} lost; the server counts {}",
        held.client, m.connections, held.server
    )?;
    for (title, counts) in [("  failed", &m.failed), ("  lost", &m.lost), ("  unclean", &m.unclean)] {
        reasons(f, title, counts)?;
    }
    writeln!(f, "  ramp       {:.2} s, {:.0} connections/s", m.ramp_seconds, m.connections_per_second)?;
    let RampCpu { server_seconds, client_seconds, others_seconds, server_us_per_handshake } = m.ramp_cpu;
    writeln!(
        f,
        "  ramp CPU   {server_seconds:.2} s server, {client_seconds:.2} s client, {others_seconds:.2} s others; \
         {server_us_per_handshake:.2} us of the server a handshake"
    )?;
    writeln!(f, "  latency    {}", m.handshake_us)?;
    if let Some(hold) = &m.hold {
        held_text(f, hold)?;
    }
    if let Some(probe) = &m.probe {
        probe_text(f, probe)?;
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
        "  server CPU {:.3} cores while holding, {:.2} us a ping cycle; the client's {:.2} us",
        hold.server_cpu_cores, hold.cpu_us_per_ping_cycle, hold.client_cpu_us_per_ping_cycle
    )
}

fn probe_text(f: &mut fmt::Formatter<'_>, probe: &Echoed) -> fmt::Result {
    writeln!(
        f,
        "  probe      {} of {} messages of {} bytes came back over {} connections, {:.0}/s; the client at most {:.2} ms late",
        probe.received,
        probe.sent,
        probe.size,
        probe.connections,
        probe.per_second,
        millis(probe.behind_us)
    )?;
    writeln!(f, "  echo       {}", probe.latency_us)
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
    if let Some(check) = &m.cgroup {
        let what = match check.charges {
            Charges::All => "",
            Charges::AllButSockets => ", the sockets themselves left out",
        };
        writeln!(
            f,
            "  cgroup     {:.0} bytes/connection charged to the server, {:.0} in slabs{what}: {:.2} x",
            check.bytes_per_connection, check.slab_bytes_per_connection, check.ratio
        )?;
    }
    if let Some(sum) = &m.sum {
        let met = match sum.is_met() {
            _ if m.connections < LEAST_CONNECTIONS => "too few connections to judge by",
            true => "met",
            false => "MISSED",
        };
        writeln!(
            f,
            "  sum        {:.0} bytes/connection in slabs and user memory; MemAvailable fell by {:.0} and slabs it takes for \
             available grew by {:.0}: {:.1} % explained ({met}); free memory fell by {:.0}",
            sum.sum,
            sum.available_fell,
            sum.reclaimable_grew,
            sum.explained * 100.0,
            sum.free_fell
        )?;
    }
    let bytes = |bytes: Option<i64>| {
        bytes.map_or_else(
            || "unknown".to_owned(),
            |bytes| {
                format!("{} MiB", number(mib(bytes.unsigned_abs()) * if bytes < 0 { -1.0 } else { 1.0 }, 1))
            },
        )
    };
    let (left, time_wait) = (bytes(m.after.kernel_left), bytes(m.after.time_wait));
    writeln!(
        f,
        "  afterwards {:.2} MiB user; kernel {left} more than at the start, settled in {:.1} s; {time_wait} in TIME_WAIT",
        mib(m.after.server_user),
        m.after.settled_seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c1m::figures::Ratios;
    use crate::c1m::report::RunReport;

    #[test]
    fn problems_and_missed_goals_stand_out() {
        let measured = |server: &str, us: f64| {
            let mut measured = Measurement { server: server.to_owned(), ..Measurement::default() };
            measured.ramp_cpu.server_us_per_handshake = us;
            measured
        };
        let (floor, mut throng) = (measured("floor", 10.0), measured("throng", 20.0));
        throng.problems.push("3 connections were lost".to_owned());
        let ratios = Some(Ratios::of(&throng, &floor));
        let report = C1mReport {
            schema: 1,
            date: "2026-01-31".to_owned(),
            part: None,
            environment: Environment::default(),
            other_environments: Vec::new(),
            server_environment: None,
            sharing_kernel: 1,
            runs: vec![RunReport { connections: 5, floor: Some(floor), throng, ratios, rounds: Vec::new() }],
            growth: None,
        };
        let text = Text(&report).to_string();
        assert!(text.contains("PROBLEM    3 connections were lost"), "{text}");
        assert!(text.contains("MISSED     processor time of a handshake over the floor's: 2.000"), "{text}");
    }
}
