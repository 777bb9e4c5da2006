//! The report of a hold for people.

use std::fmt;

use super::HoldReport;
use crate::report::text::reasons;

pub(super) struct Text<'a>(pub(super) &'a HoldReport);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HoldReport { opening, outcome, .. } = self.0;
        let lost: u64 = outcome.lost.values().sum();
        writeln!(
            f,
            "opened    {} of {} in {:.2} s ({:.0}/s)",
            opening.opened, self.0.connections, opening.ramp_seconds, opening.connections_per_second
        )?;
        reasons(f, "failed", &opening.failed)?;
        writeln!(f, "latency   {}", opening.latency_us)?;
        writeln!(f, "held      {:.1} s, {} lost", self.0.held_seconds, lost)?;
        reasons(f, "lost", &outcome.lost)?;
        if !self.0.raw {
            writeln!(
                f,
                "pings     {} answered, at least {} by each connection while held",
                outcome.pings_answered, outcome.min_pings_held
            )?;
        }
        if let Some(probe) = &self.0.probe {
            write!(f, "{probe}")?;
        }
        writeln!(f, "closed    {} in order in {:.2} s", outcome.closed, outcome.close_seconds)?;
        reasons(f, "unclean", &outcome.unclean)?;
        if let Some(server) = &self.0.server {
            write!(f, "{server}")?;
        }
        let tables = if self.0.private_tables { ", each with its own descriptor table" } else { "" };
        writeln!(
            f,
            "client    {} threads{tables}, {} source addresses, seed {}",
            self.0.threads, self.0.sources, self.0.seed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_with_their_reasons() {
        let mut report = HoldReport { connections: 2, ..HoldReport::default() };
        report.opening.opened = 2;
        report.outcome.lost.add("held: reset by the server", 1);
        assert!(!report.is_clean());
        let text = Text(&report).to_string();
        assert!(
            text.contains("opened    2 of 2") && text.contains("lost      1 x held: reset by the server"),
            "{text}"
        );
    }
}
