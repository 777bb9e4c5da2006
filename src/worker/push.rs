//! Batches of prepared messages, pushed to one connection after the other.

use super::compression::MOST_BITS;
use super::core::{Flow, Worker};
use super::handler::Handler;
use super::mailbox::Frame;
use super::os::Os;
use super::outbox::{Lane, REFERENCE};
use super::prepared::PreparedMessage;
use super::record::{Flags, State};
use crate::budget::outbox_for;
use crate::ws::deflate::Terms;

/// What happens to a message that does not fit the outbox of a connection, whose peer reads too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SlowPolicy {
    /// The connection is closed with 1008.
    #[default]
    Close,
    /// The message is dropped.
    DropNewest,
    /// As many of the oldest messages that wait, of this policy and the next, are dropped as make room for it.
    DropOldest,
    /// While the kernel takes no more, only the latest message of each lane waits: a new one takes the place of those before, whether
    /// there is room or not. Where that is not enough, the oldest are dropped.
    Conflate,
}

impl SlowPolicy {
    /// Whether messages that wait may be dropped.
    const fn drops_waiting(self) -> bool {
        matches!(self, Self::DropOldest | Self::Conflate)
    }
}

/// Messages that leave together, for any number of connections: encoded, joined and compressed once.
#[derive(Debug, Default)]
pub struct Batch {
    messages: Vec<PreparedMessage>,
    /// Bytes of their frames, uncompressed.
    bytes: usize,
    lane: Lane,
    policy: SlowPolicy,
    uncompressed: bool,
    /// All plain frames in a row, and all as those get them who have agreed on compression; empty until needed, and where there is
    /// but one message.
    plain: Vec<u8>,
    compressed: Vec<u8>,
}

impl Batch {
    /// An empty batch. `lane` is a number below 2^32 - 1 of the application's, by which [`SlowPolicy::Conflate`] tells what belongs
    /// together: a topic, say.
    #[must_use]
    pub fn new(lane: u32, policy: SlowPolicy) -> Self {
        Self { lane: Lane::new(lane), policy, ..Self::default() }
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

    fn plain(&mut self) -> &[u8] {
        if let [only] = &self.messages[..] {
            return only.plain();
        }
        if self.plain.is_empty() {
            self.messages.iter().for_each(|message| self.plain.extend_from_slice(message.plain()));
        }
        &self.plain
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
enum Form {
    Plain,
    /// Each message compressed where that made it smaller.
    Compressed,
    /// As [`Compressed`](Self::Compressed), and the connection remembers what it was sent.
    Remembered,
}

impl<O: Os, H: Handler> Worker<O, H> {
    pub(super) fn push_batch(&mut self, index: u32, batch: &mut Batch, later: bool) -> Pushed {
        let record = self.table.get(index as usize).filter(|record| record.state == State::Open);
        let all = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let Some(record) = record else { return Pushed { undelivered: all, ..Pushed::default() } };
        if batch.is_empty() {
            return Pushed::default();
        }
        let form = match record.terms {
            terms if batch.uncompressed || !terms.is_agreed() => Form::Plain,
            terms if !terms.server_takeover() => Form::Compressed,
            // What is dropped must not have been compressed: later messages would refer to what never came.
            _ if batch.policy.drops_waiting() => Form::Plain,
            _ => Form::Remembered,
        };
        let terms = record.terms;
        if later || self.has_company(index) || !self.is_joinable(batch, form, terms) {
            return self.queue_batch(index, batch, form, 0);
        }
        let bytes = match form {
            Form::Plain => batch.plain(),
            Form::Compressed | Form::Remembered => match &batch.messages[..] {
                [only] => self.compressed(only, terms).unwrap_or(only.plain()),
                _ => &batch.compressed[..],
            },
        };
        let len = bytes.len();
        let Ok(written) = self.send(index, bytes) else {
            let _ = self.lose(index);
            return Pushed { undelivered: all, ..Pushed::default() };
        };
        if written == len && form == Form::Plain {
            self.counters.messages_out.add(u64::from(all));
            return Pushed { taken: all, ..Pushed::default() };
        }
        self.queue_batch(index, batch, form, written)
    }

    /// Whether the connection gets the same bytes as others, which then are made.
    fn is_joinable(&mut self, batch: &mut Batch, form: Form, terms: Terms) -> bool {
        match form {
            Form::Plain => true,
            Form::Compressed if terms.server_bits() == MOST_BITS => {
                if batch.len() > 1 && batch.compressed.is_empty() {
                    for message in &batch.messages {
                        let compressed = self.compressed(message, terms);
                        batch.compressed.extend_from_slice(compressed.unwrap_or(message.plain()));
                    }
                }
                true
            }
            Form::Compressed | Form::Remembered => batch.len() == 1,
        }
    }

    /// Queues what is left of a batch of which `written` bytes are out.
    fn queue_batch(&mut self, index: u32, batch: &Batch, form: Form, mut written: usize) -> Pushed {
        let mut pushed = Pushed::default();
        let mut has_queued = false;
        let Some(terms) = self.table.get(index as usize).map(|record| record.terms) else { return pushed };
        // What a policy does not drop once it waits, messages with another policy must not displace, either.
        let lane = if batch.policy.drops_waiting() { batch.lane } else { Lane::NONE };
        for (at, message) in batch.messages.iter().enumerate() {
            let compressed = if form == Form::Plain { None } else { self.compressed(message, terms) };
            let is_compressed = compressed.is_some();
            let frame = compressed.unwrap_or(message.plain());
            let goes = if written >= frame.len() {
                written -= frame.len();
                true
            } else if written > 0 {
                // Half a frame is out: the rest has to follow, whatever the limits say.
                self.queue_shared(index, frame, written, Lane::NONE);
                (written, has_queued) = (0, true);
                true
            } else {
                let lane = if is_compressed && form == Form::Remembered { Lane::NONE } else { lane };
                if self.should_write_first(index, frame.len()) && self.write_outbox(index) == Flow::Gone {
                    let left = u32::try_from(batch.len() - at).unwrap_or(u32::MAX);
                    pushed.undelivered += left + std::mem::take(&mut pushed.taken);
                    return pushed;
                }
                let fits = self.make_room(index, frame.len(), lane, batch.policy, &mut pushed.displaced);
                if fits {
                    self.queue_shared(index, frame, 0, lane);
                    has_queued = true;
                } else if batch.policy == SlowPolicy::Close {
                    pushed.undelivered = u32::try_from(batch.len() - at).unwrap_or(u32::MAX);
                    self.close_slow(index);
                    return pushed;
                }
                fits
            };
            if !goes {
                pushed.dropped += 1;
                continue;
            }
            pushed.taken += 1;
            self.counters.messages_out.add(1);
            if is_compressed {
                self.counters.compressed_out.add(1);
                if form == Form::Remembered {
                    self.remember_sent(index, message);
                }
            }
        }
        if has_queued && self.after_queueing(index, true) == Flow::Gone {
            pushed.undelivered += std::mem::take(&mut pushed.taken);
        }
        pushed
    }

    pub(super) fn queue_shared(&mut self, index: u32, frame: &Frame, written: usize, lane: Lane) {
        self.side_or_new(index);
        let Self { table, sides, pool, .. } = self;
        let side = table.get(index as usize).and_then(|record| sides.get_mut(record.side.index()?));
        if let Some(side) = side {
            side.outbox.push_shared(Frame::clone(frame), written, lane, pool);
        }
    }

    /// Whether a frame finds no room behind what only waits for the end of the iteration: whoever reads at once is not slow because of
    /// that.
    fn should_write_first(&self, index: u32, len: usize) -> bool {
        let (needed, weight) = (len + REFERENCE, self.weight(index));
        weight > 0 && needed + weight > outbox_for(self.limits.outbox, needed) && !self.is_blocked(index)
    }

    /// Whether a frame fits the outbox, after the policy has done what it can.
    fn make_room(
        &mut self,
        index: u32,
        len: usize,
        lane: Lane,
        policy: SlowPolicy,
        displaced: &mut u32,
    ) -> bool {
        let needed = len + REFERENCE;
        let limit = outbox_for(self.limits.outbox, needed);
        let Self { table, sides, pool, .. } = self;
        let Some(record) = table.get(index as usize) else { return false };
        let is_blocked = record.flags.has(Flags::BLOCKED);
        let Some(side) = record.side.index().and_then(|side| sides.get_mut(side)) else {
            return pool.can_lend(needed);
        };
        let outbox = &mut side.outbox;
        let fits = |weight: usize, pool: &super::pool::Pool| {
            needed <= limit - weight.min(limit) && pool.can_lend(needed)
        };
        // Who is not slow gets all that leaves together.
        if policy == SlowPolicy::Conflate && is_blocked {
            *displaced += outbox.drop_lane(lane, pool);
        }
        if policy.drops_waiting() {
            while !fits(outbox.weight(), pool) && outbox.drop_oldest(pool) {
                *displaced += 1;
            }
        }
        fits(outbox.weight(), pool)
    }
}
