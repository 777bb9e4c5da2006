//! A figure over several rounds.

use serde::{Deserialize, Serialize};

/// A figure over several rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The one in the middle, or the mean of the two there.
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of figures; `None` of nothing.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 1 {
            figures[middle]
        } else {
            (figures[middle - 1] + figures[middle]) / 2.0
        };
        Some(Self { median, min, max })
    }
}

/// The median; of an even number the lower one of the two in the middle. `None` of nothing.
pub(crate) fn lower_median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_middle() {
        let medians = |values: &[f64]| {
            (lower_median(values.iter().copied()), Spread::of(values.iter().copied()).map(|all| all.median))
        };
        assert_eq!(medians(&[3.0, 1.0, 2.0]), (Some(2.0), Some(2.0)));
        assert_eq!(medians(&[4.0, 1.0, 2.0, 3.0]), (Some(2.0), Some(2.5)));
        assert_eq!(medians(&[]), (None, None));
    }
}
