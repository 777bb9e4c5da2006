//! The configuration file (TOML 1.1): settings by the names of the options, with their line numbers, and rules for topics.

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use throng::hub::Rules;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::ExitError;
use super::topic_rules::{RuleTable, warning};

/// The most bytes of a configuration file: a mistaken path must not fill the memory.
const MAX_FILE: u64 = 1 << 20;

/// A configuration file that was read; the default has no settings.
#[derive(Debug, Default)]
pub(super) struct ConfigFile {
    path: PathBuf,
    pub(super) entries: Vec<Entry>,
    pub(super) rules: Rules,
    /// Warnings about rules that may be mistakes, each with its line number.
    pub(super) warnings: Vec<String>,
}

/// A key with its values, in the form of the command line.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) values: Vec<String>,
    /// Whether the file has the values as an array.
    pub(super) is_list: bool,
    /// Line number, from 1.
    pub(super) line: usize,
}

impl ConfigFile {
    /// Reads a file. Does not check that its keys are settings.
    pub(super) fn read(path: &Path) -> Result<Self, ExitError> {
        let cannot = |what: String| {
            ExitError::Configuration(format!("cannot read the configuration {}: {what}", path.display()))
        };
        let mut text = String::new();
        // The metadata's length is of no use: that of a device or a pipe says nothing.
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
            .map_err(|error| cannot(error.to_string()))?;
        if text.len() as u64 > MAX_FILE {
            return Err(cannot(format!("it has more than {MAX_FILE} bytes")));
        }
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ExitError> {
        let mut file = Self { path: path.into(), ..Self::default() };
        let lines = Lines::of(text);
        let table = DeTable::parse(text).map_err(|error| file.toml_error(&lines, &error))?;
        for (key, value) in table.into_inner() {
            let line = lines.line(&key.span());
            if key.get_ref() == "topics" {
                file.rules = file.parse_rules(&lines, line, value.into_inner())?;
                continue;
            }
            let entry = Entry::new(key.into_inner().into_owned(), value, line);
            file.entries.push(entry.map_err(|what| file.error(line, &what))?);
        }
        Ok(file)
    }

    fn parse_rules(&mut self, lines: &Lines, line: usize, value: DeValue<'_>) -> Result<Rules, ExitError> {
        let DeValue::Array(tables) = value else {
            return Err(self.error(line, "topics are tables in a list: write [[topics]], in two brackets"));
        };
        let (mut rules, mut known) = (Vec::new(), HashMap::new());
        for table in tables {
            let line = lines.line(&table.span());
            let rule = RuleTable::deserialize(ValueDeserializer::from(table));
            let rule = rule.map_err(|error| self.toml_error(lines, &error))?;
            if let Some(first) = known.insert(rule.prefix.clone(), line) {
                let what =
                    format!("there is a rule with the prefix {:?} in line {first} already", rule.prefix);
                return Err(self.error(line, &(what + ": make one of them")));
            }
            let warning = warning(&rule.prefix).map(|what| self.place(line, &what));
            self.warnings.extend(warning);
            rules.push(rule);
        }
        Rules::new(rules).map_err(|error| self.error(line, &error.to_string()))
    }

    /// Makes the error for a line of the file.
    pub(super) fn error(&self, line: usize, what: &str) -> ExitError {
        ExitError::Configuration(self.place(line, what))
    }

    fn place(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }

    fn toml_error(&self, lines: &Lines, error: &toml::de::Error) -> ExitError {
        let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        self.error(error.span().map_or(1, |span| lines.line(&span)), &what)
    }
}

impl Entry {
    fn new(key: String, value: Spanned<DeValue<'_>>, line: usize) -> Result<Self, String> {
        let value = value.into_inner();
        let is_list = value.is_array();
        let values = match value {
            DeValue::Array(values) => values.iter().map(|value| plain(&key, value.get_ref())).collect(),
            value => plain(&key, &value).map(|value| vec![value]),
        };
        Ok(Self { values: values?, key, is_list, line })
    }
}

/// Converts a value to the form of the command line.
fn plain(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Boolean(value) => Ok(value.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| format!("{key}: the number is too large")),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(format!(
            "{key} must be text in quotes, a whole number, true or false, not a {}",
            value.type_str()
        )),
    }
}

/// The positions of the line ends in a text.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// Returns the number of the line in which a span begins, from 1.
    fn line(&self, span: &Range<usize>) -> usize {
        1 + self.0.partition_point(|&end| end < span.start)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use throng::SlowPolicy;
    use throng::hub::{Access, HistoryRule, TopicRule};

    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, String> {
        ConfigFile::parse(Path::new("f"), text).map_err(|error| error.to_string())
    }

    /// As many rules or keys as a file has room for are read in a time that grows linearly with their number.
    #[test]
    fn a_file_full_of_rules_or_keys_is_read_soon() {
        let start = std::time::Instant::now();
        let rules: String =
            (0..25_000).map(|number| format!("[[topics]]\nprefix = \"{number:05}\"\n")).collect();
        let file = parse(&rules).unwrap();
        assert_eq!(file.rules.of("24999").publish, Access::Nobody);
        let twice = parse(&(rules + "[[topics]]\nprefix = \"00000\"\n")).unwrap_err();
        assert!(
            twice.contains("f:50001: there is a rule with the prefix \"00000\" in line 1 already"),
            "{twice}"
        );
        let keys: String = (0..80_000).map(|number| format!("key-{number:05} = 1\n")).collect();
        let last = parse(&keys).unwrap().entries.pop().map(|entry| entry.line);
        assert_eq!(last, Some(80_000));
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn rules_are_read_and_the_longest_prefix_decides() {
        let file = parse(
            r#"
            [[topics]]
            prefix = ""
            publish = "anyone"
            history = { messages = 100, bytes = "1MiB", age = "5m" }

            [[topics]]
            prefix = "prices/"
            subscribe = "nobody"
            slow = "conflate"
            compression = false
            history = "off"

            [[topics]]
            prefix = "prices/eu/"
            history = { messages = "2k", bytes = 4096, age = "10s" }
            slow = "drop-oldest"
            "#,
        );
        let rules = file.unwrap().rules;
        let history =
            |messages, bytes, seconds| HistoryRule { messages, bytes, age: Duration::from_secs(seconds) };
        let anywhere =
            TopicRule { publish: Access::Anyone, history: history(100, 1 << 20, 300), ..Rules::DEFAULT };
        let prices = TopicRule {
            subscribe: Access::Nobody,
            history: HistoryRule::OFF,
            slow: SlowPolicy::Conflate,
            compression: false,
            ..anywhere
        };
        let eu = TopicRule { history: history(2_000, 4_096, 10), slow: SlowPolicy::DropOldest, ..prices };
        assert_eq!(
            [rules.of("news"), rules.of("prices/us"), rules.of("prices/eu/dax")],
            [&anywhere, &prices, &eu]
        );
        assert_eq!(parse("workers = 3").unwrap().rules, Rules::default());
    }

    #[test]
    fn a_doubtful_prefix_is_told_with_its_line() {
        let file = parse("[[topics]]\nprefix = 'a/'\n\n[[topics]]\nprefix = 'a/*'").unwrap();
        let [warning] = &file.warnings[..] else { panic!("{:?}", file.warnings) };
        assert!(warning.starts_with("f:4: prefix \"a/*\" is taken as it is"), "{warning}");
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_said_with_its_line() {
        for (text, said) in [
            ("topics = 3", "f:1: topics are tables in a list: write [[topics]]"),
            ("\n[topics]\nprefix = ''", "f:2: topics are tables in a list"),
            ("\n[[topics]]\nslow = 'close'", "f:2: missing field `prefix`"),
            ("[[topics]]\nprefix = 3", "f:2: invalid type"),
            (
                "[[topics]]\nprefix = 'a#'",
                "f:2: prefix: a topic's name has no control characters, + or #; it is taken as it is",
            ),
            ("[[topics]]\nprefix = 'a/../'", "f:2: prefix: a topic's name is not . or .. and has neither"),
            (
                "[[topics]]\nprefix = ''\nslow = 'fast'",
                "f:3: unknown variant `fast`, expected one of `close`",
            ),
            (
                "[[topics]]\nprefix = ''\nsubscribe = 'me'",
                "f:3: unknown variant `me`, expected `anyone` or `nobody`",
            ),
            ("[[topics]]\nprefix = ''\npublish = true", "f:3: "),
            ("[[topics]]\nprefix = ''\ncompression = 'yes'", "f:3: invalid type"),
            (
                "[[topics]]\nprefix = ''\n\nretain = 7",
                "f:4: unknown field `retain`, expected one of `prefix`",
            ),
            (
                "[[topics]]\nprefix = ''\nhistory = 'on'",
                "f:3: invalid value: string \"on\", expected \"off\", or a table",
            ),
            ("[[topics]]\nprefix = ''\nhistory = 7", "f:3: invalid type: integer `7`, expected \"off\""),
            ("[[topics]]\nprefix = ''\nhistory = {messages = 1}", "f:3: missing field `bytes`"),
            ("[[topics]]\nprefix = ''\n[topics.history]\nmessages = -1", "f:4: messages: `-1` is no count"),
            ("[[topics]]\nprefix = ''\n[topics.history]\nmessages = '5G'", "f:4: messages: `5G` is no count"),
            (
                "[[topics]]\nprefix = ''\n[topics.history]\nmessages = 4294967296",
                "f:4: messages must be from 0 to",
            ),
            ("[[topics]]\nprefix = ''\n[topics.history]\nbytes = '1 hogshead'", "f:4: bytes: "),
            ("[[topics]]\nprefix = ''\n[topics.history]\nage = 30", "f:4: age: time unit needed"),
            ("[[topics]]\nprefix = ''\n[topics.history]\nsize = 3", "f:4: unknown field `size`"),
            (
                "[[topics]]\nprefix = 'a'\n[[topics]]\nprefix = 'b'\n[[topics]]\nprefix = 'a'",
                "f:5: there is a rule with the prefix \"a\" in line 1 already: make one of them",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_prefix_may_end_where_a_name_may_not() {
        assert!(parse("[[topics]]\nprefix = 'a/.'\n[[topics]]\nprefix = '..'").is_ok());
    }
}
