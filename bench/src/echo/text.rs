//! The report of an echo measurement for people.

use std::fmt;

use super::EchoReport;
use crate::engine::Echoed;
use crate::report::text::reasons;
use crate::report::units::{millis, number, thousands};

impl fmt::Display for EchoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "opened    {} of {}", self.opening.opened, self.connections)?;
        reasons(f, "failed", &self.opening.failed)?;
        write!(f, "{}", self.echo)?;
        reasons(f, "lost", &self.outcome.lost)?;
        reasons(f, "unclean", &self.outcome.unclean)?;
        if let Some(server) = &self.server {
            write!(f, "{server}")?;
        }
        let kind = if self.raw { "bytes over bare TCP" } else { "WebSocket messages" };
        writeln!(f, "client    {} threads, {kind}, seed {}", self.threads, self.seed)
    }
}

impl fmt::Display for Echoed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let discipline = self
            .rate
            .map_or_else(|| "closed loop".to_owned(), |rate| format!("{} planned a second", number(rate, 0)));
        writeln!(
            f,
            "echo      {} connections, {} bytes, depth {}, {discipline}, {} s",
            thousands(self.connections),
            thousands(self.size),
            self.depth,
            number(self.seconds, 1)
        )?;
        writeln!(
            f,
            "received  {} of {} as they were sent, {}/s",
            thousands(self.received),
            thousands(self.sent),
            number(self.per_second, 0)
        )?;
        reasons(f, "wrong", &self.wrong)?;
        writeln!(f, "latency   {}", self.latency_us)?;
        if self.rate.is_some() {
            writeln!(
                f,
                "behind    {:.2} ms at most: how late the client itself was",
                millis(self.behind_us)
            )?;
        }
        Ok(())
    }
}
