//! Final reads of a connection, which precede the enforcement of a deadline of its peer.

/// The two timers of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimerKind {
    /// The timer of the connection: handshake, Pong or close.
    Connection,
    /// The timer of an incomplete message.
    Message,
}

/// Incomplete final reads, one per timer. Few connections have any.
#[derive(Debug, Default)]
pub(crate) struct FinalReads(Option<Box<[Incomplete; 2]>>);

/// A deadline that has passed while input was not handled.
#[derive(Debug, Clone, Copy, Default)]
struct Incomplete {
    /// The deadline, a tick. 0 means none, since ticks begin higher.
    due: u32,
    /// Bytes that had arrived and are not handled yet.
    remaining: u32,
}

impl FinalReads {
    pub(crate) const fn are_pending(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn clear(&mut self, timer: TimerKind) {
        if let Some(reads) = &mut self.0 {
            reads[timer as usize] = Incomplete::default();
            if reads.iter().all(|read| read.due == 0) {
                self.0 = None;
            }
        }
    }

    /// Returns the number of bytes that must be handled before the deadline is enforced. `found` is the number of bytes that are not handled
    /// now; that of the first call for a deadline counts.
    pub(crate) fn remaining(&mut self, timer: TimerKind, due: u32, found: u32) -> u32 {
        let read = &mut self.0.get_or_insert_default()[timer as usize];
        if read.due != due {
            *read = Incomplete { due, remaining: found };
        }
        read.remaining
    }

    /// Counts bytes that were handled.
    pub(crate) fn count_handled(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.0.iter_mut().flat_map(|reads| reads.iter_mut()).for_each(|read| {
            read.remaining = read.remaining.saturating_sub(bytes);
        });
    }
}
