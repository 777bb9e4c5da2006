//! What a published message begins with: its topic, its sequence number and its planned time.

use std::fmt;

use rustix::time::{ClockId, clock_gettime};

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

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, sequence, planned } = self;
        write!(f, "{topic:08x}{sequence:08x}{planned:016x}")
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

    #[test]
    fn what_is_no_stamp_is_none() {
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
