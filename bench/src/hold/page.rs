//! The report of a hold for people.

use super::report::HoldReport;
use crate::echo::page::echoed;
use crate::engine::Echoed;
use crate::report::Report;
use crate::report::page::Page;

impl Report for HoldReport {
    /// Whether every connection opened, stayed and was closed in order.
    fn is_clean(&self) -> bool {
        self.opening.failed.is_empty()
            && self.outcome.lost.is_empty()
            && self.outcome.unclean.is_empty()
            && self.opening.opened == self.connections
            && self.probe.as_ref().is_none_or(Echoed::is_clean)
    }

    fn page(&self) -> Page {
        let Self { opening, outcome, connections, .. } = self;
        let mut page = Page::default();
        write!(
            page,
            "opened    {} of {connections} in {:.2} s ({:.0}/s)",
            opening.opened, opening.ramp_seconds, opening.connections_per_second
        );
        page.reasons("failed", &opening.failed);
        write!(page, "latency   {}", opening.latency_us);
        write!(page, "held      {:.1} s, {} lost", self.held_seconds, outcome.lost.sum());
        page.reasons("lost", &outcome.lost);
        if !self.raw {
            let (answered, least) = (outcome.pings_answered, outcome.min_pings_held);
            write!(page, "pings     {answered} answered, at least {least} by each connection while held");
        }
        if let Some(probe) = &self.probe {
            echoed(&mut page, probe);
        }
        write!(page, "closed    {} in order in {:.2} s", outcome.closed, outcome.close_seconds);
        page.reasons("unclean", &outcome.unclean);
        if let Some(server) = &self.server {
            write!(page, "{server}");
        }
        let tables = if self.private_tables { ", each with its own descriptor table" } else { "" };
        let (threads, sources, seed) = (self.threads, self.sources, self.seed);
        write!(page, "client    {threads} threads{tables}, {sources} source addresses, seed {seed}");
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::watch::ServerCosts;

    #[test]
    fn losses_are_told_with_their_reasons() {
        let mut report = HoldReport { connections: 2, ..HoldReport::default() };
        report.opening.opened = 2;
        report.outcome.lost.add("held: reset by the server", 1);
        assert!(!report.is_clean());
        let text = report.page().to_string();
        assert!(
            text.contains("opened    2 of 2") && text.contains("lost      1 x held: reset by the server"),
            "{text}"
        );
    }

    #[test]
    fn every_field_of_the_report_is_documented() {
        let (probe, server) = (Some(Echoed::default()), Some(ServerCosts::default()));
        let report = HoldReport { probe, server, ..HoldReport::default() };
        crate::report::documented::check(&report, "hold");
    }
}
