//! What a comparison came to. The names of its fields in JSON are stable; docs/RESULTS.md explains them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::environment::Environment;
use crate::measure::spread::Spread;
use crate::report::judge::Verdict;

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

/// One figure of one cell. Less of it is better.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) column: String,
    pub(crate) cell: String,
    pub(crate) figure: String,
    pub(crate) unit: String,
    pub(crate) servers: Vec<Entry>,
    pub(crate) over_floor: Option<f64>,
    pub(crate) best_peer: Option<String>,
    pub(crate) over_best_peer: Option<f64>,
    pub(crate) winner: Option<String>,
}

/// One server in a row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) server: String,
    pub(crate) value: Option<Spread>,
    pub(crate) rounds: u32,
    pub(crate) failures: Vec<String>,
    pub(crate) unable: Option<String>,
    pub(crate) throng_over: Option<Spread>,
    pub(crate) is_tie: bool,
}

/// How throng stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judgement {
    pub(crate) bars: Vec<Bar>,
    pub(crate) behind: Vec<Behind>,
    pub(crate) median_over_best_peer: Option<f64>,
    pub(crate) winners: BTreeMap<String, BTreeMap<String, u32>>,
}

/// One thing that it is held to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) limit: f64,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) cells: Vec<Judged>,
}

/// One cell under a bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) cell: String,
    pub(crate) value: f64,
    pub(crate) verdict: Verdict,
}

/// A cell in which throng takes more than another server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Behind {
    pub(crate) cell: String,
    pub(crate) server: String,
    pub(crate) ratio: f64,
    pub(crate) is_tie: bool,
}

impl CompareReport {
    /// Whether all rounds have been measured.
    pub(crate) const fn is_complete(&self) -> bool {
        self.rounds_done == self.rounds
    }
}

impl Judgement {
    /// Whether anything was judged.
    pub(super) fn is_empty(&self) -> bool {
        self.bars.iter().all(|bar| bar.cells.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

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
