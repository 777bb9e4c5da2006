//! The report for people, on a terminal and beside its files.

use super::figures::{FIGURES, label};
use super::report::{C1mReport, Costs, Growth, Hold, Measurement, Part, RampCpu, RunReport};
use crate::engine::Echoed;
use crate::measure::account::{CgroupCheck, LEAST_CONNECTIONS, SumOfParts};
use crate::measure::cgroup::Charges;
use crate::measure::kernel::{CacheGrowth, KernelMemory, Side};
use crate::report::figure::ratio;
use crate::report::judge::Goal;
use crate::report::page::{self, Page};
use crate::report::units::{mib, millis, number, thousands};

/// The report on a terminal.
pub(super) fn page(report: &C1mReport) -> Page {
    let mut page = Page::default();
    machines(&mut page, report);
    for run in &report.runs {
        for measurement in run.floor.iter().chain([&run.throng]) {
            page.gap();
            measured(&mut page, measurement);
        }
        if let Some(ratios) = &run.ratios {
            let (connections, rounds) = (run.connections, run.rounds.len());
            page.heading(format!("throng / floor, {connections} connections, rounds: {rounds}"));
            if let Some((ramp, cpu)) = ratios.get("ramp").zip(ratios.get("ramp_cpu")) {
                write!(page, "  ramp       {ramp:.2} x, with {cpu:.2} x the processor time");
            }
            page.goals(goals(run));
        }
    }
    if let Some(growth) = &report.growth {
        grown(&mut page, growth);
    }
    page
}

/// The report beside its files.
pub(super) fn document(report: &C1mReport, pictures: &[String]) -> Page {
    let mut page = Page::default();
    let most = report.runs.last().map_or(0, |run| run.connections);
    page.title(format!("{} WebSockets, {}", thousands(most), report.date));
    machines(&mut page, report);
    page.picture("Where the bytes of one connection are", pictures, "bytes");
    for run in report.runs.iter().rev() {
        document_run(&mut page, run, pictures);
    }
    if let Some(growth) = &report.growth {
        grown(&mut page, growth);
        page.picture("Cost against the number of connections", pictures, "cost");
    }
    page.how("How it was run", &report.environment);
    if let Some(server) = &report.server_environment {
        page.how("The server's machine", server);
    }
    page.words(
        "Every figure is in [summary.json](summary.json); `docs/RESULTS.md` says what its fields mean.",
    );
    page
}

fn machines(page: &mut Page, report: &C1mReport) {
    if let Some(Part { session, machine }) = &report.part {
        write!(page, "session   {session}, load machine {machine}");
        write!(
            page,
            "          latencies, and what failed or was lost, are of its own connections, all else is of all: put them together with \
             throng-bench merge"
        );
    }
    page.machine("machine", &report.environment);
    report.other_environments.iter().for_each(|environment| page.machine("machine", environment));
    if let Some(environment) = &report.server_environment {
        page.machine("server", environment);
        let sharing = report.sharing_kernel;
        if sharing > 0 {
            write!(
                page,
                "          {sharing} load machines are only namespaces of it, on its kernel and cores"
            );
        }
    }
}

fn document_run(page: &mut Page, run: &RunReport, pictures: &[String]) {
    let RunReport { floor, throng, connections, .. } = run;
    page.heading(format!("{} connections", thousands(*connections)));
    let rows = FIGURES.iter().filter_map(|figure| {
        let throng = (figure.of)(throng)?;
        let floor = floor.as_ref().and_then(figure.of);
        let over = page::ratio(floor.and_then(|floor| ratio(throng, floor)), 2);
        let floor = floor.map_or_else(String::new, |floor| figure.show(floor));
        Some(vec![figure.name.to_owned(), figure.show(throng), floor, over])
    });
    page.table(["", "throng", "floor", "ratio"], rows.collect());
    page.goals(goals(run));
    if run.rounds.len() > 1 {
        rounds(page, run);
    }
    let measurements = || floor.iter().chain([throng]);
    for one in measurements() {
        one.warnings.iter().for_each(|text| page.words(format!("Note ({}): {text}.", one.server)));
        one.problems.iter().for_each(|text| page.words(format!("**Problem** ({}): {text}.", one.server)));
    }
    page.picture("Latencies", pictures, &format!("latency-{connections}."));
    for one in measurements() {
        page.picture(format!("{} over time", one.server), pictures, &format!("timeline-{}.", label(one)));
    }
    let mut all = Page::default();
    for one in measurements() {
        measured(&mut all, one);
        all.gap();
    }
    page.folded("All that was measured, kernel memory by slab cache among it", all);
}

/// What is asked of a run, and whether its parts explain the whole.
fn goals(run: &RunReport) -> Vec<Goal> {
    let Some(ratios) = &run.ratios else { return Vec::new() };
    let sum = run.throng.sum.as_ref().filter(|_| run.connections >= LEAST_CONNECTIONS);
    let sum = sum.map(|sum| Goal {
        name: "user and kernel memory, off what the machine has less by",
        value: (sum.explained - 1.0).abs(),
        most: SumOfParts::GOAL,
    });
    ratios.goals().into_iter().chain(sum).collect()
}

fn grown(page: &mut Page, growth: &Growth) {
    let Growth { from, to, throng, floor, .. } = growth;
    page.heading(format!(
        "a ping cycle from {from} to {to} connections: {throng:.2} x; the floor: {floor:.2} x"
    ));
    page.goals(vec![growth.goal()]);
}

fn rounds(page: &mut Page, run: &RunReport) {
    page.words(format!(
        "Of {} rounds the table above shows the one in the middle by the ratio of ping cycles, and the ratios that are asked for \
         are medians:",
        run.rounds.len()
    ));
    let rows = run.rounds.iter().zip(1..).map(|(round, number)| {
        let first = if round.throng_first { ", throng first" } else { "" };
        let mut row = vec![format!("{number}{first}")];
        for of in [|costs: &Costs| Some(costs.handshake_us), |costs: &Costs| costs.ping_cycle_us] {
            let (throng, floor) = (of(&round.throng), round.floor.as_ref().and_then(of));
            let over = throng.zip(floor).and_then(|(throng, floor)| ratio(throng, floor));
            let us = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2} us"));
            row.extend([us(throng), us(floor), page::ratio(over, 2)]);
        }
        row
    });
    page.table(["round", "handshake", "floor", "ratio", "ping cycle", "floor", "ratio"], rows.collect());
}

/// All of a measurement.
pub(crate) fn measured(page: &mut Page, m: &Measurement) {
    let Measurement { server, connections, server_workers, client_threads, seed, .. } = m;
    let tables = if m.private_tables { ", a descriptor table each" } else { "" };
    write!(
        page,
        "{server}: {connections} connections, {server_workers} workers{tables}, {client_threads} client threads, seed {seed}"
    );
    let (held, lost) = (m.held(), m.lost.sum());
    write!(
        page,
        "  held       {} of {connections}, {lost} lost; the server counts {}",
        held.client, held.server
    );
    page.reasons("  failed", &m.failed);
    page.reasons("  lost", &m.lost);
    page.reasons("  unclean", &m.unclean);
    write!(page, "  ramp       {:.2} s, {:.0} connections/s", m.ramp_seconds, m.connections_per_second);
    let RampCpu { server_seconds, client_seconds, others_seconds, server_us_per_handshake } = m.ramp_cpu;
    write!(
        page,
        "  ramp CPU   {server_seconds:.2} s server, {client_seconds:.2} s client, {others_seconds:.2} s others; \
             {server_us_per_handshake:.2} us of the server a handshake"
    );
    write!(page, "  latency    {}", m.handshake_us);
    m.hold.iter().for_each(|hold| held_for(page, hold));
    m.probe.iter().for_each(|probe| probed(page, probe));
    m.warnings.iter().for_each(|warning| write!(page, "  WARNING    {warning}"));
    memory(page, m);
    write!(page, "  close      {} in order in {:.2} s", m.closed, m.close_seconds);
    m.problems.iter().for_each(|problem| write!(page, "  PROBLEM    {problem}"));
}

fn held_for(page: &mut Page, hold: &Hold) {
    let Hold { seconds, cycles, ping_interval_seconds, pings_sent, pongs_received, pong_timeouts, .. } = hold;
    write!(
        page,
        "  pings      {pings_sent} sent, {pongs_received} answered in {seconds:.1} s ({cycles} cycles of {ping_interval_seconds} s); at \
             least {} by each connection, {pong_timeouts} timeouts",
        hold.min_pings_per_connection
    );
    write!(page, "  ping RTT   {}", hold.ping_rtt_us);
    write!(
        page,
        "  server CPU {:.3} cores while holding, {:.2} us a ping cycle; the client's {:.2} us",
        hold.server_cpu_cores, hold.cpu_us_per_ping_cycle, hold.client_cpu_us_per_ping_cycle
    );
}

fn probed(page: &mut Page, probe: &Echoed) {
    let Echoed { received, sent, size, connections, per_second, .. } = probe;
    write!(
        page,
        "  probe      {received} of {sent} messages of {size} bytes came back over {connections} connections, {per_second:.0}/s; the client \
             at most {:.2} ms late",
        millis(probe.behind_us)
    );
    write!(page, "  echo       {}", probe.latency_us);
}

fn memory(page: &mut Page, m: &Measurement) {
    let (user, after) = (&m.user, &m.after);
    write!(
        page,
        "  user       {:.1} bytes/connection; {:.2} MiB in all, {:.2} MiB of them without connections",
        user.server_bytes_per_connection,
        mib(user.server_at_n),
        mib(user.server_at_zero)
    );
    let (client, in_all) = (user.client_bytes_per_connection, mib(user.client_at_n));
    write!(page, "             client {client:.1} bytes/connection; {in_all:.2} MiB in all");
    match &m.kernel {
        None => write!(page, "  kernel     unknown: /proc/slabinfo cannot be read without root"),
        Some(memory) => kernel(page, memory),
    }
    m.cgroup.iter().for_each(|check| cgroup(page, check));
    m.sum.iter().for_each(|one| sum(page, one, m.connections));
    let bytes = |bytes: i64| format!("{} MiB", number(bytes.signum() as f64 * mib(bytes.unsigned_abs()), 1));
    let [left, time_wait] =
        [after.kernel_left, after.time_wait].map(|known| known.map_or_else(|| "unknown".to_owned(), bytes));
    write!(
        page,
        "  afterwards {:.2} MiB user; kernel {left} more than at the start, settled in {:.1} s; {time_wait} in TIME_WAIT",
        mib(after.server_user),
        after.settled_seconds
    );
}

fn kernel(page: &mut Page, kernel: &KernelMemory) {
    let (each, in_all) = (kernel.server_bytes_per_connection, mib(kernel.total_bytes.unsigned_abs()));
    write!(page, "  kernel     {each:.0} bytes/connection in slabs; {in_all:.1} MiB for both ends");
    for cache in kernel.caches.iter().filter(|cache| cache.side != Side::Unrelated) {
        let CacheGrowth { name, merged_with, objects, server_bytes_per_connection: each, .. } = cache;
        let merged = if merged_with.is_empty() {
            String::new()
        } else {
            format!(" (with {})", merged_with.join(", "))
        };
        let side = match cache.side {
            Side::Both | Side::Unrelated => "",
            Side::Client => ", the client's only",
            Side::Either => ", taken by halves",
        };
        write!(page, "             {each:>7.1} {name}{merged}; {objects} objects{side}");
    }
}

fn cgroup(page: &mut Page, check: &CgroupCheck) {
    let CgroupCheck { bytes_per_connection, slab_bytes_per_connection, ratio, .. } = check;
    let what = match check.charges {
        Charges::All => "",
        Charges::AllButSockets => ", the sockets themselves left out",
    };
    write!(
        page,
        "  cgroup     {bytes_per_connection:.0} bytes/connection charged to the server, {slab_bytes_per_connection:.0} in slabs{what}: \
             {ratio:.2} x"
    );
}

fn sum(page: &mut Page, parts: &SumOfParts, connections: u64) {
    let SumOfParts { sum, available_fell, reclaimable_grew, explained, free_fell, .. } = parts;
    let met = match parts.is_met() {
        _ if connections < LEAST_CONNECTIONS => "too few connections to judge by",
        true => "met",
        false => "MISSED",
    };
    write!(
        page,
        "  sum        {sum:.0} bytes/connection in slabs and user memory; MemAvailable fell by {available_fell:.0} and slabs it takes for \
             available grew by {reclaimable_grew:.0}: {:.1} % explained ({met}); free memory fell by {free_fell:.0}",
        explained * 100.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c1m::report::Ratios;

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
            runs: vec![RunReport { floor: Some(floor), throng, ratios, ..RunReport::default() }],
            ..C1mReport::default()
        };
        let text = page(&report).to_string();
        assert!(text.contains("PROBLEM    3 connections were lost"), "{text}");
        assert!(text.contains("MISSED     processor time of a handshake over the floor's: 2.000"), "{text}");
    }
}
