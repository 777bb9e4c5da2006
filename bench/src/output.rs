//! Reports written where they are wanted.

use std::fmt;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// Prints text on standard output.
///
/// # Errors
/// When nobody takes it, such as a pipe whose reader has gone.
pub fn print(text: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Prints a value as one line of JSON on standard output.
///
/// # Errors
/// Those of [`print()`].
pub fn print_line(value: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value).context("cannot make JSON of a line")?;
    print(format_args!("{line}\n"))
}

/// Whether a report's JSON is to go to standard output, in place of its text.
#[must_use]
pub fn is_standard(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

/// Writes a report as JSON to a file, or to standard output for `-`.
///
/// # Errors
/// When it cannot be written.
pub fn write_json(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(report).context("cannot make JSON of the report")?;
    json.push('\n');
    if is_standard(Some(path)) {
        return print(json);
    }
    std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))
}
