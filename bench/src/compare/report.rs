//! What a comparison came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.

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
    pub(crate) schema: u32,
    pub(crate) date: String,
    pub(crate) environment: Environment,
    pub(crate) seed: u64,
    pub(crate) server_core: usize,
    pub(crate) client_core: usize,
    pub(crate) rounds: u32,
    pub(crate) rounds_done: u32,
    pub(crate) peers: Option<String>,
    pub(crate) servers: Vec<ServerNote>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) measurements: Vec<Measured>,
    pub(crate) rows: Vec<Row>,
    pub(crate) judgement: Judgement,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerNote {
    pub(crate) server: String,
    pub(crate) version: Option<String>,
    pub(crate) settings: Option<String>,
    pub(crate) command: String,
}

/// A server that is not on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) server: String,
    pub(crate) reason: String,
}

/// One cell of one server, measured once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) cell: String,
    pub(crate) server: String,
    pub(crate) round: u32,
    pub(crate) figures: BTreeMap<String, f64>,
    pub(crate) failure: Option<String>,
    pub(crate) unable: Option<String>,
    pub(crate) notes: Vec<String>,
}

impl CompareReport {
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
    use crate::report::Report;
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
        crate::report::documented::check(&report, "compare");
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
