//! The `[[topics]]` tables of the configuration file: rules for topics, by how their names begin.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use throng::SlowPolicy;
use throng::hub::{Access, HistoryRule, NameError, Rule, check_name};

use super::units;

/// A table, with the names that the file has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RuleTable {
    #[serde(deserialize_with = "prefix")]
    prefix: String,
    subscribe: Option<Who>,
    publish: Option<Who>,
    history: Option<History>,
    slow: Option<Slow>,
    compression: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Who {
    Anyone,
    Nobody,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Slow {
    Close,
    DropNewest,
    DropOldest,
    Conflate,
}

/// `"off"`, or a table.
#[derive(Debug)]
struct History(HistoryRule);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryTable {
    #[serde(deserialize_with = "messages")]
    messages: u32,
    #[serde(deserialize_with = "bytes")]
    bytes: usize,
    #[serde(deserialize_with = "age")]
    age: Duration,
}

/// What a prefix may be meant to be that it is not: it is taken as it is.
pub(super) fn doubt(prefix: &str) -> Option<String> {
    let is_pattern =
        |char: char| matches!(char, '*' | '?' | '>' | '^' | '$' | '|' | '\\' | '[' | ']' | '{' | '}' | '%');
    let what = match prefix.find(is_pattern) {
        Some(at) => format!(
            "there are no wildcards or escapes: all names that begin with {:?} have the prefix {:?}",
            &prefix[..at],
            &prefix[..at]
        ),
        None if prefix.starts_with('/') => {
            format!("names begin without a slash as a rule: write {:?} for those", &prefix[1..])
        }
        None => return None,
    };
    Some(format!("prefix {prefix:?} is taken as it is, for names that begin with these characters; {what}"))
}

impl From<RuleTable> for Rule {
    fn from(table: RuleTable) -> Self {
        Self {
            prefix: table.prefix,
            subscribe: table.subscribe.map(Who::into),
            publish: table.publish.map(Who::into),
            history: table.history.map(|History(rule)| rule),
            slow: table.slow.map(Slow::into),
            compression: table.compression,
        }
    }
}

impl From<Who> for Access {
    fn from(who: Who) -> Self {
        match who {
            Who::Anyone => Self::Anyone,
            Who::Nobody => Self::Nobody,
        }
    }
}

impl From<Slow> for SlowPolicy {
    fn from(slow: Slow) -> Self {
        match slow {
            Slow::Close => Self::Close,
            Slow::DropNewest => Self::DropNewest,
            Slow::DropOldest => Self::DropOldest,
            Slow::Conflate => Self::Conflate,
        }
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OffOrTable;

        impl<'de> Visitor<'de> for OffOrTable {
            type Value = History;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"off\", or a table as in { messages = 100, bytes = \"1MiB\", age = \"5m\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<History, E> {
                if text == "off" {
                    Ok(History(HistoryRule::OFF))
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<History, A::Error> {
                let HistoryTable { messages, bytes, age } =
                    HistoryTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(History(HistoryRule { messages, bytes, age }))
            }
        }

        deserializer.deserialize_any(OffOrTable)
    }
}

/// Text, or a whole number: as the command line would have it.
struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;

        impl Visitor<'_> for TextOrNumber {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes, or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
                Ok(Plain(text.into()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Plain, E> {
                Ok(Plain(number.to_string()))
            }
        }

        deserializer.deserialize_any(TextOrNumber)
    }
}

/// Reads a value with one of the command line's parsers.
fn read<'de, D, T>(deserializer: D, key: &str, parse: fn(&str) -> Result<T, String>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let Plain(text) = Plain::deserialize(deserializer)?;
    parse(&text).map_err(|error| D::Error::custom(format!("{key}: {error}")))
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let prefix = String::deserialize(deserializer)?;
    let checked = match check_name(&prefix) {
        // The name may go on behind the dots.
        Err(NameError::DotSegment) => check_name(&format!("{prefix}x")),
        Err(NameError::Empty) => Ok(()),
        checked => checked,
    };
    checked.map_err(|error| {
        D::Error::custom(format!("prefix: {error}; it is taken as it is, without wildcards"))
    })?;
    Ok(prefix)
}

fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let messages = read(deserializer, "messages", units::count)?;
    let most = u32::MAX;
    u32::try_from(messages).map_err(|_| D::Error::custom(format!("messages must be from 0 to {most}")))
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    read(deserializer, "bytes", units::size)
}

fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read(deserializer, "age", units::duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_looks_like_a_pattern_is_doubted() {
        for (prefix, meant) in [
            ("a/*", "a/"),
            ("*", ""),
            ("chat/?/in", "chat/"),
            ("^news", ""),
            ("prices.>", "prices."),
            ("room-{n}", "room-"),
            ("a%2Fb", "a"),
            ("/news", "news"),
        ] {
            let said = doubt(prefix).expect(prefix);
            assert!(said.contains(&format!("{prefix:?}")) && said.contains(&format!("{meant:?}")), "{said}");
        }
        for prefix in ["", "a", "a/", "chat/room-1.2_3:x@y"] {
            assert_eq!(doubt(prefix), None);
        }
    }
}
