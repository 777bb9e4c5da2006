//! A message of a topic, in the forms that subscribers get it in.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::freight::Freight;
use super::name::{MAX_TOPIC, Name};
use super::v1;
use crate::worker::PreparedMessage;

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

/// A published message with its place, shared by its topic's history and all workers that have subscribers.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) topic: Name,
    /// The name's hash, by which workers find the topic.
    pub(crate) hash: u64,
    pub(crate) offset: u64,
    /// As it was published, for those who subscribed by URL.
    pub(crate) bare: PreparedMessage,
    /// As `throng.v1` has it: made by the first worker with such a subscriber.
    v1: OnceLock<PreparedMessage>,
    /// What it counts among the messages under way; `None` for what a history gives.
    freight: Option<Freight>,
}

impl Item {
    pub(crate) const fn new(
        topic: Name,
        hash: u64,
        offset: u64,
        bare: PreparedMessage,
        freight: Option<Freight>,
    ) -> Self {
        Self { topic, hash, offset, bare, v1: OnceLock::new(), freight }
    }

    pub(crate) fn v1(&self) -> &PreparedMessage {
        self.v1
            .get_or_init(|| counted(v1::message(&self.topic, self.offset, &self.bare), self.freight.as_ref()))
    }

    /// As a subscriber gets it, who speaks `throng.v1` or not.
    pub(crate) fn form(&self, is_v1: bool) -> &PreparedMessage {
        if is_v1 { self.v1() } else { &self.bare }
    }

    /// Bytes of it, of which a form takes six times as many in an outbox at most.
    pub(crate) fn measure(&self) -> usize {
        measure(self.bytes())
    }

    /// Bytes of its payload.
    pub(crate) fn bytes(&self) -> usize {
        self.bare.payload().len()
    }
}

/// What a message's place counts beside its payload and its topic's name.
const PLACE: usize = 32;

/// Bytes of a message with so many in its payload, of which a form takes six times as many in an outbox at most.
pub(crate) const fn measure(payload: usize) -> usize {
    payload + MAX_TOPIC + PLACE
}

/// A message to all connections, of no topic.
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) bare: PreparedMessage,
    v1: OnceLock<PreparedMessage>,
    freight: Freight,
}

impl Announcement {
    pub(crate) fn new(bare: PreparedMessage, freight: Freight) -> Arc<Self> {
        Arc::new(Self { bare, v1: OnceLock::new(), freight })
    }

    pub(crate) fn v1(&self) -> &PreparedMessage {
        self.v1.get_or_init(|| counted(v1::broadcast(&self.bare), Some(&self.freight)))
    }
}

/// A form that was made of a message under way, which counts with it.
fn counted(form: PreparedMessage, freight: Option<&Freight>) -> PreparedMessage {
    if let Some(freight) = freight {
        freight.grow(form.payload().len());
    }
    form
}

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
