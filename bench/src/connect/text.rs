//! The report of connections that come and go, for people.

use std::fmt;

use super::{ConnectReport, Leave};
use crate::report::text::reasons;
use crate::report::units::{millis, number, thousands};

impl fmt::Display for ConnectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let discipline = self.rate.map_or_else(
            || "the next as soon as one has left".to_owned(),
            |rate| format!("{} planned a second", number(rate, 0)),
        );
        let leave = match self.leave {
            Leave::Close => "a closing handshake",
            Leave::Fin => "the end of the stream",
            Leave::Reset => "a reset",
        };
        writeln!(
            f,
            "connect   at most {} at a time, {discipline}, each for {} s, leaving with {leave}, {} s",
            thousands(self.connections),
            number(self.stay_seconds, 1),
            number(self.seconds, 1)
        )?;
        writeln!(f, "opened    {}, {}/s", thousands(self.opened), number(self.per_second, 0))?;
        for (title, counts) in [("failed", &self.failed), ("lost", &self.lost), ("unclean", &self.unclean)] {
            reasons(f, title, counts)?;
        }
        if self.not_begun > 0 {
            writeln!(
                f,
                "not begun {}: none of the {} was free",
                thousands(self.not_begun),
                self.connections
            )?;
        }
        writeln!(f, "latency   {}", self.latency_us)?;
        if self.rate.is_some() {
            writeln!(
                f,
                "behind    {:.2} ms at most: how late the client itself was",
                millis(self.behind_us)
            )?;
        }
        if let Some(server) = &self.server {
            write!(f, "{server}")?;
        }
        let kind = if self.raw { "bare TCP" } else { "WebSocket" };
        writeln!(f, "client    {} threads, {kind}, seed {}", self.threads, self.seed)
    }
}
