//! The end of subscriptions: of one at a client's request, or of all when their connection closes.

use super::client_state::{ClientState, Subscription};
use super::worker_hub::WorkerHub;
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::hub::broker::Broker;
use crate::hub::indices::TopicIndex;

impl<B: Broker> WorkerHub<B> {
    /// Ends a subscription.
    pub(super) fn end_subscription(&mut self, state: &mut ClientState, subscription: Subscription) {
        self.table.end_subscription(state, subscription);
        self.remove_or_shrink(subscription.topic);
    }

    /// Ends all subscriptions of a closed connection. Its places become vacant at once, since a new connection may get its index soon.
    /// Topics without subscribers are removed in slices.
    pub(super) fn end_all_subscriptions(&mut self, state: ClientState) {
        let (table, cleanup_queue) = (&mut self.table, &mut self.cleanup_queue);
        table.end_subscriptions(state, |topic| cleanup_queue.push_back(topic));
        if self.cleanup_queue.len() == 1 && self.broker.unsent_requests() == 0 {
            self.continue_cleanup();
        }
    }

    /// Cleans up topics of closed connections. While the broker's queues are full, the topics wait in a list: it takes less memory than
    /// requests to the broker, and no client is refused because of it.
    pub(super) fn continue_cleanup(&mut self) {
        for _ in 0..self.shared.config.sizes.cleanups_per_turn {
            if self.broker.unsent_requests() > 0 {
                return;
            }
            let Some(topic) = self.cleanup_queue.pop_front() else { break };
            self.remove_or_shrink(topic);
        }
        free_spare(&mut self.cleanup_queue, LIST_KEEP);
    }

    /// Removes or shrinks a topic that has lost a subscriber. If the index belongs to a new topic by now, the call does no harm.
    fn remove_or_shrink(&mut self, topic: TopicIndex) {
        self.remove_if_unused(topic);
        let vacant = self.shared.config.sizes.vacant_places;
        if self.table.get(topic).is_some_and(|topic| topic.can_shrink(vacant)) {
            self.schedule(topic);
        }
    }
}
