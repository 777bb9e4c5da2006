//! The topics that a request's target names.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::name::{Name, check_name};
use crate::http::{Refusal, Status};

const TOPICS: &str = "/topics/";

/// The topics in a path and a query, each once.
///
/// # Errors
/// The refusal to answer with: 404 for a path that leads nowhere, 400 for names that are none and more topics than `most`.
pub(crate) fn topics_of(path: &str, query: Option<&str>, most: usize) -> Result<Vec<Name>, Refusal> {
    let mut topics: Vec<Name> = Vec::new();
    match path.strip_prefix(TOPICS) {
        Some(name) => {
            let name = percent_decode_str(name).decode_utf8();
            add(
                &mut topics,
                name.map_err(|_| Refusal::new(Status::BAD_REQUEST, "the topic is not UTF-8"))?,
                most,
            )?;
        }
        None if path == "/" => {}
        None => return Err(Refusal::new(Status::NOT_FOUND, "topics are at /topics/NAME, or /?topic=NAME")),
    }
    for pair in query.unwrap_or("").split('&') {
        if let Some(value) = pair.strip_prefix("topic=") {
            let spaced = value.replace('+', " ");
            let name = percent_decode_str(&spaced).decode_utf8();
            let name = name.map_err(|_| Refusal::new(Status::BAD_REQUEST, "a topic is not UTF-8"))?;
            add(&mut topics, name, most)?;
        }
    }
    Ok(topics)
}

fn add(topics: &mut Vec<Name>, name: Cow<'_, str>, most: usize) -> Result<(), Refusal> {
    check_name(&name).map_err(|error| Refusal::new(Status::BAD_REQUEST, error.describe()))?;
    if topics.iter().any(|topic| **topic == *name) {
        return Ok(());
    }
    if topics.len() == most {
        return Err(Refusal::new(Status::BAD_REQUEST, "these are more topics than a client may have"));
    }
    topics.push(name.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(path: &str, query: Option<&str>) -> Result<Vec<String>, u16> {
        let topics = topics_of(path, query, 3).map_err(|refusal| refusal.status().get())?;
        Ok(topics.iter().map(ToString::to_string).collect())
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
    fn what_names_no_topic_is_refused() {
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
}
