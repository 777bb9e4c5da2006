//! What a measurement of idle connections came to. The names of its fields in JSON are stable.

use serde::{Deserialize, Serialize};

use crate::measure::environment::Environment;
use crate::measure::reasons::Reasons;
use crate::measure::spread::Spread;
use crate::report::figure::{Figure, Spreads, grouped, spreads};

/// The whole of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct IdleReport {
    /// The machine, the limits and the command.
    pub(crate) environment: Environment,
    /// The lower number of connections.
    pub(crate) low: u64,
    /// The higher one.
    pub(crate) high: u64,
    /// Bytes of each message.
    pub(crate) size: u64,
    /// Messages of each connection.
    pub(crate) echoes: u64,
    /// Messages per second that were planned, over all connections.
    pub(crate) echo_rate: f64,
    /// The compression that was offered; `None` for none.
    pub(crate) offer: Option<String>,
    /// Whether connections were bare TCP.
    pub(crate) raw: bool,
    /// The seed of masking keys, nonces and messages.
    pub(crate) seed: u64,
    /// How long memory had been at rest when it was read.
    pub(crate) settle_seconds: f64,
    /// The rounds in their order.
    pub(crate) rounds: Vec<Round>,
    /// What they come to by server, in the order of the first round.
    pub(crate) servers: Vec<Summary>,
}

/// One round against one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// The server: its address, or throng and how it compresses.
    pub(crate) server: String,
    /// The path of connections to throng's hub; `None` without it.
    pub(crate) path: Option<String>,
    /// The number of the round, from 1.
    pub(crate) round: u64,
    /// Threads of the server with an event loop, where it was started here.
    pub(crate) workers: Option<usize>,
    /// Its user memory.
    pub(crate) user_bytes: UserBytes,
    /// The slopes.
    pub(crate) per_connection: PerConnection,
    /// Connections that opened.
    pub(crate) opened: u64,
    /// What was agreed on about compression, in the words of the answer, and by how many connections.
    pub(crate) agreed: Reasons,
    /// What came back.
    pub(crate) echo: Echoes,
    /// Looks at which memory had not come to rest.
    pub(crate) unsettled: Vec<String>,
    /// Connections that did not open, by reason.
    pub(crate) failed: Reasons,
    /// Connections that were lost, by reason.
    pub(crate) lost: Reasons,
    /// Connections whose closing went wrong, by reason.
    pub(crate) unclean: Reasons,
}

/// User memory of the server's processes in bytes. What was not reached is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserBytes {
    /// Before the first connection.
    pub(crate) without: u64,
    /// With the lower number of connections, none of which has said anything.
    pub(crate) low: Option<u64>,
    /// With the same, when each has echoed.
    pub(crate) low_echoed: Option<u64>,
    /// With the higher number, of which the added ones have said nothing.
    pub(crate) high: Option<u64>,
    /// With the same, when each has echoed.
    pub(crate) high_echoed: Option<u64>,
}

/// User memory in bytes that one connection more takes, by the difference between the two numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PerConnection {
    /// Before it has said anything.
    pub(crate) before: Option<f64>,
    /// When it has echoed.
    pub(crate) after: Option<f64>,
}

/// Messages that came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Echoes {
    /// Messages sent.
    pub(crate) sent: u64,
    /// Those that came back as they were sent.
    pub(crate) received: u64,
    /// Those that came back compressed.
    pub(crate) compressed: u64,
    /// What did not come back as it was sent, by reason.
    pub(crate) wrong: Reasons,
}

/// The rounds of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The server.
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
    /// Whether every round was clean.
    pub(crate) fn is_clean(&self) -> bool {
        !self.rounds.is_empty()
            && self.rounds.iter().all(|round| round.is_clean(self.high, self.high * self.echoes))
    }

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
