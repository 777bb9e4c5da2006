//! The report of a churn for people.

use super::report::{After, ChurnReport};
use super::samples::Growth;
use super::visit::Way;
use crate::report::Report;
use crate::report::page::Page;

const MIB: f64 = 1024.0 * 1024.0;

impl Report for ChurnReport {
    fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        let tables = if self.private_tables { ", a descriptor table each" } else { "" };
        write!(
            page,
            "churn     {} held, {} slots for visitors, {} server workers{tables}, {} source addresses, seed {}",
            self.held, self.population, self.server_workers, self.sources, self.seed
        );
        held(&mut page, self);
        visits(&mut page, self);
        steady(&mut page, self);
        after(&mut page, &self.after);
        self.problems.iter().for_each(|problem| write!(page, "PROBLEM   {problem}"));
        write!(page, "result    {}", met(self.problems.is_empty()));
        page
    }
}

fn held(page: &mut Page, report: &ChurnReport) {
    let (opening, outcome) = (&report.opening, &report.outcome);
    write!(
        page,
        "held      {} of {} opened, {:.1} s, {} lost, {} closed in order",
        opening.opened,
        report.held,
        report.held_seconds,
        outcome.lost.sum(),
        outcome.closed
    );
    page.reasons("failed", &opening.failed);
    page.reasons("lost", &outcome.lost);
    page.reasons("unclean", &outcome.unclean);
    let (answered, least) = (outcome.pings_answered, outcome.min_pings_held);
    write!(
        page,
        "pings     {answered} answered, at least {least} by each held connection beside the visitors"
    );
}

fn visits(page: &mut Page, report: &ChurnReport) {
    let visits = &report.visits;
    let left = |way: Way| visits.left.get(&way).copied().unwrap_or(0);
    write!(
        page,
        "visitors  {} opened, {:.0}/s in {:.1} s after a warm-up of {:.1} s, {} pings answered",
        visits.opened,
        report.visits_per_second,
        report.steady_seconds,
        report.warm_up_seconds,
        visits.pings_answered
    );
    write!(
        page,
        "left      {} with a closing handshake, {} by FIN, {} by reset, {} deaf",
        left(Way::ClosingHandshake),
        left(Way::Fin),
        left(Way::Reset),
        left(Way::Deaf)
    );
    write!(
        page,
        "          {} within the handshake, {} within a message; {} gave up at the end",
        left(Way::MidHandshake),
        left(Way::MidMessage),
        visits.given_up
    );
    page.reasons("not begun", &visits.not_begun);
    page.reasons("failed", &visits.failed);
    page.reasons("lost", &visits.lost);
    page.reasons("unclean", &visits.unclean);
}

fn steady(page: &mut Page, report: &ChurnReport) {
    growth(page, "user", &report.user, met(report.user.met));
    let (first, last) = (report.user_in_all.first / MIB, report.user_in_all.last / MIB);
    write!(page, "          {first:.2} MiB and {last:.2} MiB with what is on its way in");
    match (&report.kernel, &report.kernel_unjudged) {
        (None, _) => write!(page, "kernel    unknown: /proc/slabinfo cannot be read without root"),
        (Some(kernel), None) => growth(page, "kernel", kernel, met(kernel.met)),
        (Some(kernel), Some(why)) => growth(page, "kernel", kernel, &format!("NOT JUDGED, {why}")),
    }
    if let Some((first, last)) = report.samples.first().zip(report.samples.last()) {
        let (first, last) = (first.time_wait, last.time_wait);
        write!(page, "TIME_WAIT {first} connections first, {last} last");
    }
}

fn growth(page: &mut Page, about: &str, growth: &Growth, verdict: &str) {
    let [first, last, limit] = [growth.first, growth.last, growth.limit].map(|bytes| bytes / MIB);
    write!(
        page,
        "{about:<9} {first:.2} MiB in the first seconds, {last:.2} MiB in the last (goal: at most {limit:.2}): {verdict}"
    );
}

fn after(page: &mut Page, after: &After) {
    let [now, start] = [after.user, after.user_at_start].map(|bytes| bytes as f64 / MIB);
    let After { open, sockets, buffered_bytes, settled_seconds, .. } = after;
    write!(
        page,
        "after     user memory {now:.2} MiB against {start:.2} at the start; {open} open, {sockets} sockets, {buffered_bytes} bytes \
             buffered, in {settled_seconds:.1} s: {}",
        met(after.is_clean())
    );
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::churn::samples::Sample;

    #[test]
    fn missed_bars_stand_out() {
        let mut report = ChurnReport { held: 2, ..ChurnReport::default() };
        report.outcome.lost.add("held: reset by the server", 1);
        report.kernel = Some(Growth { met: true, ..Growth::default() });
        report.kernel_unjudged = Some("others were busy".to_owned());
        report.visits.left.add(Way::Reset, 4);
        report.problems.push("1 held connections were lost".to_owned());
        let text = report.page().to_string();
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

    #[test]
    fn every_field_of_the_report_is_documented() {
        let (kernel, samples) = (Some(Growth::default()), vec![Sample::default()]);
        let report = ChurnReport { kernel, samples, ..ChurnReport::default() };
        let mut json = serde_json::to_value(&report).unwrap();
        json["server"] = "its own".into();
        crate::report::documented::check(&json, "churn");
    }
}
