//! The report of connections that come and go, for people.

use super::{ConnectReport, Leave};
use crate::echo::page::behind;
use crate::report::Report;
use crate::report::page::Page;
use crate::report::units::{number, thousands};

impl Report for ConnectReport {
    /// Whether every connection opened, stayed and left in order.
    fn is_clean(&self) -> bool {
        [&self.failed, &self.lost, &self.unclean].iter().all(|reasons| reasons.is_empty())
            && self.opened > 0
            && self.not_begun == 0
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        let discipline = self.rate.map_or_else(
            || "the next as soon as one has left".to_owned(),
            |rate| format!("{} planned a second", number(rate, 0)),
        );
        let leave = match self.leave {
            Leave::Close => "a closing handshake",
            Leave::Fin => "the end of the stream",
            Leave::Reset => "a reset",
        };
        let (stay, seconds) = (number(self.stay_seconds, 1), number(self.seconds, 1));
        write!(
            page,
            "connect   at most {} at a time, {discipline}, each for {stay} s, leaving with {leave}, {seconds} s",
            thousands(self.connections)
        );
        write!(page, "opened    {}, {}/s", thousands(self.opened), number(self.per_second, 0));
        page.reasons("failed", &self.failed);
        page.reasons("lost", &self.lost);
        page.reasons("unclean", &self.unclean);
        if self.not_begun > 0 {
            let not_begun = thousands(self.not_begun);
            write!(page, "not begun {not_begun}: none of the {} was free", self.connections);
        }
        write!(page, "latency   {}", self.latency_us);
        if self.rate.is_some() {
            behind(&mut page, self.behind_us);
        }
        if let Some(server) = &self.server {
            write!(page, "{server}");
        }
        let kind = if self.raw { "bare TCP" } else { "WebSocket" };
        write!(page, "client    {} threads, {kind}, seed {}", self.threads, self.seed);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::watch::ServerCosts;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let report = ConnectReport { server: Some(ServerCosts::default()), ..ConnectReport::default() };
        crate::report::documented::check(&report, "connect");
    }
}
