//! How often each of several things happened.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Deref};

use serde::{Deserialize, Serialize};

/// How often each of several things happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reasons<K: Ord = String>(BTreeMap<K, u64>);

impl<K: Ord> Reasons<K> {
    /// Counts one more for a reason.
    pub(crate) fn count(&mut self, reason: impl Into<K>) {
        self.add(reason, 1);
    }

    /// Counts so many more for a reason.
    pub(crate) fn add(&mut self, reason: impl Into<K>, count: u64) {
        *self.0.entry(reason.into()).or_default() += count;
    }

    /// Whether none of them happened.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often all of them together.
    pub(crate) fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

impl<K: Ord> Default for Reasons<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Deref for Reasons<K> {
    type Target = BTreeMap<K, u64>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Ord + Clone> AddAssign<&Self> for Reasons<K> {
    fn add_assign(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            *self.0.entry(reason.clone()).or_default() += count;
        }
    }
}

impl<K: Ord, const N: usize> From<[(K, u64); N]> for Reasons<K> {
    fn from(reasons: [(K, u64); N]) -> Self {
        Self(reasons.into())
    }
}

impl<K: Ord> FromIterator<(K, u64)> for Reasons<K> {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(reasons: I) -> Self {
        Self(reasons.into_iter().collect())
    }
}

/// Makes `+=` of a struct the sum of these of its fields.
macro_rules! add_fields {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl std::ops::AddAssign<&Self> for $type {
            fn add_assign(&mut self, other: &Self) {
                $($crate::measure::reasons::add(&mut self.$field, &other.$field);)+
            }
        }
    };
}
pub(crate) use add_fields;

/// `+=` of anything that has it.
pub(crate) fn add<'a, T: AddAssign<&'a T>>(sum: &mut T, more: &'a T) {
    *sum += more;
}
