//! Reports as directories of files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{Report, json};
use crate::args::ResultsArgs;
use crate::measure::environment::host_name;

/// So many reports of one day and machine are told apart by a number.
const MOST_OF_A_DAY: u32 = 1000;

/// Makes the directory that a report is to be written into, if one is wanted. It is called as the command line says, or `name` and
/// this machine's name. One of that name which is there already stays as it is, and the new one gets a number.
pub(crate) fn directory(args: &ResultsArgs, name: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(parent) = &args.results else { return Ok(None) };
    let name = args.name.clone().unwrap_or_else(|| format!("{name}-{}", host_name()));
    new_directory(parent, &name).map(Some)
}

/// Says on standard error where the report is.
pub(crate) fn say_where(directory: &Path) {
    eprintln!("the report is {}", directory.join("summary.md").display());
}

/// Writes all files of a report into its directory: `summary.md` for people, `summary.json` for programs, and what it has more.
pub(crate) fn write_all(report: &impl Report, directory: &Path) -> anyhow::Result<()> {
    json::write_json(&directory.join("summary.json"), report)?;
    let files = report.files()?;
    files.iter().try_for_each(|(name, text)| write(&directory.join(name), text))?;
    let names = files.into_iter().map(|(name, _)| name);
    let pictures: Vec<String> = names.filter(|name| name.ends_with(".svg")).collect();
    write(&directory.join("summary.md"), &report.document(&pictures).markdown().to_string())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn new_directory(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let numbered = (2..MOST_OF_A_DAY).map(|number| format!("{name}-{number}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let directory = parent.join(name);
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", directory.display())),
        }
    }
    bail!("{} has too many reports called {name}: give this one a --name", parent.display())
}
