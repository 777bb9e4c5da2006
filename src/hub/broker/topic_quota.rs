//! Numbers of topics that clients have created, for a limit of each client's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::worker::ConnId;

/// The number of topics that each client has created: the client was the first to publish to the topic, and the topic has a history, so
/// that it may stay when the client leaves. The lock is taken when such a topic is created or removed, not for other messages. There are at
/// most as many clients as topics.
#[derive(Debug, Default)]
pub(crate) struct TopicQuota(Mutex<HashMap<ConnId, usize>>);

impl TopicQuota {
    /// Counts one more topic of a client. Returns `false`, and counts nothing, where the client has `limit` topics.
    pub(crate) fn add(&self, client: ConnId, limit: usize) -> bool {
        let mut topics_of = self.lock();
        let topics = topics_of.entry(client).or_default();
        let fits = *topics < limit;
        if fits {
            *topics += 1;
        } else if *topics == 0 {
            topics_of.remove(&client);
        }
        fits
    }

    /// Subtracts a removed topic of a client.
    pub(crate) fn remove(&self, client: ConnId) {
        let mut topics_of = self.lock();
        if let Some(topics) = topics_of.get_mut(&client) {
            *topics -= 1;
            if *topics == 0 {
                topics_of.remove(&client);
            }
        }
        if topics_of.capacity() > 1024 && topics_of.len() < topics_of.capacity() / 8 {
            topics_of.shrink_to_fit();
        }
    }

    /// Returns the number of clients with topics.
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
        let (topics_of, [one, other]) = (TopicQuota::default(), [1, 2].map(|index| ConnId::new(0, 7, index)));
        assert_eq!([2, 2, 2].map(|limit| topics_of.add(one, limit)), [true, true, false]);
        assert!(topics_of.add(other, 2) && !topics_of.add(ConnId::new(0, 7, 3), 0));
        assert_eq!(topics_of.len(), 2);
        topics_of.remove(one);
        assert_eq!([topics_of.add(one, 2), topics_of.add(one, 2)], [true, false]);
        [one, one, other].into_iter().for_each(|client| topics_of.remove(client));
        assert_eq!(topics_of.len(), 0);
    }
}
