//! Clients that were the first to publish to topics, and how many such topics there are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::worker::ConnId;

/// How many topics there are that a client has founded: was the first to publish to, so that they may stay when it leaves. The lock
/// is taken when such a topic comes and goes, not for other messages. A client has no more entries than there are topics.
#[derive(Debug, Default)]
pub(crate) struct Founders(Mutex<HashMap<ConnId, usize>>);

impl Founders {
    /// Counts one more topic of a client; `false`, and nothing is counted, where it has `most`.
    pub(crate) fn add(&self, client: ConnId, most: usize) -> bool {
        let mut founders = self.lock();
        let topics = founders.entry(client).or_default();
        let fits = *topics < most;
        if fits {
            *topics += 1;
        } else if *topics == 0 {
            founders.remove(&client);
        }
        fits
    }

    /// One of its topics is gone.
    pub(crate) fn remove(&self, client: ConnId) {
        let mut founders = self.lock();
        if let Some(topics) = founders.get_mut(&client) {
            *topics -= 1;
            if *topics == 0 {
                founders.remove(&client);
            }
        }
        if founders.capacity() > 1024 && founders.len() < founders.capacity() / 8 {
            founders.shrink_to_fit();
        }
    }

    /// Clients that have founded topics which are there.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_so_many_and_no_more() {
        let (founders, [one, other]) = (Founders::default(), [1, 2].map(|index| ConnId::new(0, 7, index)));
        assert_eq!([2, 2, 2].map(|most| founders.add(one, most)), [true, true, false]);
        assert!(founders.add(other, 2) && !founders.add(ConnId::new(0, 7, 3), 0));
        assert_eq!(founders.len(), 2);
        founders.remove(one);
        assert_eq!([founders.add(one, 2), founders.add(one, 2)], [true, false]);
        [one, one, other].into_iter().for_each(|client| founders.remove(client));
        assert_eq!(founders.len(), 0);
    }
}
