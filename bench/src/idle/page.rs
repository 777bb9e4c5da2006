//! The report of idle connections for people.

use super::report::{FIGURES, IdleReport, Round};
use crate::report::Report;
use crate::report::page::Page;
use crate::report::units::{mib, number, thousands};

impl Report for IdleReport {
    /// Whether every round was clean.
    fn is_clean(&self) -> bool {
        !self.rounds.is_empty()
            && self.rounds.iter().all(|round| round.is_clean(self.high, self.high * self.echoes))
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        let [low, high, echoes, size] = [self.low, self.high, self.echoes, self.size].map(thousands);
        write!(
            page,
            "idle      the slope of user memory between {low} and {high} connections, {echoes} x {size} bytes echoed by each"
        );
        write!(page, "offer     {}", self.offer.as_deref().unwrap_or("no compression"));
        for one in &self.rounds {
            page.gap();
            round(&mut page, one);
        }
        page.gap();
        for server in &self.servers {
            let count = self.rounds.iter().filter(|round| round.server == server.server).count();
            let name = &server.server;
            write!(page, "server    {name}, the median of {count}, and the least and the most");
            for figure in &FIGURES[..3] {
                let Some([median, min, max]) = figure.spread(&server.figures) else { continue };
                write!(page, "{:<9} {median} bytes/connection  {min} to {max}", figure.key);
            }
        }
        let kind = if self.raw { "bare TCP" } else { "WebSocket" };
        let (rate, settle) = (number(self.echo_rate, 0), number(self.settle_seconds, 1));
        write!(
            page,
            "client    {kind}, {rate} messages a second, memory at rest for {settle} s, seed {}",
            self.seed
        );
        page
    }
}

fn round(page: &mut Page, round: &Round) {
    let workers = round.workers.map_or_else(String::new, |workers| format!(", {workers} workers"));
    let opened = thousands(round.opened);
    write!(page, "round     {}: {}{workers}, {opened} opened", round.round, round.server);
    for (words, count) in round.agreed.iter() {
        write!(page, "agreed    {} x {words}", thousands(*count));
    }
    let echo = &round.echo;
    if echo.sent > 0 {
        let [received, sent, compressed] = [echo.received, echo.sent, echo.compressed].map(thousands);
        write!(page, "echoes    {received} of {sent} as they were sent, {compressed} of them compressed");
    }
    let bytes = &round.user_bytes;
    let looks = [
        ("without", Some(bytes.without)),
        ("low", bytes.low),
        ("low, echoed", bytes.low_echoed),
        ("high", bytes.high),
        ("high, echoed", bytes.high_echoed),
    ];
    let looks =
        looks.iter().filter_map(|(name, bytes)| Some(format!("{} {name}", number(mib((*bytes)?), 2))));
    write!(page, "user MiB  {}", looks.collect::<Vec<_>>().join("; "));
    for (about, slope) in [("before", round.per_connection.before), ("after", round.per_connection.after)] {
        if let Some(slope) = slope {
            write!(page, "{about:<9} {} bytes/connection", number(slope, 1));
        }
    }
    if !round.unsettled.is_empty() {
        write!(page, "moving    memory had not come to rest: {}", round.unsettled.join("; "));
    }
    page.reasons("failed", &round.failed);
    page.reasons("lost", &round.lost);
    page.reasons("unclean", &round.unclean);
    page.reasons("wrong", &echo.wrong);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let mut report = IdleReport { rounds: vec![Round::default()], ..IdleReport::default() };
        report.summarize();
        crate::report::documented::check(&report, "idle");
    }
}
