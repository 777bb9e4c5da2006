//! Last looks at a connection that are under way before a deadline of its peer's is judged.

/// The timers of a connection whose deadlines are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// That of the handshake, a Pong, the close.
    Connection,
    /// That of a message that has begun.
    Message,
}

/// Looks under way, one a timer: hardly any connection has one.
#[derive(Debug, Default)]
pub(crate) struct Looks(Option<Box<[Look; 2]>>);

/// A deadline that has passed over input which was not read.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    /// The deadline, a tick; 0 for none: ticks begin higher.
    due: u32,
    /// Bytes that had arrived and are not dealt with.
    owed: u32,
}

impl Looks {
    pub(crate) const fn are_under_way(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn forget(&mut self, timer: Timer) {
        if let Some(looks) = &mut self.0 {
            looks[timer as usize] = Look::default();
            if looks.iter().all(|look| look.due == 0) {
                self.0 = None;
            }
        }
    }

    /// Bytes that are still to be dealt with before the deadline is judged. `found` is how many there are now, which is what counts at
    /// the first look.
    pub(crate) fn owed(&mut self, timer: Timer, due: u32, found: u32) -> u32 {
        let look = &mut self.0.get_or_insert_default()[timer as usize];
        if look.due != due {
            *look = Look { due, owed: found };
        }
        look.owed
    }

    /// A visit has dealt with so many bytes.
    pub(crate) fn took(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.0.iter_mut().flat_map(|looks| looks.iter_mut()).for_each(|look| {
            look.owed = look.owed.saturating_sub(bytes);
        });
    }
}
