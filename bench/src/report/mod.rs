//! What measurements came to, and how it is written: as JSON, as text, as Markdown and as files beside it.

mod costs;
#[cfg(test)]
pub(crate) mod documented;
pub(crate) mod figure;
pub(crate) mod files;
pub(crate) mod json;
pub(crate) mod judge;
mod markdown;
pub(crate) mod page;
mod text;
pub(crate) mod units;

use std::path::Path;

use serde::Serialize;

use crate::args::ResultsArgs;
use page::Page;

/// A file's name and what is in it.
pub(crate) type File = (String, String);

/// What a command came to. The names of its fields in JSON are stable.
pub(crate) trait Report: Serialize {
    /// Whether all went well.
    fn is_clean(&self) -> bool;

    /// What is said on a terminal.
    fn page(&self) -> Page;

    /// What is said beside its pictures.
    fn document(&self, _pictures: &[String]) -> Page {
        self.page()
    }

    /// What its directory is called before this machine's name.
    fn name(&self) -> String {
        String::new()
    }

    /// Pictures, latencies and more for its directory.
    fn files(&self) -> anyhow::Result<Vec<File>> {
        Ok(Vec::new())
    }
}

/// Writes a report as JSON where `json` says, as text to standard output where that is free, and into a directory if one is wanted.
/// Whether all went well.
pub(crate) fn deliver(
    report: &impl Report,
    json: Option<&Path>,
    results: Option<&ResultsArgs>,
) -> anyhow::Result<bool> {
    if let Some(path) = json {
        json::write_json(path, report)?;
    }
    if !json::is_standard(json) {
        json::print(report.page())?;
    }
    let directory = results.map(|results| files::directory(results, &report.name())).transpose()?.flatten();
    if let Some(directory) = directory {
        files::write_all(report, &directory)?;
        files::say_where(&directory);
    }
    Ok(report.is_clean())
}
