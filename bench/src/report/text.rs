//! Pages as text for a terminal.

use std::fmt::{self, Display, Formatter};

use super::page::{Block, Page};

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|block| write(f, block))
    }
}

fn write(f: &mut Formatter<'_>, block: &Block) -> fmt::Result {
    match block {
        Block::Title(_) | Block::Picture { .. } => Ok(()),
        Block::Heading(heading) => writeln!(f, "\n{heading}"),
        Block::Line(line) => writeln!(f, "{line}"),
        Block::Words(words) => writeln!(f, "\n{}", plain(words)),
        Block::Table { head, rows } => rows.iter().try_for_each(|row| record(f, head, row)),
        Block::Goals(goals) => goals.iter().try_for_each(|goal| {
            let met = if goal.is_met() { "met" } else { "MISSED" };
            writeln!(f, "  {met:<10} {}: {:.3} (goal: at most {})", goal.name, goal.value, goal.most)
        }),
        Block::Folded(_, page) => write!(f, "{page}"),
    }
}

/// A row of a table: what it is about, and below it a line for each other cell.
fn record(f: &mut Formatter<'_>, head: &[String], row: &[String]) -> fmt::Result {
    let width = head.iter().skip(1).map(String::len).max().unwrap_or(0);
    let mut cells = head.iter().zip(row);
    if let Some((_, about)) = cells.next() {
        writeln!(f, "{}", plain(about))?;
    }
    for (name, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
        writeln!(f, "  {name:<width$} {}", plain(cell))?;
    }
    Ok(())
}

/// Without the marks of Markdown.
fn plain(words: &str) -> String {
    words.replace("**", "").replace('`', "")
}
