//! The report of an echo measurement for people.

use super::EchoReport;
use crate::engine::{Echoed, Opening, Outcome};
use crate::report::Report;
use crate::report::page::Page;
use crate::report::units::{millis, number, thousands};

impl Report for EchoReport {
    /// Whether every connection opened, stayed and was closed in order, and every message came back as it was sent.
    fn is_clean(&self) -> bool {
        let Opening { opened, failed, .. } = &self.opening;
        let Outcome { lost, unclean, .. } = &self.outcome;
        *opened == self.connections
            && [failed, lost, unclean].iter().all(|reasons| reasons.is_empty())
            && self.echo.is_clean()
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        write!(page, "opened    {} of {}", self.opening.opened, self.connections);
        page.reasons("failed", &self.opening.failed);
        echoed(&mut page, &self.echo);
        page.reasons("lost", &self.outcome.lost);
        page.reasons("unclean", &self.outcome.unclean);
        if let Some(server) = &self.server {
            write!(page, "{server}");
        }
        let kind = if self.raw { "bytes over bare TCP" } else { "WebSocket messages" };
        write!(page, "client    {} threads, {kind}, seed {}", self.threads, self.seed);
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
    write!(
        page,
        "echo      {connections} connections, {size} bytes, depth {depth}, {discipline}, {seconds} s"
    );
    write!(page, "received  {received} of {sent} as they were sent, {per_second}/s");
    page.reasons("wrong", wrong);
    write!(page, "latency   {latency_us}");
    if echoed.rate.is_some() {
        behind(page, echoed.behind_us);
    }
}

/// How late this program itself was.
pub(crate) fn behind(page: &mut Page, micros: u64) {
    write!(page, "behind    {:.2} ms at most: how late the client itself was", millis(micros));
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
