//! Subscribers in the middle of being given what they have missed.

use std::collections::{HashSet, VecDeque};

use crate::hub::broker::messages::Requester;
use crate::hub::name::Name;
use crate::hub::position::Position;
use crate::worker::ConnId;

/// Places for subscribers that are kept where there is none.
const MOST_SPARE: usize = 1024;

/// Subscribers in the middle of being given what they have missed.
#[derive(Debug, Default)]
pub(crate) struct Recoveries {
    pub(super) queue: VecDeque<Recovery>,
    /// Clients for which the broker has been asked to go on with one.
    pub(super) pending: HashSet<ConnId>,
    /// Some have got a part in this turn: once it is written there may be room for another.
    pub(super) has_moved: bool,
}

impl Recoveries {
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.pending.len()
    }

    /// Gives memory back when the many have gone that came back together.
    pub(super) fn give_back(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > MOST_SPARE {
            self.queue = VecDeque::new();
        }
        if self.pending.is_empty() && self.pending.capacity() > MOST_SPARE {
            self.pending = HashSet::new();
        }
    }
}

/// A subscriber in the middle of that.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) topic: Name,
    pub(super) hash: u64,
    pub(super) requester: Requester,
    /// What it has now.
    pub(super) seen: Position,
    /// Bytes that the part takes for which there was no room last.
    pub(super) lacks: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Epoch;
    use crate::hub::indices::SubscribeId;
    use crate::hub::request_id::RequestId;

    #[test]
    fn memory_goes_back_when_the_many_have_gone_that_came_back_together() {
        let mut recoveries = Recoveries::default();
        for index in 0..10_000 {
            let conn = ConnId::new(0, 1, index);
            let requester = Requester { conn, subscribe_id: SubscribeId::new(index), id: RequestId::NONE };
            let seen = Position { offset: 1, epoch: Epoch { run: 1, serial: 1 } };
            recoveries.queue.push_back(Recovery { topic: "t".into(), hash: 0, requester, seen, lacks: 0 });
            recoveries.pending.insert(conn);
        }
        recoveries.queue.truncate(1);
        recoveries.pending.clear();
        recoveries.give_back();
        assert_eq!((recoveries.queue.len(), recoveries.pending.capacity()), (1, 0));
        recoveries.queue.clear();
        recoveries.give_back();
        assert_eq!(recoveries.queue.capacity(), 0);
    }
}
