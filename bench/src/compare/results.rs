//! The report as a directory of files, written anew after every round.

use std::path::PathBuf;

use super::args::CompareArgs;
use super::markdown::Markdown;
use super::pictures;
use super::report::CompareReport;
use crate::report::files::{directory, say_where, write};
use crate::report::json;

/// Where the report goes.
#[derive(Debug, Default)]
pub(super) struct Results {
    directory: Option<PathBuf>,
    /// A file for the JSON alone, which is written with the directory's.
    json: Option<PathBuf>,
}

impl Results {
    /// Makes the directory, if one is wanted: it is called as the command line says, or by the date and this machine's name.
    pub(super) fn new(args: &CompareArgs, report: &CompareReport) -> anyhow::Result<Self> {
        let json = args.json.clone().filter(|_| !json::is_standard(args.json.as_deref()));
        Ok(Self { directory: directory(&args.results, &format!("{}-compare", report.date))?, json })
    }

    pub(super) fn write(&self, report: &CompareReport) -> anyhow::Result<()> {
        if let Some(json) = &self.json {
            json::write_json(json, report)?;
        }
        let Some(directory) = &self.directory else { return Ok(()) };
        json::write_json(&directory.join("summary.json"), report)?;
        let pictures = pictures::draw(report)?;
        for (name, svg) in &pictures {
            write(&directory.join(name), svg)?;
        }
        let names: Vec<&str> = pictures.iter().map(|(name, _)| &name[..]).collect();
        write(&directory.join("summary.md"), &Markdown { report, pictures: &names }.to_string())
    }

    pub(super) fn say_where(&self) {
        self.directory.iter().for_each(|directory| say_where(directory));
    }
}
