//! The report of idle connections for people.

use std::fmt;

use super::report::{FIGURES, IdleReport, Round};
use crate::report::text::reasons;
use crate::report::units::{mib, number, thousands};

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "idle      the slope of user memory between {} and {} connections, {} x {} bytes echoed by each",
            thousands(self.low),
            thousands(self.high),
            thousands(self.echoes),
            thousands(self.size)
        )?;
        writeln!(f, "offer     {}", self.offer.as_deref().unwrap_or("no compression"))?;
        for round in &self.rounds {
            writeln!(f)?;
            write!(f, "{round}")?;
        }
        writeln!(f)?;
        for server in &self.servers {
            let count = self.rounds.iter().filter(|round| round.server == server.server).count();
            writeln!(f, "server    {}, the median of {count}, and the least and the most", server.server)?;
            for figure in &FIGURES[..3] {
                let Some([median, min, max]) = figure.spread(&server.figures) else { continue };
                writeln!(f, "{:<9} {median} bytes/connection  {min} to {max}", figure.key)?;
            }
        }
        let kind = if self.raw { "bare TCP" } else { "WebSocket" };
        writeln!(
            f,
            "client    {kind}, {} messages a second, memory at rest for {} s, seed {}",
            number(self.echo_rate, 0),
            number(self.settle_seconds, 1),
            self.seed
        )
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.workers.map_or_else(String::new, |workers| format!(", {workers} workers"));
        writeln!(f, "round     {}: {}{workers}, {} opened", self.round, self.server, thousands(self.opened))?;
        for (words, count) in self.agreed.iter() {
            writeln!(f, "agreed    {} x {words}", thousands(*count))?;
        }
        if self.echo.sent > 0 {
            writeln!(
                f,
                "echoes    {} of {} as they were sent, {} of them compressed",
                thousands(self.echo.received),
                thousands(self.echo.sent),
                thousands(self.echo.compressed)
            )?;
        }
        let bytes = &self.user_bytes;
        let looks = [
            ("without", Some(bytes.without)),
            ("low", bytes.low),
            ("low, echoed", bytes.low_echoed),
            ("high", bytes.high),
            ("high, echoed", bytes.high_echoed),
        ];
        let looks: Vec<_> = looks
            .iter()
            .filter_map(|(name, bytes)| bytes.map(|bytes| format!("{} {name}", number(mib(bytes), 2))))
            .collect();
        writeln!(f, "user MiB  {}", looks.join("; "))?;
        for (title, slope) in [("before", self.per_connection.before), ("after", self.per_connection.after)] {
            if let Some(slope) = slope {
                writeln!(f, "{title:<9} {} bytes/connection", number(slope, 1))?;
            }
        }
        if !self.unsettled.is_empty() {
            writeln!(f, "moving    memory had not come to rest: {}", self.unsettled.join("; "))?;
        }
        for (title, counts) in [
            ("failed", &self.failed),
            ("lost", &self.lost),
            ("unclean", &self.unclean),
            ("wrong", &self.echo.wrong),
        ] {
            reasons(f, title, counts)?;
        }
        Ok(())
    }
}
