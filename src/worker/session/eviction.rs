//! Which messages are evicted when buffer memory is used up: incomplete ones that hold most memory and have held it for longest, not those
//! that arrive next.
//!
//! The need is known in advance: input that ends inside a message has to be kept. So a message is evicted before the
//! decoder asks for memory, and a message is refused only where no larger one holds memory.

use super::sessions::{Flow, Sessions};
use crate::budget::{EVICTION_SEARCH, EVICTION_SPARE, MAX_EVICTIONS, WORK_OF_SEARCH};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::table::{ConnIndex, State};
use crate::ws::DecodeError;

/// An incomplete message, which may be evicted.
struct Candidate {
    owner: ConnIndex,
    bytes: usize,
    /// The tick at which the message began.
    began_at: u32,
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Makes room for a buffer of `needed` bytes for input of this connection that was just received, as far as other messages can be
    /// evicted. The evicted message may be this connection's own, which then ends.
    #[cold]
    pub(in crate::worker) fn evict_for(&mut self, index: ConnIndex, needed: usize) -> Flow {
        if !self.streams.pool.lacks_room_for(needed) {
            return Flow::Alive;
        }
        let id = self.streams.table.id(index);
        // Frames to other connections must not mix with the current reply, nor overtake a deferred one.
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.write_deferred();
        // Somewhat more than needed, so that the next connection need not search.
        let enough = needed.saturating_add(self.streams.pool.limit() / EVICTION_SPARE);
        for candidate in self.eviction_candidates().into_iter().take(MAX_EVICTIONS) {
            // A message is not evicted for a larger one.
            if !self.streams.pool.lacks_room_for(enough) || candidate.bytes.ilog2() < needed.max(1).ilog2() {
                break;
            }
            self.evict(candidate.owner);
            if candidate.owner == index {
                break;
            }
        }
        if self.streams.table.find(id).is_some() { Flow::Alive } else { Flow::Gone }
    }

    /// Returns incomplete messages, those with most bytes first, and among those of about the same size the oldest first. Where there are
    /// very many, returns some of them, and others the next time.
    fn eviction_candidates(&mut self) -> Vec<Candidate> {
        let end = self.streams.table.side_slots();
        let from = if self.eviction_cursor < end { self.eviction_cursor } else { 0 };
        let most = end.min(EVICTION_SEARCH);
        self.eviction_cursor = from + most;
        self.visits.meter.charge(WORK_OF_SEARCH * most);
        let searched = self.streams.table.sides_from(from, most);
        let mut all: Vec<Candidate> = searched
            .filter_map(|side| {
                let bytes = side.message.decoder.buffer_len();
                (bytes > 0).then(|| Candidate { owner: side.owner(), bytes, began_at: side.message.began_at })
            })
            .collect();
        all.sort_unstable_by_key(|candidate| {
            (std::cmp::Reverse(candidate.bytes.ilog2()), candidate.began_at)
        });
        all
    }

    /// Discards a connection's incomplete message, and closes the connection with 1013.
    fn evict(&mut self, index: ConnIndex) {
        let Streams { table, pool, .. } = &mut self.streams;
        let Some((record, Some(side))) = table.entry_mut(index) else { return };
        if !matches!(record.state(), State::Open | State::Closing) {
            return;
        }
        side.message.decoder.clear(pool);
        side.discard_unhandled(pool);
        self.streams.table.clear_message_deadline(index);
        if self.fail(index, DecodeError::OutOfBuffers) == Flow::Alive {
            self.streams.free_side(index);
        }
    }
}
