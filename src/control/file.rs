//! The configuration file (TOML 1.1): settings by the names of the options, with the lines they stand in.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::exit::Failure;

/// The most bytes of a configuration file: a mistaken path must not fill the memory.
const MAX_FILE: u64 = 1 << 20;

/// A file that has been read; without one, nothing is set.
#[derive(Debug, Default)]
pub(super) struct File {
    path: PathBuf,
    pub(super) settings: Vec<Setting>,
}

/// A key with its values as the command line takes them.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) values: Vec<String>,
    /// Whether the values stood in brackets.
    pub(super) is_list: bool,
    /// From 1.
    pub(super) line: usize,
}

impl File {
    /// Reads a file. Whether its keys are settings is for others to say.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |what: String| {
            Failure::Configuration(format!("cannot read the configuration {}: {what}", path.display()))
        };
        let mut text = String::new();
        // Not by its length: that of a device or a pipe says nothing.
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
            .map_err(|error| cannot(error.to_string()))?;
        if text.len() as u64 > MAX_FILE {
            return Err(cannot(format!("it has more than {MAX_FILE} bytes")));
        }
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let mut file = Self { path: path.into(), settings: Vec::new() };
        let table = DeTable::parse(text).map_err(|error| file.toml_failure(text, &error))?;
        for (key, value) in table.into_inner() {
            let line = line_of(text, &key.span());
            let setting = Setting::new(key.into_inner().into_owned(), value, line);
            file.settings.push(setting.map_err(|what| file.failure(line, &what))?);
        }
        Ok(file)
    }

    /// What is wrong in a line of the file.
    pub(super) fn failure(&self, line: usize, what: &str) -> Failure {
        Failure::Configuration(format!("{}:{line}: {what}", self.path.display()))
    }

    fn toml_failure(&self, text: &str, error: &toml::de::Error) -> Failure {
        let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        self.failure(error.span().map_or(1, |span| line_of(text, &span)), &what)
    }
}

impl Setting {
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

/// A value as on the command line.
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

/// The line in which a span begins, from 1.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}
