//! Clients that go, with all their subscriptions.

use super::hub::HubHandler;
use super::indices::TopicIndex;
use super::seat::{Seat, Sub};

impl HubHandler {
    /// Ends a subscription.
    pub(super) fn leave(&mut self, seat: &mut Seat, sub: Sub) {
        self.roster.leave(seat, sub);
        self.clear_up(sub.topic);
    }

    /// Ends all subscriptions of a connection that has gone. It gives up its places at once, since its number may be another's soon; topics
    /// that nobody here wants any more go in slices, between which others have their turn.
    pub(super) fn leave_all(&mut self, seat: Seat) {
        let (roster, left) = (&mut self.roster, &mut self.left);
        roster.take_subs(seat, |topic| left.push_back(topic));
        if self.left.len() == 1 && self.posts.held_requests() == 0 {
            self.go_on_leaving();
        }
    }

    /// Goes on with topics that somebody has left. What a home has to be told waits here as long as its queue has no room: that takes less
    /// memory, and nobody is refused for it.
    pub(super) fn go_on_leaving(&mut self) {
        for _ in 0..self.exchange.config.sizes.leaves_per_turn {
            if self.posts.held_requests() > 0 {
                return;
            }
            let Some(topic) = self.left.pop_front() else { break };
            self.clear_up(topic);
        }
        if self.left.is_empty() && self.left.capacity() > 1024 {
            self.left = std::collections::VecDeque::new();
        }
    }

    /// Does what there is to do when somebody has left a topic, whose number may have come to mean another one meanwhile.
    fn clear_up(&mut self, topic: TopicIndex) {
        self.tidy(topic);
        let vacant = self.exchange.config.sizes.vacant;
        if self.roster.get(topic).is_some_and(|topic| topic.has_spare(vacant)) {
            self.activate(topic);
        }
    }
}
