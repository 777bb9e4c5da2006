//! The encodings of a published message, by dialect.

use std::sync::OnceLock;

use super::Dialect;
use crate::worker::PreparedMessage;

/// A message, encoded at most once for each dialect. All subscribers share its encodings.
#[derive(Debug)]
pub(crate) struct Encodings {
    published: PreparedMessage,
    /// Encodings by the dialect's number minus 1: [`Dialect::Raw`] has number 0 and needs no encoding.
    others: [OnceLock<PreparedMessage>; Dialect::COUNT - 1],
}

impl Encodings {
    pub(crate) const fn new(published: PreparedMessage) -> Self {
        Self { published, others: [const { OnceLock::new() }; Dialect::COUNT - 1] }
    }

    /// Returns the message as it was published.
    pub(crate) const fn published(&self) -> &PreparedMessage {
        &self.published
    }

    /// Returns the message in a dialect. The first call for a dialect makes the encoding with `encode`; other workers wait for it
    /// meanwhile.
    pub(crate) fn get(
        &self,
        dialect: Dialect,
        encode: impl FnOnce(&PreparedMessage) -> PreparedMessage,
    ) -> &PreparedMessage {
        match dialect {
            Dialect::Raw => &self.published,
            other => self.others[usize::from(other.number()) - 1].get_or_init(|| encode(&self.published)),
        }
    }
}
