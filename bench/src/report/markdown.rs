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
    let is_number =
        |cell: &str| cell.trim_start_matches('*').starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let column = |number: usize| rows.iter().map(move |row| &row[number][..]).filter(|cell| !cell.is_empty());
    let rule = |number| if column(number).all(is_number) { "---:|" } else { "---|" };
    let rules: String = (1..head.len()).map(rule).collect();
    writeln!(f, "\n| {} |\n|---|{rules}", head.join(" | "))?;
    rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::judge::Goal;

    #[test]
    fn a_page_is_said_on_a_terminal_and_in_markdown() {
        let mut page = Page::default();
        page.title("Servers");
        write!(page, "seed      1");
        page.table(["cell", "a"], vec![vec!["echo".to_owned(), "**3** (2 to 4)".to_owned()]]);
        page.goals(vec![Goal { name: "cost", value: 2.0, most: 1.5 }]);
        page.picture("Echo", &["echo.svg".to_owned()], "echo.");
        let text = "seed      1\necho\n  a 3 (2 to 4)\n  MISSED     cost: 2.000 (goal: at most 1.5)\n";
        assert_eq!(page.to_string(), text);
        let markdown = "# Servers\n\n```\nseed      1\n```\n\n| cell | a |\n|---|---:|\n| echo | **3** (2 to 4) |\n\n\
                        | asked | measured |  |\n|---|---:|---|\n| cost: at most 1.5 | 2.000 | **missed** |\n\n\
                        ![Echo](echo.svg)\n";
        assert_eq!(page.markdown().to_string(), markdown);
    }
}
