//! How reports are written.

#[cfg(test)]
pub(crate) mod documented;
pub(crate) mod figure;
pub(crate) mod files;
pub(crate) mod json;
pub(crate) mod judge;
pub(crate) mod text;
pub(crate) mod units;
