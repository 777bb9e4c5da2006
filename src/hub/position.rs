//! Where in a topic's life a message stands.

use std::fmt;

/// Where in a topic's life a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// 1 for the first message, one more for each after it; 0 before the first.
    pub offset: u64,
    /// Which of the topics that have had the name it is.
    pub epoch: Epoch,
}

/// Tells topics of one name apart: where one has gone and come back, or the server was started anew, its offsets count from 1
/// again, and this is another one. Its text form is two hexadecimal numbers, as in `5f0c2ab4-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// Drawn at random when the server was started.
    pub(crate) run: u32,
    /// Another one than that of each topic which had the name before and has had messages.
    pub(crate) serial: u32,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.run, self.serial)
    }
}

impl std::str::FromStr for Epoch {
    type Err = NoEpoch;

    fn from_str(text: &str) -> Result<Self, NoEpoch> {
        let (run, serial) = text.split_once('-').ok_or(NoEpoch)?;
        let number = |digits: &str| u32::from_str_radix(digits, 16).map_err(|_| NoEpoch);
        Ok(Self { run: number(run)?, serial: number(serial)? })
    }
}

/// A text is no [`Epoch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEpoch;

impl fmt::Display for NoEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an epoch is what the server gave as one")
    }
}

impl std::error::Error for NoEpoch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_comes_back_from_its_text() {
        for epoch in [Epoch { run: 0, serial: 0 }, Epoch { run: u32::MAX, serial: 77 }] {
            assert_eq!(epoch.to_string().parse(), Ok(epoch));
        }
        for wrong in ["", "-", "5", "x-1", "1-x", "1-2-3", "123456789-1"] {
            assert_eq!(wrong.parse::<Epoch>(), Err(NoEpoch), "{wrong}");
        }
    }
}
