//! Batches of prepared messages: encoded and joined once, for any number of connections.

use super::prepared::PreparedMessage;
use crate::worker::table::ConflationKey;
use crate::ws::deflate::DeflateParams;

/// What happens to a message that does not fit the outbox of a connection, whose peer reads too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum SlowPolicy {
    /// The connection is closed with 1008.
    #[default]
    Close,
    /// The message is dropped.
    DropNewest,
    /// As many of the oldest messages that wait, of this policy and the next, are dropped as make room for it.
    DropOldest,
    /// While the kernel takes no more, only the latest message with each [key](Batch::new) waits: a new one takes the place of those before,
    /// whether there is room or not. Where that is not enough, the oldest are dropped.
    Conflate,
}

impl SlowPolicy {
    /// Whether messages that wait may be dropped.
    pub(in crate::worker) const fn drops_waiting(self) -> bool {
        matches!(self, Self::DropOldest | Self::Conflate)
    }
}

/// Messages that leave together, for any number of connections: encoded, joined and compressed once.
#[derive(Debug, Default)]
pub struct Batch {
    pub(in crate::worker) messages: Vec<PreparedMessage>,
    /// Bytes of their frames, uncompressed.
    bytes: usize,
    pub(in crate::worker) key: ConflationKey,
    pub(in crate::worker) policy: SlowPolicy,
    uncompressed: bool,
    /// All plain frames in a row, and all as those get them who have agreed on compression; empty until needed, and where there is
    /// but one message.
    plain: Vec<u8>,
    pub(in crate::worker) compressed: Vec<u8>,
}

impl Batch {
    /// An empty batch. `key` is a number below 2^32 - 1 that the application chooses. [`SlowPolicy::Conflate`] keeps the latest of the messages
    /// with the same key, which may be the number of a topic.
    #[must_use]
    pub fn new(key: u32, policy: SlowPolicy) -> Self {
        Self { key: ConflationKey::new(key), policy, ..Self::default() }
    }

    /// Leaves its messages uncompressed.
    #[must_use]
    pub const fn uncompressed(mut self) -> Self {
        self.uncompressed = true;
        self
    }

    /// Treats slow connections in another way.
    #[must_use]
    pub const fn with_policy(mut self, policy: SlowPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Adds a message.
    pub fn add(&mut self, message: PreparedMessage) {
        self.plain.clear();
        self.compressed.clear();
        self.bytes += message.plain().len();
        self.messages.push(message);
    }

    /// How many messages it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of its frames, uncompressed.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All plain frames in a row.
    #[inline]
    pub(in crate::worker) fn plain(&mut self) -> &[u8] {
        if self.messages.len() > 1 && self.plain.is_empty() {
            self.join_plain();
        }
        match &self.messages[..] {
            [only] => only.plain(),
            _ => &self.plain,
        }
    }

    #[cold]
    fn join_plain(&mut self) {
        self.messages.iter().for_each(|message| self.plain.extend_from_slice(message.plain()));
    }

    /// What a connection gets of it that has agreed on these params.
    #[inline]
    pub(in crate::worker) const fn form(&self, params: DeflateParams) -> Form {
        match params {
            params if self.uncompressed || !params.is_negotiated() => Form::Plain,
            params if !params.server_context_takeover() => Form::Compressed,
            // What is dropped must not have been compressed: later messages would refer to what never came.
            _ if self.policy.drops_waiting() => Form::Plain,
            _ => Form::Remembered,
        }
    }
}

/// What became of a batch that was pushed to a connection. The numbers are of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Handed to the kernel, or waiting to be.
    pub taken: u32,
    /// Messages of the batch that were dropped, because the policy says so.
    pub dropped: u32,
    /// Earlier messages that were dropped to make room, or replaced by these.
    pub displaced: u32,
    /// Messages of the batch for which there is no connection any more: it was gone, was lost, or has been closed for this.
    pub undelivered: u32,
}

/// What a connection gets of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Form {
    Plain,
    /// Each message compressed where that made it smaller.
    Compressed,
    /// As [`Compressed`](Self::Compressed), and the connection remembers what it was sent.
    Remembered,
}
