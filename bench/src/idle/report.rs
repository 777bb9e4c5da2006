//! What a measurement of idle connections came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.

use serde::{Deserialize, Serialize};

use crate::measure::environment::Environment;
use crate::measure::reasons::Reasons;
use crate::measure::spread::Spread;
use crate::report::figure::{Figure, Spreads, grouped, spreads};

/// The whole of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct IdleReport {
    pub(crate) environment: Environment,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) size: u64,
    pub(crate) echoes: u64,
    pub(crate) echo_rate: f64,
    pub(crate) offer: Option<String>,
    pub(crate) raw: bool,
    pub(crate) seed: u64,
    pub(crate) settle_seconds: f64,
    pub(crate) rounds: Vec<Round>,
    pub(crate) servers: Vec<Summary>,
}

/// One round against one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) server: String,
    pub(crate) path: Option<String>,
    pub(crate) round: u64,
    pub(crate) workers: Option<usize>,
    pub(crate) user_bytes: UserBytes,
    pub(crate) per_connection: PerConnection,
    pub(crate) opened: u64,
    pub(crate) agreed: Reasons,
    pub(crate) echo: Echoes,
    pub(crate) unsettled: Vec<String>,
    pub(crate) failed: Reasons,
    pub(crate) lost: Reasons,
    pub(crate) unclean: Reasons,
}

/// User memory of the server's processes in bytes. What was not reached is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserBytes {
    pub(crate) without: u64,
    pub(crate) low: Option<u64>,
    pub(crate) low_echoed: Option<u64>,
    pub(crate) high: Option<u64>,
    pub(crate) high_echoed: Option<u64>,
}

/// User memory in bytes that one connection more takes, by the difference between the two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PerConnection {
    pub(crate) before: Option<f64>,
    pub(crate) after: Option<f64>,
}

/// Messages that came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Echoes {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) compressed: u64,
    pub(crate) wrong: Reasons,
}

/// The rounds of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) server: String,
    /// [`FIGURES`].
    #[serde(flatten)]
    pub(crate) figures: Spreads,
}

/// User memory in bytes by connection, and in all at the last look with the higher number of connections.
pub(super) const FIGURES: [Figure<Round>; 4] = [
    figure("before", |round| round.per_connection.before),
    figure(OVER, |_| None),
    figure("after", |round| round.per_connection.after),
    figure("user_bytes", |round| {
        round.user_bytes.high_echoed.or(round.user_bytes.high).map(|bytes| bytes as f64)
    }),
];
/// Of connections to throng's hub: by how much `before` is more than without the hub, of the same rounds.
const OVER: &str = "over";

const fn figure(key: &'static str, of: fn(&Round) -> Option<f64>) -> Figure<Round> {
    Figure { key, name: key, scale: 1.0, unit: "", digits: 1, of }
}

impl UserBytes {
    pub(super) fn per_connection(&self, low: u32, high: u32) -> PerConnection {
        let each = |less: Option<u64>, more: Option<u64>| {
            Some((more? as f64 - less? as f64) / f64::from(high - low))
        };
        PerConnection {
            // The added connections came to a server whose first ones had echoed, if any did.
            before: each(self.low_echoed.or(self.low), self.high),
            after: each(self.low_echoed, self.high_echoed),
        }
    }
}

impl Round {
    /// Whether this is the measurement without the hub that belongs to one with it.
    fn is_bare_of(&self, other: &Self) -> bool {
        let Some(path) = &other.path else { return false };
        let name = other.server.strip_suffix(&path[..]).and_then(|name| name.strip_suffix(", "));
        self.round == other.round && self.path.is_none() && name == Some(&self.server[..])
    }

    /// Whether every connection opened, stayed and closed in order, and every message came back as it was sent.
    pub(crate) fn is_clean(&self, connections: u64, messages: u64) -> bool {
        self.opened == connections
            && [&self.failed, &self.lost, &self.unclean, &self.echo.wrong]
                .iter()
                .all(|reasons| reasons.is_empty())
            && (self.echo.sent, self.echo.received) == (messages, messages)
    }
}

impl IdleReport {
    /// Puts the rounds of each server together.
    pub(super) fn summarize(&mut self) {
        self.servers = grouped(&self.rounds, |round| &round.server)
            .map(|(server, rounds)| {
                let over = rounds.iter().filter_map(|round| {
                    let bare = self.rounds.iter().find(|bare| bare.is_bare_of(round))?;
                    Some(round.per_connection.before? - bare.per_connection.before?)
                });
                let mut figures = spreads(&FIGURES, rounds.iter().copied());
                figures.insert(OVER.to_owned(), Spread::of(over));
                Summary { server: server.to_owned(), figures }
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_between_the_two_numbers() {
        let bytes = UserBytes {
            without: 1_000_000,
            low: Some(1_400_000),
            low_echoed: Some(1_500_000),
            high: Some(1_900_000),
            high_echoed: Some(2_500_000),
        };
        let slopes = bytes.per_connection(100, 200);
        assert_eq!((slopes.before, slopes.after), (Some(4_000.0), Some(10_000.0)));
        let silent = UserBytes { low_echoed: None, high_echoed: None, ..bytes }.per_connection(100, 200);
        assert_eq!((silent.before, silent.after), (Some(5_000.0), None));
        let failed = UserBytes { low: Some(1), ..UserBytes::default() }.per_connection(1, 2);
        assert_eq!(failed, PerConnection::default());
    }

    #[test]
    fn subscribers_are_held_against_connections_without_the_hub() {
        let round = |path: Option<&str>, number, before| Round {
            server: path.map_or_else(|| "throng off".to_owned(), |path| format!("throng off, {path}")),
            path: path.map(str::to_owned),
            round: number,
            per_connection: PerConnection { before: Some(before), after: None },
            ..Round::default()
        };
        let all = Some("/topics/all");
        let rounds =
            vec![round(None, 1, 30.0), round(all, 1, 41.0), round(all, 2, 47.0), round(None, 2, 34.0)];
        let mut report = IdleReport { rounds, ..IdleReport::default() };
        report.summarize();
        assert_eq!(report.servers[0].figures[OVER], None);
        assert_eq!(report.servers[1].figures[OVER], Some(Spread { median: 12.0, min: 11.0, max: 13.0 }));
    }

    #[test]
    fn rounds_are_put_together_by_server() {
        let round = |server: &str, after| Round {
            server: server.to_owned(),
            per_connection: PerConnection { before: None, after: Some(after) },
            ..Round::default()
        };
        let rounds =
            vec![round("b", 3.0), round("a", 7.0), round("b", 1.0), round("a", 9.0), round("b", 2.0)];
        let mut report = IdleReport { rounds, ..IdleReport::default() };
        report.summarize();
        let after: Vec<_> = report
            .servers
            .iter()
            .map(|server| (&server.server[..], server.figures["after"].unwrap()))
            .collect();
        let spread = |median, min, max| Spread { median, min, max };
        assert_eq!(after, [("b", spread(2.0, 1.0, 3.0)), ("a", spread(8.0, 7.0, 9.0))]);
        assert_eq!(report.servers[0].figures["before"], None);
    }
}
