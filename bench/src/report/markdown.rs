//! Pages as Markdown.

use std::fmt::{self, Display, Formatter};

use super::page::{Block, Page};

impl Page {
    /// The page for people who read it where its files are.
    pub(crate) fn markdown(&self) -> impl Display {
        Markdown(self)
    }
}

struct Markdown<'a>(&'a Page);

impl Display for Markdown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut is_code = false;
        for block in &self.0.0 {
            if is_code != matches!(block, Block::Line(_)) {
                f.write_str(if is_code { "```\n" } else { "\n```\n" })?;
                is_code = !is_code;
            }
            write(f, block)?;
        }
        if is_code { f.write_str("```\n") } else { Ok(()) }
    }
}

fn write(f: &mut Formatter<'_>, block: &Block) -> fmt::Result {
    match block {
        Block::Title(title) => writeln!(f, "# {title}"),
        Block::Heading(heading) => writeln!(f, "\n## {heading}"),
        Block::Line(line) => writeln!(f, "{line}"),
        Block::Words(words) => writeln!(f, "\n{words}"),
        Block::Table { head, rows } => table(f, head, rows),
        Block::Goals(goals) => {
            let rows = goals.iter().map(|goal| {
                let asked = format!("{}: at most {}", goal.name, goal.most);
                let met = if goal.is_met() { "met" } else { "**missed**" };
                vec![asked, format!("{:.3}", goal.value), met.to_owned()]
            });
            table(f, &["asked", "measured", ""].map(str::to_owned), &rows.collect::<Vec<_>>())
        }
        Block::Picture { title, file } => writeln!(f, "\n![{title}]({file})"),
        Block::Folded(title, page) => {
            write!(f, "\n<details><summary>{title}</summary>\n{}\n</details>\n", Markdown(page))
        }
    }
}

fn table(f: &mut Formatter<'_>, head: &[String], rows: &[Vec<String>]) -> fmt::Result {
    writeln!(f, "\n| {} |\n|---|{}", head.join(" | "), "---|".repeat(head.len() - 1))?;
    rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
}
