//! What a report says: blocks that are written as text, or as Markdown.

use std::fmt;

use super::judge::Goal;
use super::units::{mib, number};
use crate::measure::environment::Environment;
use crate::measure::reasons::Reasons;

/// A part of a page.
#[derive(Debug)]
pub(super) enum Block {
    /// What the document is called; a terminal needs no title.
    Title(String),
    Heading(String),
    /// A line that begins with what it is about.
    Line(String),
    Words(String),
    Table {
        head: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Goals(Vec<Goal>),
    /// A file beside the document.
    Picture {
        title: String,
        file: String,
    },
    /// What few want to see, and its title.
    Folded(String, Page),
}

/// A report for people. Its `Display` is text, [`markdown`](Self::markdown) the other form.
#[derive(Debug, Default)]
pub(crate) struct Page(pub(super) Vec<Block>);

impl Page {
    pub(crate) fn title(&mut self, title: impl Into<String>) {
        self.0.push(Block::Title(title.into()));
    }

    pub(crate) fn heading(&mut self, heading: impl Into<String>) {
        self.0.push(Block::Heading(heading.into()));
    }

    /// Lines, as `write!` has them.
    pub(crate) fn write_fmt(&mut self, lines: fmt::Arguments<'_>) {
        self.0.extend(lines.to_string().lines().map(|line| Block::Line(line.to_owned())));
    }

    /// An empty line.
    pub(crate) fn gap(&mut self) {
        self.0.push(Block::Line(String::new()));
    }

    /// A line for each reason.
    pub(crate) fn reasons(&mut self, about: &str, reasons: &Reasons) {
        reasons.iter().for_each(|(reason, count)| write!(self, "{about:<9} {count} x {reason}"));
    }

    /// A paragraph, in Markdown.
    pub(crate) fn words(&mut self, words: impl Into<String>) {
        self.0.push(Block::Words(words.into()));
    }

    /// A paragraph for each, marked as those of a list; nothing without any.
    pub(crate) fn list(&mut self, title: &str, items: impl IntoIterator<Item = String>) {
        let items: Vec<String> = items.into_iter().map(|item| format!("- {item}")).collect();
        if !items.is_empty() {
            self.words(format!("{title}:\n\n{}", items.join("\n")));
        }
    }

    /// Rows that begin with what they are about. Without a row there is no table.
    pub(crate) fn table<H: Into<String>>(
        &mut self,
        head: impl IntoIterator<Item = H>,
        rows: Vec<Vec<String>>,
    ) {
        if !rows.is_empty() {
            self.0.push(Block::Table { head: head.into_iter().map(Into::into).collect(), rows });
        }
    }

    pub(crate) fn goals(&mut self, goals: Vec<Goal>) {
        if !goals.is_empty() {
            self.0.push(Block::Goals(goals));
        }
    }

    /// The picture whose file's name begins like this, if there is one.
    pub(crate) fn picture(&mut self, title: impl Into<String>, pictures: &[String], beginning: &str) {
        if let Some(file) = pictures.iter().find(|file| file.starts_with(beginning)) {
            self.0.push(Block::Picture { title: title.into(), file: file.clone() });
        }
    }

    pub(crate) fn folded(&mut self, title: impl Into<String>, page: Self) {
        self.0.push(Block::Folded(title.into(), page));
    }

    /// A line about a machine.
    pub(crate) fn machine(&mut self, about: &str, environment: &Environment) {
        let Environment { cores, cpu, memory_bytes, kernel, descriptors, .. } = environment;
        let gib = mib(*memory_bytes) / 1024.0;
        write!(
            self,
            "{about:<9} {cores} x {cpu}, {gib:.1} GiB, Linux {kernel}, {descriptors} descriptors a table"
        );
    }

    /// The command and the settings of the kernel.
    pub(crate) fn how(&mut self, title: &str, environment: &Environment) {
        self.heading(title);
        write!(self, "{}", environment.command.join(" "));
        let commit = environment.commit.as_deref().unwrap_or("unknown");
        self.words(format!("Version {}, commit {commit}.", environment.version));
        let settings = environment.sysctls.iter();
        let settings = settings.map(|(name, value)| vec![format!("`{name}`"), value.clone()]);
        self.table(["setting", "value"], settings.collect());
    }
}

/// A figure over rounds: its median, the least and the most.
pub(crate) fn spread([median, min, max]: [String; 3]) -> String {
    format!("**{median}** ({min} to {max})")
}

/// A ratio that may not be there.
pub(crate) fn ratio(ratio: Option<f64>, digits: usize) -> String {
    ratio.map_or_else(String::new, |ratio| number(ratio, digits))
}
