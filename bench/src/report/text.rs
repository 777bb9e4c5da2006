//! Reports as text.

use std::fmt;

use crate::measure::reasons::Reasons;

/// One line per reason.
pub(crate) fn reasons(f: &mut fmt::Formatter<'_>, title: &str, reasons: &Reasons) -> fmt::Result {
    reasons.iter().try_for_each(|(reason, count)| writeln!(f, "{title:<9} {count} x {reason}"))
}
