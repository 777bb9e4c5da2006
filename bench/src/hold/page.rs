//! The report of a hold for people.

use super::HoldReport;
use crate::echo::page::echoed;
use crate::report::Report;
use crate::report::page::Page;

impl Report for HoldReport {
    fn is_clean(&self) -> bool {
        self.is_clean()
    }

    fn page(&self) -> Page {
        let Self { opening, outcome, connections, .. } = self;
        let mut page = Page::default();
        page.line(
            "opened",
            format_args!(
                "{} of {connections} in {:.2} s ({:.0}/s)",
                opening.opened, opening.ramp_seconds, opening.connections_per_second
            ),
        );
        page.reasons("failed", &opening.failed);
        page.line("latency", &opening.latency_us);
        page.line("held", format_args!("{:.1} s, {} lost", self.held_seconds, outcome.lost.sum()));
        page.reasons("lost", &outcome.lost);
        if !self.raw {
            let (answered, least) = (outcome.pings_answered, outcome.min_pings_held);
            page.line(
                "pings",
                format_args!("{answered} answered, at least {least} by each connection while held"),
            );
        }
        if let Some(probe) = &self.probe {
            echoed(&mut page, probe);
        }
        page.line("closed", format_args!("{} in order in {:.2} s", outcome.closed, outcome.close_seconds));
        page.reasons("unclean", &outcome.unclean);
        if let Some(server) = &self.server {
            page.lines(server);
        }
        let tables = if self.private_tables { ", each with its own descriptor table" } else { "" };
        let (threads, sources, seed) = (self.threads, self.sources, self.seed);
        page.line(
            "client",
            format_args!("{threads} threads{tables}, {sources} source addresses, seed {seed}"),
        );
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Echoed;
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
