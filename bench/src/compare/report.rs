//! What a comparison came to. The names of its fields in JSON are stable.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judge::Judgement;
use super::rows::Row;
use crate::measure::environment::Environment;

/// The number of this form of the report.
/// 2: `over_floor`, `over_best_peer` and verdicts are by ratios within rounds.
pub(crate) const SCHEMA: u32 = 2;

/// The whole of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CompareReport {
    /// The form of the report.
    pub(crate) schema: u32,
    /// The day on which it began (UTC), as in 2026-01-31.
    pub(crate) date: String,
    /// The machine, the limits and the command.
    pub(crate) environment: Environment,
    /// The seed of masking keys, nonces and messages.
    pub(crate) seed: u64,
    /// The core of servers.
    pub(crate) server_core: usize,
    /// The core of this program.
    pub(crate) client_core: usize,
    /// Rounds that were wanted.
    pub(crate) rounds: u32,
    /// Rounds of which every cell has been measured.
    pub(crate) rounds_done: u32,
    /// The file that other servers were taken from, without its directories; `None` without one.
    pub(crate) peers: Option<String>,
    /// The servers in the order in which they take turns in the first round.
    pub(crate) servers: Vec<ServerNote>,
    /// Servers that are not on this machine.
    pub(crate) left_out: Vec<LeftOut>,
    /// The measurements in their order.
    pub(crate) measurements: Vec<Measured>,
    /// What they come to: cell by cell, servers held against each other.
    pub(crate) rows: Vec<Row>,
    /// What throng is held to.
    pub(crate) judgement: Judgement,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerNote {
    /// Its name.
    pub(crate) server: String,
    /// Its version; `None` where nobody said.
    pub(crate) version: Option<String>,
    /// How it was built and set up; `None` where nobody said.
    pub(crate) settings: Option<String>,
    /// How it is started, with the words that stand for others.
    pub(crate) command: String,
}

/// A server that is not on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    /// Its name.
    pub(crate) server: String,
    /// What is missing.
    pub(crate) reason: String,
}

/// One cell of one server, measured once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The cell, as in `echo/64x16x20`: connections, depth, bytes.
    pub(crate) cell: String,
    /// The server.
    pub(crate) server: String,
    /// The number of the round, from 1.
    pub(crate) round: u32,
    /// Its figures by name. None where it was not measured.
    pub(crate) figures: BTreeMap<String, f64>,
    /// What went wrong: its figures do not count then.
    pub(crate) failure: Option<String>,
    /// Why the server cannot do it, which is no failure.
    pub(crate) unable: Option<String>,
    /// What is worth to be told beside the figures.
    pub(crate) notes: Vec<String>,
}

impl CompareReport {
    /// Whether all that was wanted has been measured and nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_complete() && self.measurements.iter().all(|measured| measured.failure.is_none())
    }

    /// Whether all rounds have been measured.
    pub(crate) const fn is_complete(&self) -> bool {
        self.rounds_done == self.rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::judge::{Bar, Behind, Judged};
    use crate::compare::rows::Entry;
    use crate::measure::spread::Spread;
    use crate::report::judge::Verdict;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let judged = Judged { cell: String::new(), value: 1.0, verdict: Verdict::Met };
        let row = Row {
            servers: vec![Entry {
                value: Some(Spread::default()),
                throng_over: Some(Spread::default()),
                ..Entry::default()
            }],
            ..Row::default()
        };
        let report = CompareReport {
            servers: vec![ServerNote::default()],
            left_out: vec![LeftOut::default()],
            measurements: vec![Measured::default()],
            rows: vec![row],
            judgement: Judgement {
                bars: vec![Bar { cells: vec![judged], ..Bar::default() }],
                behind: vec![Behind::default()],
                ..Judgement::default()
            },
            ..CompareReport::default()
        };
        crate::report::documented::check(&report, 50);
    }

    #[test]
    fn a_report_is_clean_when_all_of_it_went_well() {
        let failed = Measured { failure: Some("it died".to_owned()), ..Measured::default() };
        let unable = Measured { unable: Some("it cannot".to_owned()), ..Measured::default() };
        let report = |rounds_done, measurements: &[&Measured]| CompareReport {
            rounds: 2,
            rounds_done,
            measurements: measurements.iter().map(|&measured| measured.clone()).collect(),
            ..CompareReport::default()
        };
        assert!(report(2, &[&unable, &Measured::default()]).is_clean());
        assert!(!report(2, &[&unable, &failed]).is_clean());
        assert!(!report(1, &[&unable]).is_clean());
    }
}
