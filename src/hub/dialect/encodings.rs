//! A published message as each dialect has it.

use std::sync::OnceLock;

use super::Dialect;
use crate::worker::PreparedMessage;

/// A message, encoded at most once for each dialect. All subscribers share the encodings.
#[derive(Debug)]
pub(crate) struct Encodings {
    published: PreparedMessage,
    /// By the number of the dialect, of which [`Dialect::Raw`] is the first and has none.
    others: [OnceLock<PreparedMessage>; Dialect::COUNT - 1],
}

impl Encodings {
    pub(crate) const fn new(published: PreparedMessage) -> Self {
        Self { published, others: [const { OnceLock::new() }; Dialect::COUNT - 1] }
    }

    /// The message as it was published.
    pub(crate) const fn published(&self) -> &PreparedMessage {
        &self.published
    }

    /// The message in a dialect. `encode` makes that of what was published, once: a worker that needs it meanwhile waits.
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
