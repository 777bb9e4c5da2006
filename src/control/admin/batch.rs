//! Many messages in one request: `{"messages":[{"topic":"a","data":"x"},{"topics":["b","c"],"base64":"AAE="}]}`.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use throng::{Message, PreparedMessage};

use super::problem::Problem;

/// Most messages of a batch. A message to several topics counts once for each.
const MAX_MESSAGES: usize = 1000;

/// A batch whose form is valid.
#[derive(Debug)]
pub(super) struct BatchRequest {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    topics: Vec<String>,
    message: PreparedMessage,
}

#[derive(Deserialize)]
struct RawBatch {
    #[serde(deserialize_with = "bounded")]
    messages: Vec<RawEntry>,
}

#[derive(Deserialize)]
struct RawEntry {
    topic: Option<String>,
    #[serde(default)]
    topics: Option<Bounded>,
    data: Option<String>,
    base64: Option<String>,
}

/// A list that is refused before it takes much memory.
#[derive(Deserialize)]
struct Bounded(#[serde(deserialize_with = "bounded")] Vec<String>);

impl BatchRequest {
    /// Parses a batch. Ignores unknown members.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let raw: RawBatch = serde_json::from_slice(bytes)
            .map_err(|error| Problem::bad_request(format!("this is no batch: {error}")))?;
        let entries: Result<Vec<Entry>, Problem> = raw
            .messages
            .into_iter()
            .enumerate()
            .map(|(number, raw)| {
                raw.check().map_err(|what| Problem::bad_request(format!("messages[{number}]: {what}")))
            })
            .collect();
        let batch = Self { entries: entries? };
        let count = batch.entries().count();
        if count > MAX_MESSAGES {
            return Err(Problem::bad_request(format!("{count} messages are more than {MAX_MESSAGES}")));
        }
        Ok(batch)
    }

    /// Returns each message with each of its topics, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &PreparedMessage)> {
        self.entries
            .iter()
            .flat_map(|entry| entry.topics.iter().map(|topic| (topic.as_str(), &entry.message)))
    }
}

impl RawEntry {
    fn check(self) -> Result<Entry, String> {
        let topics = match (self.topic, self.topics) {
            (Some(topic), None) => vec![topic],
            (None, Some(Bounded(topics))) if !topics.is_empty() => topics,
            _ => return Err("it needs either a topic, or topics, of which there is at least one".into()),
        };
        let message = match (self.data, self.base64) {
            (Some(text), None) => PreparedMessage::new(Message::Text(&text)),
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text).map_err(|error| format!("base64: {error}"))?;
                PreparedMessage::new(Message::Binary(&bytes))
            }
            _ => return Err("it needs either data or base64".into()),
        };
        Ok(Entry { topics, message })
    }
}

/// Reads a list of at most [`MAX_MESSAGES`] elements.
fn bounded<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Elements<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_MESSAGES}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element()? {
                if list.len() == MAX_MESSAGES {
                    return Err(A::Error::custom(format!("there are more than {MAX_MESSAGES}")));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(Elements(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        format!("{:?}", BatchRequest::parse(text.as_bytes()).unwrap_err())
    }

    #[test]
    fn messages_go_to_each_of_their_topics_in_order() {
        let text =
            r#"{"more":1,"messages":[{"topic":"a","data":"x","id":7},{"topics":["b","a"],"base64":"AAE="}]}"#;
        let batch = BatchRequest::parse(text.as_bytes()).unwrap();
        let entries: Vec<_> = batch.entries().map(|(topic, message)| (topic, message.payload())).collect();
        assert_eq!(entries, [("a", &b"x"[..]), ("b", &[0, 1]), ("a", &[0, 1])]);
        let places: Vec<_> = batch.entries().map(|(_, message)| message.payload().as_ptr()).collect();
        assert!(
            places[0] != places[1] && places[1] == places[2],
            "a message to several topics is there once"
        );
        assert_eq!(BatchRequest::parse(br#"{"messages":[]}"#).unwrap().entries().count(), 0);
    }

    #[test]
    fn what_is_no_batch_is_told_where() {
        for (text, said) in [
            ("", "this is no batch: EOF"),
            ("[]", "this is no batch"),
            ("{}", "missing field `messages`"),
            (r#"{"messages":{}}"#, "a list of at most 1000"),
            (r#"{"messages":[{"data":"x"}]}"#, "messages[0]: it needs either a topic"),
            (r#"{"messages":[{"topics":[],"data":"x"}]}"#, "messages[0]: it needs either a topic"),
            (
                r#"{"messages":[{"topic":"a","topics":["b"],"data":"x"}]}"#,
                "messages[0]: it needs either a topic",
            ),
            (r#"{"messages":[{"topic":"a","data":""},{"topic":"a"}]}"#, "messages[1]: it needs either data"),
            (r#"{"messages":[{"topic":"a","data":"","base64":""}]}"#, "messages[0]: it needs either data"),
            (r#"{"messages":[{"topic":"a","base64":"?"}]}"#, "messages[0]: base64: "),
        ] {
            let complaint = complaint(text);
            assert!(complaint.contains(said), "{text}: {complaint}");
        }
    }

    #[test]
    fn a_batch_has_a_thousand_messages_at_most() {
        let batch = |messages: usize, topics: usize| {
            let topics = vec![r#""t""#; topics].join(",");
            let message = format!(r#"{{"topics":[{topics}],"data":""}}"#);
            format!(r#"{{"messages":[{}]}}"#, vec![message; messages].join(","))
        };
        for (messages, topics) in [(1000, 1), (1, 1000), (10, 100)] {
            assert!(BatchRequest::parse(batch(messages, topics).as_bytes()).is_ok());
        }
        for (messages, topics) in [(1001, 1), (1, 1001)] {
            assert!(complaint(&batch(messages, topics)).contains("there are more than 1000"));
        }
        assert!(complaint(&batch(11, 91)).contains("1001 messages are more than 1000"));
    }
}
