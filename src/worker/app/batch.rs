//! Batches of prepared messages: encoded and joined once, for any number of connections.

use super::prepared::PreparedMessage;
use crate::worker::table::ConflationKey;
use crate::ws::deflate::DeflateParams;

/// What happens to a message that does not fit the outbox of a connection, because the peer reads too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum SlowPolicy {
    /// The server closes the connection with 1008.
    #[default]
    Close,
    /// The server drops the new message.
    DropNewest,
    /// The server drops as many of the oldest waiting messages as make room for the new one. It drops only messages pushed with this policy
    /// or with [`Conflate`](Self::Conflate).
    DropOldest,
    /// While the kernel takes no more, only the latest message with each [key](Batch::new) waits: a new message replaces earlier ones with
    /// its key, whether there is room or not. Where that does not make enough room, the server drops the oldest.
    Conflate,
}

impl SlowPolicy {
    /// Returns whether queued messages may be dropped.
    pub(in crate::worker) const fn drops_queued(self) -> bool {
        matches!(self, Self::DropOldest | Self::Conflate)
    }
}

/// Messages that leave together, for any number of connections. They are encoded, joined and compressed once.
#[derive(Debug, Default)]
pub struct Batch {
    pub(in crate::worker) messages: Vec<PreparedMessage>,
    /// Size of the uncompressed frames, in bytes.
    bytes: usize,
    pub(in crate::worker) key: ConflationKey,
    pub(in crate::worker) policy: SlowPolicy,
    is_uncompressed: bool,
    /// The concatenated uncompressed frames. `joined_compressed` has the frames for connections that negotiated compression. Both are empty
    /// until needed, and in a batch of a single message.
    joined: Vec<u8>,
    pub(in crate::worker) joined_compressed: Vec<u8>,
}

impl Batch {
    /// Makes an empty batch. `key` is a number below 2^32 - 1 that the application chooses, such as the number of a topic.
    /// [`SlowPolicy::Conflate`] keeps the latest message with each key.
    #[must_use]
    pub fn new(key: u32, policy: SlowPolicy) -> Self {
        Self { key: ConflationKey::new(key), policy, ..Self::default() }
    }

    /// Leaves the messages of this batch uncompressed.
    #[must_use]
    pub const fn uncompressed(mut self) -> Self {
        self.is_uncompressed = true;
        self
    }

    /// Sets the policy for slow connections.
    #[must_use]
    pub const fn with_policy(mut self, policy: SlowPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Appends a message.
    pub fn add(&mut self, message: PreparedMessage) {
        self.joined.clear();
        self.joined_compressed.clear();
        self.bytes += message.frame().len();
        self.messages.push(message);
    }

    /// Returns the number of messages in this batch.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns whether this batch has no messages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the size of the uncompressed frames, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the concatenated uncompressed frames.
    #[inline]
    pub(in crate::worker) fn uncompressed_bytes(&mut self) -> &[u8] {
        if self.messages.len() > 1 && self.joined.is_empty() {
            self.join_uncompressed();
        }
        match &self.messages[..] {
            [only] => only.frame(),
            _ => &self.joined,
        }
    }

    #[cold]
    fn join_uncompressed(&mut self) {
        self.messages.iter().for_each(|message| self.joined.extend_from_slice(message.frame()));
    }

    /// Returns the form of this batch for a connection that negotiated these parameters.
    #[inline]
    pub(in crate::worker) const fn form(&self, params: DeflateParams) -> Form {
        match params {
            params if self.is_uncompressed || !params.is_negotiated() => Form::Uncompressed,
            params if !params.server_context_takeover() => Form::Compressed,
            // A dropped message must not have been compressed with context takeover: later messages would refer to bytes that the client
            // never got.
            _ if self.policy.drops_queued() => Form::Uncompressed,
            _ => Form::WithContext,
        }
    }
}

/// What happened to a batch that was pushed to a connection. All fields count messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pushed {
    /// Messages that were handed to the kernel, or that wait in the outbox.
    pub taken: u32,
    /// Messages of the batch that were dropped by its policy.
    pub dropped: u32,
    /// Earlier messages that were dropped to make room, or replaced by messages of the batch.
    pub displaced: u32,
    /// Messages of the batch without an open connection: it was closed or lost before, or was closed because of this push.
    pub undelivered: u32,
}

/// The form in which a connection gets a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Form {
    Uncompressed,
    /// Each message is compressed where that made it smaller.
    Compressed,
    /// Compressed like [`Compressed`](Self::Compressed), with context takeover: each message is added to the connection's window.
    WithContext,
}
