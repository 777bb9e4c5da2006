//! Positions of messages in a topic: offset and epoch.

use std::fmt;

/// The position of a message in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The offset: 1 for the topic's first message, incremented by 1 for each further message. 0 is the position before the first message.
    pub offset: u64,
    /// The epoch in which the offset counts.
    pub epoch: Epoch,
}

/// Identifies one lifetime of a topic. When a topic has been removed and is created again, or the server has restarted, its offsets count
/// from 1 again in a new epoch. The text form is two hexadecimal numbers, as in `5f0c2ab4-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// Number of the server's run, drawn at random at its start.
    pub(crate) run: u32,
    /// Number of the topic's lifetime in this run. It differs from the serials of all earlier topics of the same name that have had
    /// messages.
    pub(crate) serial: u32,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.run, self.serial)
    }
}

impl std::str::FromStr for Epoch {
    type Err = ParseEpochError;

    fn from_str(text: &str) -> Result<Self, ParseEpochError> {
        let (run, serial) = text.split_once('-').ok_or(ParseEpochError)?;
        let number = |digits: &str| u32::from_str_radix(digits, 16).map_err(|_| ParseEpochError);
        Ok(Self { run: number(run)?, serial: number(serial)? })
    }
}

/// The error of parsing an [`Epoch`]: the text does not have its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseEpochError;

impl fmt::Display for ParseEpochError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an epoch is what the server gave as one")
    }
}

impl std::error::Error for ParseEpochError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_comes_back_from_its_text() {
        for epoch in [Epoch { run: 0, serial: 0 }, Epoch { run: u32::MAX, serial: 77 }] {
            assert_eq!(epoch.to_string().parse(), Ok(epoch));
        }
        for wrong in ["", "-", "5", "x-1", "1-x", "1-2-3", "123456789-1"] {
            assert_eq!(wrong.parse::<Epoch>(), Err(ParseEpochError), "{wrong}");
        }
    }
}
