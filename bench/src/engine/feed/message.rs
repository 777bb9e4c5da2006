//! A published message: its topic, its sequence number and its planned time, and letters drawn from the seed.

use rustix::time::{ClockId, clock_gettime};

use super::Feed;

/// Bytes of what every message begins with.
const STAMP: usize = 32;
/// Bytes of the smallest message.
pub(crate) const SMALLEST: usize = STAMP;

/// What a message tells of itself: hexadecimal digits, so that it may be text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) topic: u32,
    pub(super) sequence: u32,
    /// When it was to be published, as [`now_nanos`] counts.
    pub(super) planned: u64,
}

/// Nanoseconds of `CLOCK_MONOTONIC` (clock_gettime(2)), which is one clock for all processes of a machine.
pub(crate) fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + nanos.unwrap_or(0)
}

impl Stamp {
    /// Reads what a payload begins with.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let digits = payload.get(..STAMP)?;
        let (topic, sequence) = (hexadecimal(&digits[..8])?, hexadecimal(&digits[8..16])?);
        Some(Self {
            topic: u32::try_from(topic).ok()?,
            sequence: u32::try_from(sequence).ok()?,
            planned: hexadecimal(&digits[16..])?,
        })
    }
}

impl Feed {
    /// The message of a topic with this sequence number, to be published at `planned` ([`now_nanos`]): text.
    pub(crate) fn message(&self, topic: u32, sequence: u32, planned: u64) -> String {
        let rest = String::from_utf8_lossy(self.rest(topic, sequence));
        format!("{topic:08x}{sequence:08x}{planned:016x}{rest}")
    }

    /// What follows the stamp.
    pub(super) fn rest(&self, topic: u32, sequence: u32) -> &[u8] {
        self.pattern.message(topic as usize, u64::from(sequence))
    }
}

/// Lower-case digits, at most 16 of them.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value: u64, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::feed::FeedPlan;

    #[test]
    fn a_message_tells_what_it_is() {
        for size in [SMALLEST, 100] {
            let plan = FeedPlan { topics: 9, size, in_flight: 1, deaf_every: None, seed: 5 };
            let feed = Feed::new(plan);
            let message = feed.message(7, u32::MAX, u64::MAX - 1);
            assert_eq!(message.len(), size);
            assert!(message.is_ascii());
            let stamp = Stamp { topic: 7, sequence: u32::MAX, planned: u64::MAX - 1 };
            assert_eq!(Stamp::read(message.as_bytes()), Some(stamp));
            assert_eq!(message.as_bytes()[STAMP..], *feed.rest(7, u32::MAX));
        }
        assert_eq!(Stamp::read(&[b'0'; STAMP - 1]), None);
        assert_eq!(Stamp::read(b"0000000A000000010000000000000001"), None);
        assert_eq!(Stamp::read(b"+0000001000000010000000000000001"), None);
    }

    #[test]
    fn the_clock_moves_on() {
        let before = now_nanos();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!((2_000_000..60_000_000_000).contains(&(now_nanos() - before)));
    }
}
