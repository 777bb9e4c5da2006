//! Which messages give way when buffer memory is used up: those that hold most and have held it for longest, not those that come next.
//!
//! The need is known in advance: input that ends inside a message has to be kept. So there is room, or a message is given
//! up, before the decoder asks for it, and a message is only refused where nothing larger is held.

use super::sessions::{Flow, Sessions};
use crate::budget::{RELIEF_LEAST, RELIEF_MOST, RELIEF_SEARCH, WORK_OF_SEARCH};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::Streams;
use crate::worker::table::State;
use crate::ws::DecodeError;

/// An incomplete message.
struct Held {
    owner: u32,
    bytes: usize,
    /// The tick at which it began.
    begun: u32,
}

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Makes room for a buffer of `needed` bytes for a connection's input, which has just been received, as far as other messages can give way.
    /// The message that gives way may be the connection's own: then the connection goes on to its end.
    #[cold]
    pub(in crate::worker) fn relieve(&mut self, index: u32, needed: usize) -> Flow {
        if !self.streams.pool.lacks(needed) {
            return Flow::Alive;
        }
        let id = self.streams.table.id(index);
        // Frames to other connections must not mix with the reply at hand, nor overtake one that waits.
        if self.flush_reply(index) == Flow::Gone {
            return Flow::Gone;
        }
        self.write_deferred();
        // Somewhat more than is needed, so that the next one need not search.
        let enough = needed.saturating_add(self.streams.pool.limit() / RELIEF_LEAST);
        for held in self.largest().into_iter().take(RELIEF_MOST) {
            // A message does not give way to a larger one.
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

    /// Incomplete messages, those with most bytes first, and of about as many bytes those that began first. Where there are very
    /// many, these are some of them, and others the next time.
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

    /// Gives up what a connection has sent of a message, and closes it with 1013.
    fn give_up(&mut self, index: u32) {
        let Streams { table, pool, .. } = &mut self.streams;
        let Some((record, Some(side))) = table.entry_mut(index) else { return };
        if !matches!(record.state(), State::Open | State::Closing) {
            return;
        }
        side.message.decoder.clear(pool);
        side.drop_unread(pool);
        self.streams.table.end_message(index);
        if self.fail(index, DecodeError::OutOfBuffers) == Flow::Alive {
            self.streams.free_side(index);
        }
    }
}
