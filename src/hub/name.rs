//! Names of topics.

use std::fmt;
use std::sync::Arc;

/// Most bytes of a topic's name.
pub const MAX_TOPIC_NAME: usize = 255;

/// A topic's name, which has been checked.
pub(crate) type TopicName = Arc<str>;

/// Why a text is not a valid topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicNameError {
    /// The name has no characters.
    Empty,
    /// The name has more than [`MAX_TOPIC_NAME`] bytes.
    TooLong,
    /// The name has a control character, `+` or `#`. The characters `+` and `#` are reserved for wildcards.
    Forbidden,
    /// The name is `.` or `..`, or has one of them between slashes. Browsers, curl and proxies remove dot segments from URLs (RFC 3986,
    /// section 5.2.4), so that a message or a subscription would reach another topic.
    DotSegment,
}

/// Checks that a text is a valid topic name: 1 to 255 bytes of UTF-8 without control characters, `+` and `#`, and neither `.` nor `..` nor
/// one of these between slashes.
///
/// # Errors
/// Returns why the text is not a valid topic name.
pub fn check_topic_name(name: &str) -> Result<(), TopicNameError> {
    match name.len() {
        0 => return Err(TopicNameError::Empty),
        1..=MAX_TOPIC_NAME => {}
        _ => return Err(TopicNameError::TooLong),
    }
    let is_forbidden = |char: char| char.is_control() || matches!(char, '+' | '#');
    if name.chars().any(is_forbidden) {
        return Err(TopicNameError::Forbidden);
    }
    if name.split('/').any(|segment| matches!(segment, "." | "..")) {
        Err(TopicNameError::DotSegment)
    } else {
        Ok(())
    }
}

impl TopicNameError {
    /// Returns a description of the error.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Empty => "a topic's name has at least one character",
            Self::TooLong => "a topic's name has at most 255 bytes",
            Self::Forbidden => "a topic's name has no control characters, + or #",
            Self::DotSegment => {
                "a topic's name is not . or .. and has neither between slashes: URLs lose them"
            }
        }
    }
}

impl fmt::Display for TopicNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

impl std::error::Error for TopicNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_length_and_no_characters_that_mean_something_else() {
        for good in [
            "a",
            "news/sport",
            "Zürich 🚆",
            &"x".repeat(MAX_TOPIC_NAME),
            " ",
            "a//b",
            "$x",
            "...",
            "a/.b/b../c.d",
        ] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        assert_eq!(check_topic_name(""), Err(TopicNameError::Empty));
        assert_eq!(check_topic_name(&"x".repeat(MAX_TOPIC_NAME + 1)), Err(TopicNameError::TooLong));
        for bad in ["a+", "#", "a\nb", "\0", "a\u{85}"] {
            assert_eq!(check_topic_name(bad), Err(TopicNameError::Forbidden), "{bad:?}");
        }
        for bad in [".", "..", "a/..", "../a", "a/./b", "/."] {
            assert_eq!(check_topic_name(bad), Err(TopicNameError::DotSegment), "{bad:?}");
        }
    }
}
