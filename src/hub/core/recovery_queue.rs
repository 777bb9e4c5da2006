//! Subscribers that are recovering missed messages.

use std::collections::{HashSet, VecDeque};

use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::hub::broker::messages::Requester;
use crate::hub::name::TopicName;
use crate::hub::position::Position;
use crate::worker::ConnId;

/// Subscribers that are recovering missed messages.
#[derive(Debug, Default)]
pub(crate) struct RecoveryQueue {
    pub(super) queue: VecDeque<Recovery>,
    /// Clients for which the worker has asked the broker for the next part of a recovery.
    pub(super) requested: HashSet<ConnId>,
    /// A client has got a part in this turn. Once that part is written, the client may have room for the next.
    pub(super) has_sent_part: bool,
}

impl RecoveryQueue {
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.requested.len()
    }

    /// Frees unused capacity after many clients have reconnected at once.
    pub(super) fn shrink(&mut self) {
        free_spare(&mut self.queue, LIST_KEEP);
        free_spare(&mut self.requested, LIST_KEEP);
    }
}

/// The recovery of one subscriber.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) topic: TopicName,
    pub(super) hash: u64,
    pub(super) requester: Requester,
    /// The position of the last message that the subscriber has got.
    pub(super) last_received: Position,
    /// Bytes of the last part if the client's outbox had no room for it; 0 if it had.
    pub(super) needed_room: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Epoch;
    use crate::hub::indices::SubscribeId;
    use crate::hub::request_id::RequestId;

    #[test]
    fn memory_is_freed_after_many_recoveries_at_once() {
        let mut recoveries = RecoveryQueue::default();
        for index in 0..10_000 {
            let conn = ConnId::new(0, 1, index);
            let requester =
                Requester { conn, subscribe_id: SubscribeId::new(index), request_id: RequestId::NONE };
            let last_received = Position { offset: 1, epoch: Epoch { run: 1, serial: 1 } };
            recoveries.queue.push_back(Recovery {
                topic: "t".into(),
                hash: 0,
                requester,
                last_received,
                needed_room: 0,
            });
            recoveries.requested.insert(conn);
        }
        recoveries.queue.truncate(1);
        recoveries.requested.clear();
        recoveries.shrink();
        assert_eq!((recoveries.queue.len(), recoveries.requested.capacity()), (1, 0));
        recoveries.queue.clear();
        recoveries.shrink();
        assert_eq!(recoveries.queue.capacity(), 0);
    }
}
