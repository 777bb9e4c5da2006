//! Subscribers in the middle of being given what they have missed.

use std::collections::{HashSet, VecDeque};

use super::mail::Joiner;
use super::name::Name;
use super::position::Position;
use crate::worker::ConnId;

/// Places for subscribers that are kept where there is none.
const MOST_SPARE: usize = 1024;

/// Subscribers in the middle of being given what they have missed.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    pub(super) queue: VecDeque<Replay>,
    /// Clients for which a home has been asked to go on with one.
    pub(super) asking: HashSet<ConnId>,
    /// Some have got a part in this turn: once it is written there may be room for another.
    pub(super) has_moved: bool,
}

impl Replays {
    #[cfg(feature = "simulation")]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.asking.len()
    }

    /// Gives memory back when the many have gone that came back together.
    pub(super) fn give_back(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > MOST_SPARE {
            self.queue = VecDeque::new();
        }
        if self.asking.is_empty() && self.asking.capacity() > MOST_SPARE {
            self.asking = HashSet::new();
        }
    }
}

/// A subscriber in the middle of that.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) topic: Name,
    pub(super) hash: u64,
    pub(super) who: Joiner,
    /// What it has now.
    pub(super) seen: Position,
    /// Bytes that the part takes for which there was no room last.
    pub(super) lacks: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Epoch;
    use crate::hub::dialect::v1::Id;
    use crate::hub::indices::JoinId;

    #[test]
    fn memory_goes_back_when_the_many_have_gone_that_came_back_together() {
        let mut replays = Replays::default();
        for index in 0..10_000 {
            let conn = ConnId::new(0, 1, index);
            let who = Joiner { conn, join: JoinId::new(index), id: Id::NONE };
            let seen = Position { offset: 1, epoch: Epoch { run: 1, serial: 1 } };
            replays.queue.push_back(Replay { topic: "t".into(), hash: 0, who, seen, lacks: 0 });
            replays.asking.insert(conn);
        }
        replays.queue.truncate(1);
        replays.asking.clear();
        replays.give_back();
        assert_eq!((replays.queue.len(), replays.asking.capacity()), (1, 0));
        replays.queue.clear();
        replays.give_back();
        assert_eq!(replays.queue.capacity(), 0);
    }
}
