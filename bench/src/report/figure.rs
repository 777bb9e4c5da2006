//! Tables of figures: what a report puts together over its rounds, and how people read it.

use std::collections::BTreeMap;

use super::units::number;
use crate::measure::spread::Spread;

/// A figure that is taken from each round.
pub(crate) struct Figure<T: 'static> {
    /// The name of the field in JSON.
    pub(crate) key: &'static str,
    /// The name for people.
    pub(crate) name: &'static str,
    /// How many of the report's are one of the unit for people.
    pub(crate) scale: f64,
    /// What follows a value.
    pub(crate) unit: &'static str,
    /// Digits behind the point for people.
    pub(crate) digits: usize,
    pub(crate) of: fn(&T) -> Option<f64>,
}

/// Figures over rounds by their keys; `None` for those that no round has.
pub(crate) type Spreads = BTreeMap<String, Option<Spread>>;

/// Each figure over all rounds.
pub(crate) fn spreads<'a, T>(figures: &[Figure<T>], rounds: impl Iterator<Item = &'a T> + Clone) -> Spreads {
    let spread = |figure: &Figure<T>| Spread::of(rounds.clone().filter_map(figure.of));
    figures.iter().map(|figure| (figure.key.to_owned(), spread(figure))).collect()
}

/// The ratio of each figure of the first to that of the second, round by round.
pub(crate) fn ratios<'a, T>(
    figures: &[Figure<T>],
    rounds: impl Iterator<Item = (&'a T, &'a T)> + Clone,
) -> Spreads {
    let within = |figure: &Figure<T>| {
        Spread::of(rounds.clone().filter_map(|(one, other)| ratio((figure.of)(one)?, (figure.of)(other)?)))
    };
    figures.iter().map(|figure| (figure.key.to_owned(), within(figure))).collect()
}

/// The first over the second; `None` where that is no number.
pub(crate) fn ratio(one: f64, other: f64) -> Option<f64> {
    Some(one / other).filter(|ratio| ratio.is_finite())
}

/// Rounds by server, in the order in which servers come first.
pub(crate) fn grouped<'a, T>(
    rounds: &'a [T],
    server: impl Fn(&'a T) -> &'a str,
) -> impl Iterator<Item = (&'a str, Vec<&'a T>)> {
    let mut groups: Vec<(&str, Vec<&T>)> = Vec::new();
    for round in rounds {
        match groups.iter_mut().find(|(name, _)| *name == server(round)) {
            Some((_, rounds)) => rounds.push(round),
            None => groups.push((server(round), vec![round])),
        }
    }
    groups.into_iter()
}

impl<T> Figure<T> {
    /// A value of this figure for people.
    pub(crate) fn show(&self, value: f64) -> String {
        format!("{}{}", number(value / self.scale, self.digits), self.unit)
    }

    /// What it came to over rounds, for people.
    pub(crate) fn spread(&self, spreads: &Spreads) -> Option<[String; 3]> {
        let Spread { median, min, max } = (*spreads.get(self.key)?)?;
        Some([median, min, max].map(|value| self.show(value)))
    }
}
