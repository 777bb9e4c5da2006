//! Clients whose subscriptions are being begun by other workers, and how many of each.

use std::collections::HashMap;

use crate::base::bug;
use crate::worker::ConnId;

/// By client, subscriptions that topics' homes have been asked for and have not answered about, with those that the client has ended
/// meanwhile: each of them takes a place in queues that all share. Few clients have any.
#[derive(Debug, Default)]
pub(crate) struct Asking(HashMap<ConnId, u32>);

impl Asking {
    /// Whether a client may ask for one more, where it may ask for `most` at a time.
    pub(crate) fn may_ask(&self, client: ConnId, most: usize) -> bool {
        self.0.get(&client).is_none_or(|&count| (count as usize) < most)
    }

    pub(crate) fn add(&mut self, client: ConnId) {
        *self.0.entry(client).or_default() += 1;
    }

    /// A home has answered.
    pub(crate) fn remove(&mut self, client: ConnId) {
        let Some(count) = self.0.get_mut(&client) else {
            return bug::survived("an answer that no client waits for");
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&client);
            if self.0.is_empty() && self.0.capacity() > 1024 {
                self.0 = HashMap::new();
            }
        }
    }

    /// Clients that wait for answers.
    #[cfg(feature = "simulation")]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_ask_for_so_many_at_a_time() {
        let mut asking = Asking::default();
        let [client, other] = [1, 2].map(|index| ConnId::new(0, 1, index));
        asking.add(client);
        assert!(asking.may_ask(client, 2));
        asking.add(client);
        assert!(!asking.may_ask(client, 2) && asking.may_ask(other, 2));
        asking.remove(client);
        assert!(asking.may_ask(client, 2));
        asking.remove(client);
        assert!(asking.0.is_empty());
    }
}
