//! What the floor sends to many: frames made once, and who gets them.

use throng::ws::{Opcode, encode};

/// The beginning of a line that has messages sent.
const SEND: &str = "send\t";
/// What tells the parts of such a line apart.
const BETWEEN: char = '\t';

/// Messages to all connections of a topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cast {
    pub(super) topic: u32,
    /// Their frames, one behind the other: they leave in one system call.
    pub(super) frames: Vec<u8>,
}

/// The line that has these messages sent to a topic. There is no tab and no end of a line in them.
pub(crate) fn line(topic: u32, messages: &[String]) -> String {
    format!("{SEND}{topic}{BETWEEN}{}\n", messages.join("\t"))
}

/// Reads such a line; `None` for another one.
pub(super) fn parse(line: &str) -> Option<Cast> {
    let (topic, messages) = line.strip_prefix(SEND)?.split_once(BETWEEN)?;
    let mut frames = Vec::new();
    for message in messages.split(BETWEEN) {
        encode::frame(&mut frames, Opcode::Text, message.as_bytes(), None);
    }
    Some(Cast { topic: topic.parse().ok()?, frames })
}

/// The topic of a request: the number at the end of its path, 0 without one.
pub(super) fn topic(request: &[u8]) -> u32 {
    let path = request.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let digits = path.rsplit(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The connections that get what is sent, by topic.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    /// Descriptors by topic.
    of_topic: Vec<Vec<u32>>,
    /// Each descriptor's topic, and its place there.
    topic_of: Vec<Option<(u32, u32)>>,
}

impl Subscribers {
    pub(super) fn add(&mut self, at: usize, topic: u32) {
        if self.topic_of.len() <= at {
            self.topic_of.resize(at + 1, None);
        }
        if self.of_topic.len() <= topic as usize {
            self.of_topic.resize_with(topic as usize + 1, Vec::new);
        }
        let all = &mut self.of_topic[topic as usize];
        self.topic_of[at] = Some((topic, narrow(all.len())));
        all.push(narrow(at));
    }

    pub(super) fn remove(&mut self, at: usize) {
        let Some((topic, place)) = self.topic_of.get_mut(at).and_then(Option::take) else { return };
        let all = &mut self.of_topic[topic as usize];
        all.swap_remove(place as usize);
        if let Some(&moved) = all.get(place as usize) {
            self.topic_of[moved as usize] = Some((topic, place));
        }
    }

    pub(super) fn of(&self, topic: u32) -> &[u32] {
        self.of_topic.get(topic as usize).map_or(&[], Vec::as_slice)
    }
}

/// Descriptors, and so their number, are far below 2^32.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let messages = ["first".to_owned(), "second".to_owned()];
        let mut frames = Vec::new();
        messages
            .iter()
            .for_each(|message| encode::frame(&mut frames, Opcode::Text, message.as_bytes(), None));
        assert_eq!(parse(line(7, &messages).trim_end()), Some(Cast { topic: 7, frames }));
        for other in ["stats", "send", "send\t7", "send\tx\tfirst"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_topic_is_the_number_at_the_end_of_a_path() {
        for (request, expected) in [
            (&b"GET /topics/t-17 HTTP/1.1\r\nHost: 1"[..], 17),
            (b"GET / HTTP/1.1\r\n", 0),
            (b"GET /topics/t-99999999999 HTTP/1.1\r\n", 0),
            (b"", 0),
        ] {
            assert_eq!(topic(request), expected);
        }
    }

    #[test]
    fn who_has_gone_gets_nothing() {
        let mut subscribers = Subscribers::default();
        for (at, topic) in [(3, 0), (5, 2), (9, 0)] {
            subscribers.add(at, topic);
        }
        subscribers.remove(3);
        subscribers.remove(4);
        subscribers.add(11, 0);
        subscribers.remove(9);
        subscribers.add(9, 0);
        subscribers.remove(11);
        assert_eq!(
            (subscribers.of(0), subscribers.of(1), subscribers.of(2), subscribers.of(7)),
            (&[9][..], &[][..], &[5][..], &[][..])
        );
    }
}
