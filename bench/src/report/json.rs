//! Reports written where they are wanted.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

/// Prints text on standard output.
pub(crate) fn print(text: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Prints a value as one line of JSON on standard output.
pub(crate) fn print_line(value: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value).context("cannot make JSON of a line")?;
    print(format_args!("{line}\n"))
}

/// Whether a report's JSON is to go to standard output, in place of its text.
pub(crate) fn is_standard(path: Option<&Path>) -> bool {
    path.is_some_and(|path| path.as_os_str() == "-")
}

/// Writes a report as JSON to a file, or to standard output for `-`.
pub(crate) fn write_json(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let json = pretty(report)?;
    if is_standard(Some(path)) {
        return print(json);
    }
    std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))
}

/// A report as JSON.
pub(crate) fn pretty(report: &impl Serialize) -> anyhow::Result<String> {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, Layout::default());
    report.serialize(&mut serializer).context("cannot make JSON of the report")?;
    json.push(b'\n');
    Ok(String::from_utf8(json)?)
}

/// Objects a line for each field, lists on one line: those of thousands of numbers would bury the rest.
#[derive(Default)]
struct Layout(PrettyFormatter<'static>);

impl Formatter for Layout {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_a_line_for_each_field_and_lists_in_one() {
        let path = std::env::temp_dir().join(format!("throng-bench-output-{}.json", std::process::id()));
        let value = serde_json::json!({ "numbers": [[1, 2], [3, 4]], "things": [{ "a": 1 }, {}], "z": null });
        write_json(&path, &value).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let expected =
            "{\n  \"numbers\": [[1,2],[3,4]],\n  \"things\": [{\n    \"a\": 1\n  },{}],\n  \"z\": null\n}\n";
        assert_eq!(text, expected);
    }
}
