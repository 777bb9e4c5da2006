//! The report of a churn for people.

use std::fmt;

use super::report::{After, ChurnReport};
use super::samples::Growth;
use super::visit::Way;
use crate::report::text::reasons;

const MIB: f64 = 1024.0 * 1024.0;

pub(super) struct Text<'a>(pub(super) &'a ChurnReport);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let tables = if report.private_tables { ", a descriptor table each" } else { "" };
        writeln!(
            f,
            "churn     {} held, {} slots for visitors, {} server workers{tables}, {} source addresses, seed {}",
            report.held, report.population, report.server_workers, report.sources, report.seed
        )?;
        held(f, report)?;
        visits(f, report)?;
        steady(f, report)?;
        after(f, &report.after)?;
        report.problems.iter().try_for_each(|problem| writeln!(f, "PROBLEM   {problem}"))?;
        writeln!(f, "result    {}", met(report.problems.is_empty()))
    }
}

fn held(f: &mut fmt::Formatter<'_>, report: &ChurnReport) -> fmt::Result {
    let (opening, outcome) = (&report.opening, &report.outcome);
    let lost: u64 = outcome.lost.values().sum();
    writeln!(
        f,
        "held      {} of {} opened, {:.1} s, {lost} lost, {} closed in order",
        opening.opened, report.held, report.held_seconds, outcome.closed
    )?;
    reasons(f, "failed", &opening.failed)?;
    reasons(f, "lost", &outcome.lost)?;
    reasons(f, "unclean", &outcome.unclean)?;
    writeln!(
        f,
        "pings     {} answered, at least {} by each held connection beside the visitors",
        outcome.pings_answered, outcome.min_pings_held
    )
}

fn visits(f: &mut fmt::Formatter<'_>, report: &ChurnReport) -> fmt::Result {
    let visits = &report.visits;
    let left = |way: Way| visits.left.get(&way).copied().unwrap_or(0);
    writeln!(
        f,
        "visitors  {} opened, {:.0}/s in {:.1} s after a warm-up of {:.1} s, {} pings answered",
        visits.opened,
        report.visits_per_second,
        report.steady_seconds,
        report.warm_up_seconds,
        visits.pings_answered
    )?;
    writeln!(
        f,
        "left      {} with a closing handshake, {} by FIN, {} by reset, {} deaf",
        left(Way::ClosingHandshake),
        left(Way::Fin),
        left(Way::Reset),
        left(Way::Deaf)
    )?;
    writeln!(
        f,
        "          {} within the handshake, {} within a message; {} gave up at the end",
        left(Way::MidHandshake),
        left(Way::MidMessage),
        visits.given_up
    )?;
    reasons(f, "not begun", &visits.not_begun)?;
    reasons(f, "failed", &visits.failed)?;
    reasons(f, "lost", &visits.lost)?;
    reasons(f, "unclean", &visits.unclean)
}

fn steady(f: &mut fmt::Formatter<'_>, report: &ChurnReport) -> fmt::Result {
    growth(f, "user", &report.user, met(report.user.met))?;
    let (first, last) = (report.user_in_all.first / MIB, report.user_in_all.last / MIB);
    writeln!(f, "          {first:.2} MiB and {last:.2} MiB with what is on its way in")?;
    match (&report.kernel, &report.kernel_unjudged) {
        (None, _) => writeln!(f, "kernel    unknown: /proc/slabinfo cannot be read without root")?,
        (Some(kernel), None) => growth(f, "kernel", kernel, met(kernel.met))?,
        (Some(kernel), Some(why)) => growth(f, "kernel", kernel, &format!("NOT JUDGED, {why}"))?,
    }
    let ends = report.samples.first().zip(report.samples.last());
    ends.map_or(Ok(()), |(first, last)| {
        writeln!(f, "TIME_WAIT {} connections first, {} last", first.time_wait, last.time_wait)
    })
}

fn growth(f: &mut fmt::Formatter<'_>, title: &str, growth: &Growth, verdict: &str) -> fmt::Result {
    let Growth { first, last, limit, .. } = growth;
    writeln!(
        f,
        "{title:<9} {:.2} MiB in the first seconds, {:.2} MiB in the last (goal: at most {:.2}): {verdict}",
        first / MIB,
        last / MIB,
        limit / MIB
    )
}

fn after(f: &mut fmt::Formatter<'_>, after: &After) -> fmt::Result {
    writeln!(
        f,
        "after     user memory {:.2} MiB against {:.2} at the start; {} open, {} sockets, {} bytes buffered, in {:.1} s: {}",
        after.user as f64 / MIB,
        after.user_at_start as f64 / MIB,
        after.open,
        after.sockets,
        after.buffered_bytes,
        after.settled_seconds,
        met(after.is_clean())
    )
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_bars_stand_out() {
        let mut report = ChurnReport { held: 2, ..ChurnReport::default() };
        report.outcome.lost.add("held: reset by the server", 1);
        report.kernel = Some(Growth { met: true, ..Growth::default() });
        report.kernel_unjudged = Some("others were busy".to_owned());
        report.visits.left.add(Way::Reset, 4);
        report.problems.push("1 held connections were lost".to_owned());
        let text = Text(&report).to_string();
        for words in [
            "1 lost",
            "lost      1 x held: reset by the server",
            "4 by reset",
            "NOT JUDGED, others were busy",
            "PROBLEM   1 held connections were lost",
            "result    MISSED",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
