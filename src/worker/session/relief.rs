//! Which messages are given up when buffer memory is used up: incomplete ones that hold most memory and have held it for longest, not those
//! that arrive next.
//!
//! The need is known in advance: input that ends inside a message has to be kept. So room is made, or a message is given up, before the
//! decoder asks for memory, and a message is refused only where no larger one holds memory.

use super::sessions::{Flow, Sessions};
use crate::budget::{RELIEF_LEAST, RELIEF_MOST, RELIEF_SEARCH, WORK_OF_SEARCH};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::table::{ConnIndex, State};
use crate::ws::DecodeError;

/// An incomplete message.
struct Held {
    owner: ConnIndex,
    bytes: usize,
    /// The tick at which the message began.
    begun: u32,
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Makes room for a buffer of `needed` bytes for input of this connection that was just received, as far as other messages can be given
    /// up. The message that is given up may be this connection's own, which then ends.
    #[cold]
    pub(in crate::worker) fn relieve(&mut self, index: ConnIndex, needed: usize) -> Flow {
        if !self.streams.pool.lacks(needed) {
            return Flow::Alive;
        }
        let id = self.streams.table.id(index);
        // Frames to other connections must not mix with the current reply, nor overtake a deferred one.
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.write_deferred();
        // Somewhat more than needed, so that the next connection need not search.
        let enough = needed.saturating_add(self.streams.pool.limit() / RELIEF_LEAST);
        for held in self.largest().into_iter().take(RELIEF_MOST) {
            // A message is not given up for a larger one.
            if !self.streams.pool.lacks(enough) || held.bytes.ilog2() < needed.max(1).ilog2() {
                break;
            }
            self.give_up(held.owner);
            if held.owner == index {
                break;
            }
        }
        if self.streams.table.find(id).is_some() { Flow::Alive } else { Flow::Gone }
    }

    /// Returns incomplete messages, those with most bytes first, and among those of about the same size the oldest first. Where there are
    /// very many, returns some of them, and others the next time.
    fn largest(&mut self) -> Vec<Held> {
        let end = self.streams.table.side_slots();
        let from = if self.relief_cursor < end { self.relief_cursor } else { 0 };
        let most = end.min(RELIEF_SEARCH);
        self.relief_cursor = from + most;
        self.visits.meter.charge(WORK_OF_SEARCH * most);
        let looked_at = self.streams.table.sides_from(from, most);
        let mut all: Vec<Held> = looked_at
            .filter_map(|side| {
                let bytes = side.message.decoder.buffer_len();
                (bytes > 0).then(|| Held { owner: side.owner(), bytes, begun: side.message.begun })
            })
            .collect();
        all.sort_unstable_by_key(|held| (std::cmp::Reverse(held.bytes.ilog2()), held.begun));
        all
    }

    /// Discards a connection's incomplete message, and closes the connection with 1013.
    fn give_up(&mut self, index: ConnIndex) {
        let Streams { table, pool, .. } = &mut self.streams;
        let Some((record, Some(side))) = table.entry_mut(index) else { return };
        if !matches!(record.state(), State::Open | State::Closing) {
            return;
        }
        side.message.decoder.clear(pool);
        side.discard_unhandled(pool);
        self.streams.table.end_message(index);
        if self.fail(index, DecodeError::OutOfBuffers) == Flow::Alive {
            self.streams.free_side(index);
        }
    }
}
