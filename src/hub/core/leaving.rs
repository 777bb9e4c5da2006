//! The end of subscriptions: of one at a client's request, or of all when their connection closes.

use super::client_state::{ClientState, Subscription};
use super::worker_hub::WorkerHub;
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::hub::broker::Broker;
use crate::hub::indices::TopicIndex;

impl<B: Broker> WorkerHub<B> {
    /// Ends a subscription.
    pub(super) fn leave(&mut self, state: &mut ClientState, subscription: Subscription) {
        self.table.leave(state, subscription);
        self.remove_or_shrink(subscription.topic);
    }

    /// Ends all subscriptions of a closed connection. Its places become vacant at once, since a new connection may get its index soon.
    /// Topics without subscribers are removed in slices.
    pub(super) fn leave_all(&mut self, state: ClientState) {
        let (table, abandoned) = (&mut self.table, &mut self.abandoned);
        table.end_subscriptions(state, |topic| abandoned.push_back(topic));
        if self.abandoned.len() == 1 && self.broker.unsent_requests() == 0 {
            self.continue_leaving();
        }
    }

    /// Cleans up topics of closed connections. While the broker's queues are full, the topics wait in a list: it takes less memory than
    /// requests to the broker, and no client is refused because of it.
    pub(super) fn continue_leaving(&mut self) {
        for _ in 0..self.shared.config.sizes.leaves_per_turn {
            if self.broker.unsent_requests() > 0 {
                return;
            }
            let Some(topic) = self.abandoned.pop_front() else { break };
            self.remove_or_shrink(topic);
        }
        free_spare(&mut self.abandoned, LIST_KEEP);
    }

    /// Removes or shrinks a topic that has lost a subscriber. If the index belongs to a new topic by now, the call does no harm.
    fn remove_or_shrink(&mut self, topic: TopicIndex) {
        self.remove_if_unused(topic);
        let vacant = self.shared.config.sizes.vacant;
        if self.table.get(topic).is_some_and(|topic| topic.has_spare(vacant)) {
            self.activate(topic);
        }
    }
}
