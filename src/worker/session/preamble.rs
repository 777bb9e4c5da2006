//! Preambles: bytes that precede the first byte of a connection's transport and protocol.

use std::ops::Range;

use super::sessions::{Flow, Sessions};
use crate::worker::app::handler::Handler;
use crate::worker::os::Os;
use crate::worker::stream::{ListenerOptions, PreambleError, ReadState, Received};
use crate::worker::table::{ConnIndex, Protocol};
use crate::ws::Buffers;

impl<O: Os, H: Handler> Sessions<O, H> {
    /// Handles bytes of a preamble, which are in this range of the receive buffer. Bytes that follow are the transport's. The preamble has
    /// the deadline of the handshake, and at most as many bytes as a request head.
    #[cold]
    pub(in crate::worker) fn handle_preamble(
        &mut self,
        index: ConnIndex,
        part: Range<usize>,
        drained: bool,
    ) -> Flow {
        let ListenerOptions { preamble, .. } = self.streams.listener_options(index);
        let Some(parse) = preamble else { return self.fail_preamble(index) };
        let mut kept =
            self.streams.table.side_mut(index).map(|side| std::mem::take(&mut side.head)).unwrap_or_default();
        let (kept_len, most) = (kept.len(), self.limits.head.bytes);
        let fresh = part.start..part.end.min(part.start + most.saturating_sub(kept_len));
        let is_last = kept_len + fresh.len() == most;
        let input = self.streams.receive_buffer.bytes(fresh);
        // The common case: the whole preamble is in the receive buffer.
        let mut parsed = if kept_len == 0 { parse(input) } else { Ok(None) };
        if parsed == Ok(None) {
            if self.streams.pool.reserve(&mut kept, input.len()) {
                kept.extend_from_slice(input);
                parsed = parse(&kept);
            } else {
                parsed = Err(PreambleError);
            }
        }
        match parsed {
            Ok(None) if !is_last => {
                self.streams.table.side_or_new(index).head = kept;
                Flow::Alive
            }
            Ok(Some(len)) => {
                self.recycle(kept);
                self.streams.free_side(index);
                self.begin_transport(index, part.start + len.saturating_sub(kept_len)..part.end, drained)
            }
            Ok(None) | Err(PreambleError) => {
                self.recycle(kept);
                self.fail_preamble(index)
            }
        }
    }

    fn fail_preamble(&mut self, index: ConnIndex) -> Flow {
        self.streams.counters.preamble_errors.add(1);
        self.discard(index)
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > 0 {
            self.streams.pool.recycle(buffer);
        }
    }

    /// Begins the listener's transport after the preamble, with the bytes that follow in this range of the receive buffer. Bytes of the
    /// stream then go to the opening.
    fn begin_transport(&mut self, index: ConnIndex, part: Range<usize>, drained: bool) -> Flow {
        let ListenerOptions { transport, .. } = self.streams.listener_options(index);
        let record = self.streams.table.record_mut(index);
        record.set_transport(transport);
        record.set_protocol(Protocol::Opening);
        if part.is_empty() {
            return Flow::Alive;
        }
        let start = part.start;
        let received = self.streams.begin_transport(index, part);
        self.charge_transports();
        let Ok(Received { len, state, .. }) = received else {
            return self.drop_lost(index);
        };
        let drained = drained && state != ReadState::MayHaveMore;
        if len > 0 && self.handle_input(index, start..start + len, drained) == Flow::Gone {
            return Flow::Gone;
        }
        if state == ReadState::MayHaveMore {
            // No event announces the rest.
            self.queue_visit(self.streams.table.id(index));
        }
        self.apply_read_state(index, state)
    }
}
