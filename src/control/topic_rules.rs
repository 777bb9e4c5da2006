//! The `[[topics]]` tables of the configuration file: rules for topics by name prefix.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use throng::SlowPolicy;
use throng::hub::{Access, HistoryRule, Rule, TopicNameError, check_topic_name};
use throng::settings::kinds::{COUNT, Kind, SIZE, TIME};

/// The form of a rule in the configuration file.
#[derive(Debug, Deserialize)]
#[serde(remote = "Rule", deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RuleTable {
    #[serde(deserialize_with = "prefix")]
    prefix: String,
    #[serde(default)]
    subscribe: Option<Access>,
    #[serde(default)]
    publish: Option<Access>,
    #[serde(default, deserialize_with = "history")]
    history: Option<HistoryRule>,
    #[serde(default)]
    slow: Option<SlowPolicy>,
    #[serde(default)]
    compression: Option<bool>,
}

/// The form of a history rule in the configuration file.
#[derive(Debug, Deserialize)]
#[serde(remote = "HistoryRule", deny_unknown_fields)]
struct HistoryTable {
    #[serde(deserialize_with = "messages")]
    messages: u32,
    #[serde(deserialize_with = "bytes")]
    bytes: usize,
    #[serde(deserialize_with = "age")]
    age: Duration,
}

/// Returns a warning for a prefix that looks like a pattern or a path: it is matched literally.
pub(super) fn warning(prefix: &str) -> Option<String> {
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

/// Reads `"off"` or a table.
fn history<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HistoryRule>, D::Error> {
    struct OffOrTable;

    impl<'de> Visitor<'de> for OffOrTable {
        type Value = Option<HistoryRule>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"off\", or a table as in { messages = 100, bytes = \"1MiB\", age = \"5m\" }")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            if text == "off" {
                Ok(Some(HistoryRule::OFF))
            } else {
                Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            HistoryTable::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(OffOrTable)
}

/// Text or a whole number, in the form of the command line.
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

/// Reads a value like the command line does.
fn read<'de, D, T>(deserializer: D, key: &str, kind: &Kind<T>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let Plain(text) = Plain::deserialize(deserializer)?;
    kind.read(&[&text]).map_err(|error| D::Error::custom(format!("{key}: {error}")))
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let prefix = String::deserialize(deserializer)?;
    let checked = match check_topic_name(&prefix) {
        // The name of a topic may continue after the dots.
        Err(TopicNameError::DotSegment) => check_topic_name(&format!("{prefix}x")),
        Err(TopicNameError::Empty) => Ok(()),
        checked => checked,
    };
    checked.map_err(|error| {
        D::Error::custom(format!("prefix: {error}; it is taken as it is, without wildcards"))
    })?;
    Ok(prefix)
}

fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let messages = read(deserializer, "messages", &COUNT)?;
    let most = u32::MAX;
    u32::try_from(messages).map_err(|_| D::Error::custom(format!("messages must be from 0 to {most}")))
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    read(deserializer, "bytes", &SIZE)
}

fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    read(deserializer, "age", &TIME)
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
            let said = warning(prefix).expect(prefix);
            assert!(said.contains(&format!("{prefix:?}")) && said.contains(&format!("{meant:?}")), "{said}");
        }
        for prefix in ["", "a", "a/", "chat/room-1.2_3:x@y"] {
            assert_eq!(warning(prefix), None);
        }
    }
}
