//! What is asked of figures, and whether it is so.

use serde::{Deserialize, Serialize};

use crate::measure::spread::Spread;

/// How a figure stands to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The median is within it.
    Met,
    /// The median is not, some rounds are.
    Tie,
    /// It is beyond it.
    Missed,
}

impl Verdict {
    /// How a figure over rounds stands to the most it may be.
    pub(crate) fn of(value: Spread, limit: f64) -> Self {
        match value {
            Spread { median, .. } if median <= limit => Self::Met,
            Spread { min, .. } if min <= limit => Self::Tie,
            _ => Self::Missed,
        }
    }

    /// Its name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Tie => "tie",
            Self::Missed => "missed",
        }
    }
}

/// What is asked of a single figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    /// The most it may be.
    pub(crate) most: f64,
}

impl Goal {
    pub(crate) fn is_met(&self) -> bool {
        self.value <= self.most
    }
}
