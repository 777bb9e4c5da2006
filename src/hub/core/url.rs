//! Topics in the target of a request.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::http::{Refusal, Status};
use crate::hub::dialect::Dialect;
use crate::hub::name::{TopicName, check_topic_name};

/// The path that precedes the names of topics in URLs: `/topics/` by default. With `/`, every path except `/` is a topic.
///
/// Parse it from a text of at most 255 bytes that begins and ends with a slash, and has no characters that URLs escape:
/// `"/live/".parse::<TopicsPath>()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicsPath(Box<str>);

/// Most bytes of a [`TopicsPath`].
const MAX_PATH: usize = 255;

/// Number of topics in a URL up to which duplicates are found by a linear search; for more topics, a hash set finds them.
const LINEAR_SEARCH_MAX: usize = 16;

impl Default for TopicsPath {
    fn default() -> Self {
        Self("/topics/".into())
    }
}

impl fmt::Display for TopicsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicsPath {
    type Err = ParseTopicsPathError;

    fn from_str(text: &str) -> Result<Self, ParseTopicsPathError> {
        // Characters that a client may percent-encode, and characters that end a path, would never match.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*,;=:@".contains(&byte);
        let is_path = text.len() <= MAX_PATH && text.starts_with('/') && text.ends_with('/');
        if is_path && text.bytes().all(is_plain) { Ok(Self(text.into())) } else { Err(ParseTopicsPathError) }
    }
}

/// The error of parsing a [`TopicsPath`]: the text does not have its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseTopicsPathError;

impl fmt::Display for ParseTopicsPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "write a path that begins and ends with a slash, as in /topics/ or /, of at most {MAX_PATH} characters that URLs have \
             without an escape"
        )
    }
}

impl std::error::Error for ParseTopicsPathError {}

/// Returns the topics in a path and a query, without duplicates. A client whose dialect has requests need not name a topic, and may connect
/// with any path.
///
/// # Errors
/// Returns the refusal to answer with: 404 for an unknown path, 400 for names that are not valid and for more than `max_topics` topics.
pub(crate) fn topics_in_url(
    path: &str,
    query: Option<&str>,
    topics_path: &TopicsPath,
    dialect: Dialect,
    max_topics: usize,
) -> Result<Vec<TopicName>, Refusal> {
    let mut topics = UniqueTopics::default();
    match path.strip_prefix(&*topics_path.0) {
        Some("") if dialect.has_requests() || path == "/" => {}
        Some(name) => {
            let name = percent_decode_str(name).decode_utf8();
            let name = name.map_err(|_| Refusal::new(Status::BAD_REQUEST, "the topic is not UTF-8"))?;
            topics.add(name, max_topics)?;
        }
        None if dialect.has_requests() || path == "/" => {}
        None => {
            let detail = "this path names no topic: use topics-path, as in /topics/NAME, or /?topic=NAME, or speak the subprotocol throng.v1 at any path";
            return Err(Refusal::new(Status::NOT_FOUND, detail));
        }
    }
    for pair in query.unwrap_or("").split('&') {
        if let Some(value) = pair.strip_prefix("topic=") {
            let spaced = value.replace('+', " ");
            let name = percent_decode_str(&spaced).decode_utf8();
            let name = name.map_err(|_| Refusal::new(Status::BAD_REQUEST, "a topic is not UTF-8"))?;
            topics.add(name, max_topics)?;
        }
    }
    Ok(topics.all)
}

/// A list of topics without duplicates.
#[derive(Default)]
struct UniqueTopics {
    all: Vec<TopicName>,
    /// All topics as a set, if there are more than [`LINEAR_SEARCH_MAX`].
    set: HashSet<TopicName>,
}

impl UniqueTopics {
    fn add(&mut self, name: Cow<'_, str>, max_topics: usize) -> Result<(), Refusal> {
        check_topic_name(&name).map_err(|error| Refusal::new(Status::BAD_REQUEST, error.describe()))?;
        if self.has(&name) {
            return Ok(());
        }
        if self.all.len() == max_topics {
            return Err(Refusal::new(
                Status::BAD_REQUEST,
                "the URL names more topics than a client may subscribe to",
            ));
        }
        let name = TopicName::from(name);
        if self.all.len() >= LINEAR_SEARCH_MAX {
            if self.set.is_empty() {
                self.set.extend(self.all.iter().cloned());
            }
            self.set.insert(TopicName::clone(&name));
        }
        self.all.push(name);
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        if self.set.is_empty() {
            self.all.iter().any(|topic| **topic == *name)
        } else {
            self.set.contains(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(at: &str, dialect: Dialect, path: &str, query: Option<&str>) -> Result<Vec<String>, u16> {
        let topics = topics_in_url(path, query, &at.parse().unwrap(), dialect, 3);
        let topics = topics.map_err(|refusal| refusal.status().get())?;
        Ok(topics.iter().map(ToString::to_string).collect())
    }

    fn topics(path: &str, query: Option<&str>) -> Result<Vec<String>, u16> {
        ask("/topics/", Dialect::Raw, path, query)
    }

    #[test]
    fn names_come_from_path_and_query() {
        let cases: [(&str, Option<&str>, &[&str]); 6] = [
            ("/topics/news", None, &["news"]),
            ("/topics/news/sport%20%C3%BC", None, &["news/sport ü"]),
            ("/", Some("topic=a&topic=b+c&topic=a"), &["a", "b c"]),
            ("/topics/a", Some("topic=b&topic=c"), &["a", "b", "c"]),
            ("/", None, &[]),
            ("/", Some("topics=a&atopic=b"), &[]),
        ];
        for (path, query, expected) in cases {
            assert_eq!(topics(path, query), Ok(expected.iter().map(ToString::to_string).collect()), "{path}");
        }
    }

    #[test]
    fn urls_without_a_valid_topic_are_refused() {
        for (path, query) in [
            ("/topics/", None),
            ("/topics/%ff", None),
            ("/topics/a%00", None),
            ("/topics/a+b", None),
            ("/topics/a/%2E%2e/b", None),
            ("/", Some("topic=..")),
            ("/", Some("topic=")),
            ("/", Some("topic=%23")),
            ("/", Some("topic=%ff")),
            ("/", Some("topic=a&topic=b&topic=c&topic=d")),
        ] {
            assert_eq!(topics(path, query), Err(400), "{path} {query:?}");
        }
        for path in ["/topics", "/other", "/topicsx/a"] {
            assert_eq!(topics(path, None), Err(404), "{path}");
        }
    }

    #[test]
    fn many_topics_are_found_by_their_names() {
        const MANY: usize = 50_000;
        let query: String = (0..2 * MANY).map(|at| format!("topic={}&", at % MANY)).collect();
        let start = std::time::Instant::now();
        let found = |most| topics_in_url("/", Some(&query), &TopicsPath::default(), Dialect::Raw, most);
        let topics = found(MANY).unwrap();
        assert!(
            topics.len() == MANY && topics.iter().enumerate().all(|(at, topic)| **topic == *at.to_string())
        );
        assert!(found(MANY - 1).is_err());
        // A linear search takes a minute.
        assert!(start.elapsed().as_secs() < 15, "{:?}", start.elapsed());
    }

    #[test]
    fn throng_v1_is_spoken_at_any_path() {
        for path in ["/", "/live", "/topics", "/topics/", "/a/b/", "/%ff"] {
            assert_eq!(ask("/topics/", Dialect::ThrongV1, path, None), Ok(vec![]), "{path}");
        }
        let named = ask("/topics/", Dialect::ThrongV1, "/live", Some("x=y&topic=a"));
        assert_eq!(named, Ok(vec!["a".into()]));
        assert_eq!(ask("/topics/", Dialect::ThrongV1, "/topics/a", None), Ok(vec!["a".into()]));
        // A path or a query that names a topic must name a valid one.
        assert_eq!(ask("/topics/", Dialect::ThrongV1, "/topics/%ff", None), Err(400));
    }

    #[test]
    fn the_topics_path_precedes_names_of_topics() {
        let cases = [
            ("/ws/t/", "/ws/t/a/b", Ok(vec!["a/b".into()])),
            ("/ws/t/", "/topics/a", Err(404)),
            ("/ws/t/", "/", Ok(vec![])),
            ("/ws/t/", "/ws/t/", Err(400)),
            ("/", "/a/b", Ok(vec!["a/b".into()])),
            ("/", "/", Ok(vec![])),
        ];
        for (at, path, expected) in cases {
            assert_eq!(ask(at, Dialect::Raw, path, None), expected, "{at} {path}");
        }
        assert_eq!(ask("/", Dialect::ThrongV1, "/live", None), Ok(vec!["live".into()]));
        for wrong in ["", "topics/", "/topics", "/a b/", "/a?/", "/%41/", "/é/", "/a#/"] {
            assert_eq!(wrong.parse::<TopicsPath>(), Err(ParseTopicsPathError), "{wrong}");
        }
        let longest = format!("/{}/", "x".repeat(MAX_PATH - 2));
        assert_eq!(longest.parse::<TopicsPath>().map(|path| path.to_string()), Ok(longest.clone()));
        assert_eq!(format!("/x{longest}").parse::<TopicsPath>(), Err(ParseTopicsPathError));
    }
}
