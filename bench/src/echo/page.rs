//! The report of an echo measurement for people.

use super::EchoReport;
use crate::engine::Echoed;
use crate::report::Report;
use crate::report::page::Page;
use crate::report::units::{millis, number, thousands};

impl Report for EchoReport {
    fn is_clean(&self) -> bool {
        self.is_clean()
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        page.line("opened", format_args!("{} of {}", self.opening.opened, self.connections));
        page.reasons("failed", &self.opening.failed);
        echoed(&mut page, &self.echo);
        page.reasons("lost", &self.outcome.lost);
        page.reasons("unclean", &self.outcome.unclean);
        if let Some(server) = &self.server {
            page.lines(server);
        }
        let kind = if self.raw { "bytes over bare TCP" } else { "WebSocket messages" };
        page.line("client", format_args!("{} threads, {kind}, seed {}", self.threads, self.seed));
        page
    }
}

/// What came back.
pub(crate) fn echoed(page: &mut Page, echoed: &Echoed) {
    let Echoed { depth, wrong, latency_us, .. } = echoed;
    let discipline = echoed
        .rate
        .map_or_else(|| "closed loop".to_owned(), |rate| format!("{} planned a second", number(rate, 0)));
    let [connections, size, received, sent] =
        [echoed.connections, echoed.size, echoed.received, echoed.sent].map(thousands);
    let [seconds, per_second] =
        [(echoed.seconds, 1), (echoed.per_second, 0)].map(|(value, digits)| number(value, digits));
    page.line(
        "echo",
        format_args!("{connections} connections, {size} bytes, depth {depth}, {discipline}, {seconds} s"),
    );
    page.line("received", format_args!("{received} of {sent} as they were sent, {per_second}/s"));
    page.reasons("wrong", wrong);
    page.line("latency", latency_us);
    if echoed.rate.is_some() {
        behind(page, echoed.behind_us);
    }
}

/// How late this program itself was.
pub(crate) fn behind(page: &mut Page, micros: u64) {
    page.line("behind", format_args!("{:.2} ms at most: how late the client itself was", millis(micros)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::watch::ServerCosts;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let report = EchoReport { server: Some(ServerCosts::default()), ..EchoReport::default() };
        crate::report::documented::check(&report, "echo");
    }
}
