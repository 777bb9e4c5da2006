//! Tables of settings. One entry for each setting generates the field of a configuration, its default, its range, its builder method, its
//! documentation, and what the `throng` program needs to read it from text.
//!
//! - `macros`: the macros that generate all that from a table.
//! - `kinds`: the kinds of settings. `text`, `choice`: reading and writing their values as text.
#![forbid(unsafe_code)]

#[cfg(feature = "serve")]
pub mod choice;
#[cfg(feature = "serve")]
pub mod kinds;
mod macros;
#[cfg(feature = "serve")]
mod text;

use std::fmt::{self, Debug};
use std::ops::{Bound, RangeBounds};

/// A configuration that the macro `settings!` has made.
pub trait SettingsTable: Default + 'static {
    /// The settings that can be given as text, in the order of the documentation.
    #[cfg(feature = "serve")]
    const SETTINGS: &'static [kinds::Setting<Self>];

    /// Checks that each setting is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    fn check_ranges(&self) -> Result<(), RangeError>;
}

/// A setting is out of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeError {
    /// The name of the setting on the command line.
    pub setting: &'static str,
    /// The range of its values, as in `from 1 to 9`.
    pub range: String,
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.setting, self.range)
    }
}

impl std::error::Error for RangeError {}

/// Checks that a setting is in its range, or `None`.
///
/// # Errors
/// The setting is out of its range.
pub fn check<'a, T: PartialOrd + Debug + 'a>(
    setting: &'static str,
    value: impl Into<Option<&'a T>>,
    range: &impl RangeBounds<T>,
) -> Result<(), RangeError> {
    if value.into().is_none_or(|value| range.contains(value)) {
        return Ok(());
    }
    let range = match (range.start_bound(), range.end_bound()) {
        (Bound::Included(least), Bound::Included(most)) => format!("from {least:?} to {most:?}"),
        (Bound::Included(least), _) => format!("{least:?} or more"),
        range => format!("in {range:?}"),
    };
    Err(RangeError { setting, range })
}
