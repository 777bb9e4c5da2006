//! How many pings the least-pinged connection has answered, without a walk over all of them.

/// Connections by the number of pings they have answered.
#[derive(Debug, Default)]
pub(super) struct PingCounts {
    /// `by_count[k]` connections have answered `k`.
    by_count: Vec<u32>,
}

impl PingCounts {
    /// Starts anew: `connections` of them, no pings yet.
    pub(super) fn restart(&mut self, connections: u32) {
        self.by_count.clear();
        self.by_count.push(connections);
    }

    /// Counts a new connection.
    pub(super) fn add(&mut self) {
        self.slot(0, |slot| *slot += 1);
    }

    /// Moves a connection that had answered `pings` to `after`.
    pub(super) fn advance(&mut self, pings: u16, after: u16) {
        self.remove(pings);
        self.slot(after, |slot| *slot += 1);
    }

    /// Forgets a connection that had answered `pings`.
    pub(super) fn remove(&mut self, pings: u16) {
        self.slot(pings, |slot| *slot = slot.saturating_sub(1));
    }

    /// The fewest that any connection has answered; 0 without connections.
    pub(super) fn min(&self) -> u64 {
        self.by_count.iter().position(|&connections| connections > 0).unwrap_or(0) as u64
    }

    fn slot(&mut self, pings: u16, change: impl FnOnce(&mut u32)) {
        let at = usize::from(pings);
        if self.by_count.len() <= at {
            self.by_count.resize(at + 1, 0);
        }
        change(&mut self.by_count[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_follows_the_slowest() {
        let mut counts = PingCounts::default();
        assert_eq!(counts.min(), 0);
        counts.add();
        counts.add();
        counts.advance(0, 1);
        assert_eq!(counts.min(), 0);
        counts.advance(0, 3);
        assert_eq!(counts.min(), 1);
        counts.remove(1);
        assert_eq!(counts.min(), 3);
        counts.restart(1);
        assert_eq!(counts.min(), 0);
    }
}
