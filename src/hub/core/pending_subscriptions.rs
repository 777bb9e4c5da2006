//! Pending subscriptions, counted by client.

use std::collections::HashMap;

use crate::base::bug;
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::worker::ConnId;

/// Number of pending subscriptions by client: those that the broker has not answered, including those that the client has ended meanwhile.
/// Each takes a place in queues that all clients share. Few clients have any.
#[derive(Debug, Default)]
pub(crate) struct PendingSubscriptions(HashMap<ConnId, u32>);

impl PendingSubscriptions {
    /// Returns whether a client may begin one more, where it may have `limit` at a time.
    pub(crate) fn may_add(&self, client: ConnId, limit: usize) -> bool {
        self.0.get(&client).is_none_or(|&count| (count as usize) < limit)
    }

    pub(crate) fn add(&mut self, client: ConnId) {
        *self.0.entry(client).or_default() += 1;
    }

    /// Subtracts a subscription that the broker has answered.
    pub(crate) fn remove(&mut self, client: ConnId) {
        let Some(count) = self.0.get_mut(&client) else {
            return bug::survived("an answer to a client without pending subscriptions");
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&client);
            free_spare(&mut self.0, LIST_KEEP);
        }
    }

    /// Returns the number of clients with pending subscriptions.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_have_a_limited_number_of_pending_subscriptions() {
        let mut pending = PendingSubscriptions::default();
        let [client, other] = [1, 2].map(|index| ConnId::new(0, 1, index));
        pending.add(client);
        assert!(pending.may_add(client, 2));
        pending.add(client);
        assert!(!pending.may_add(client, 2) && pending.may_add(other, 2));
        pending.remove(client);
        assert!(pending.may_add(client, 2));
        pending.remove(client);
        assert!(pending.0.is_empty());
    }
}
