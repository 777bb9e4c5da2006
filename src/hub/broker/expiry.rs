//! Removal of an owner's topics without subscribers, and of expired messages.

use std::time::Duration;

use super::owner::Owner;
use crate::budget::EVICTION_CHECKS;

/// Small messages whose memory the owner frees while it searches for a topic to evict.
const FREED_PER_EVICTION: usize = 256;

/// Small messages, or the equivalent in bytes, whose memory the owner frees with one part of a round. The next iteration frees the rest.
const FREED_PER_PART: usize = 4096;

impl Owner {
    /// Forgets expired messages, and removes topics that need not stay, in the part of the topics that is due.
    pub(crate) fn sweep(&mut self, now: Duration) {
        let due = self.sweep.due(now);
        // Another owner may need room for a topic.
        let is_short = due > 0 && self.shared.is_short_of_topics();
        let mut budget = FREED_PER_PART;
        for at in 0..due {
            if budget == 0 || self.sweep_next(now, is_short, &mut budget) == Swept::Unfinished {
                self.sweep.postponed = due - at;
                break;
            }
        }
        self.sweep.free_if_empty();
    }

    /// Finds a topic without subscribers and messages, and removes it. Returns whether there was one. Each call checks a part of the topics
    /// only, and the next call checks the next part.
    pub(super) fn evict(&mut self, now: Duration) -> bool {
        let mut budget = FREED_PER_EVICTION;
        for _ in 0..EVICTION_CHECKS.min(self.sweep.queue.len()) {
            match self.sweep_next(now, true, &mut budget) {
                Swept::Removed => return true,
                Swept::Kept => {}
                Swept::Unfinished => {
                    // The next call checks other topics.
                    self.sweep.queue.rotate_left(1);
                    return false;
                }
            }
        }
        false
    }

    /// Checks the next topic.
    fn sweep_next(&mut self, now: Duration, is_short: bool, budget: &mut usize) -> Swept {
        let Some(at) = self.sweep.queue.pop_front() else { return Swept::Kept };
        let Self { topics, shared, counters, .. } = self;
        let Some(topic) = topics.get_mut(at as usize).filter(|topic| topic.is_swept) else {
            return Swept::Kept;
        };
        let rule = shared.config.rules.of(&topic.name).history;
        let has_more = topic.change_history(counters, |history| {
            history.expire(now, &rule);
            history.free_memory(now, budget, shared)
        });
        if has_more {
            self.sweep.queue.push_front(at);
            return Swept::Unfinished;
        }
        if topic.must_stay(now, rule.age, is_short) {
            self.sweep.queue.push_back(at);
            return Swept::Kept;
        }
        topic.is_swept = false;
        let hash = shared.hasher.hash(&topic.name);
        let has_workers = topic.has_workers();
        self.remove_if_unused(at, hash);
        if has_workers { Swept::Kept } else { Swept::Removed }
    }
}

/// The result of a check of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// The topic was removed.
    Removed,
    Kept,
    /// The check has to continue, since the budget of memory to free is used up.
    Unfinished,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::hub::broker::messages::{Publish, ReplyTo};
    use crate::hub::broker::peers::Peers;
    use crate::hub::broker::shared::LocalBrokerShared;
    use crate::hub::broker::sweep::{MAX_INTERVAL, MAX_PART, MIN_PART, ROUND_TIME, Sweep};
    use crate::hub::hash::NameHasher;
    use crate::hub::in_flight::InFlight;
    use crate::hub::{HistoryRule, HubConfig, Rule, Rules};
    use crate::worker::PreparedMessage;
    use crate::ws::Message;

    const AGE: Duration = Duration::from_secs(60);

    /// Makes an owner with one message in each of `topics` topics, and its queues.
    fn owner(topics: usize) -> (Owner, Peers) {
        owner_with(topics, 1)
    }

    /// Makes an owner with `messages` messages in each of `topics` topics, and its queues.
    fn owner_with(topics: usize, messages: u32) -> (Owner, Peers) {
        let history = HistoryRule { messages, bytes: 1 << 30, age: AGE };
        let rules = Rules::new(vec![Rule { history: Some(history), ..Rule::default() }]).unwrap();
        let config = Arc::new(HubConfig { rules, ..HubConfig::default() });
        let shared = Arc::new(LocalBrokerShared::new(config, NameHasher::new(None)));
        let mut owner = Owner::new(Arc::clone(&shared), Arc::default());
        let mut peers = Peers::new(Arc::clone(&shared), 0, 1, None);
        let in_flight = InFlight::new(1 << 20, 1, 1);
        for number in (0..messages as usize).flat_map(|_| 0..topics) {
            publish(&mut owner, &in_flight, &number.to_string(), &mut peers);
        }
        (owner, peers)
    }

    fn publish(owner: &mut Owner, in_flight: &Arc<InFlight>, topic: &str, peers: &mut Peers) {
        let hash = owner.shared.hasher.hash(topic);
        let reservation = in_flight.reserve(None, hash, 1).unwrap();
        let message = PreparedMessage::new(Message::Text("x"));
        let publish = Publish { topic: topic.into(), hash, message, reservation, reply_to: ReplyTo::Discard };
        owner.publish(publish, Duration::ZERO, peers);
    }

    #[test]
    fn what_is_too_old_is_gone_within_a_round_however_much_it_is() {
        for topics in [1, 64, 3_300, 60_000] {
            let (mut owner, _peers) = owner(topics);
            let (mut now, mut most) = (AGE, 0);
            // The round under way may have passed a topic just before the topic expired.
            while let Some(interval) = owner.sweep.interval() {
                let before = owner.topics();
                owner.sweep(now);
                most = most.max(before - owner.topics());
                now += interval;
                assert!(now <= AGE + 2 * ROUND_TIME + MAX_INTERVAL, "{topics}: {} are left", owner.topics());
            }
            assert_eq!(owner.topics(), 0);
            assert!(most <= MAX_PART.max(topics.div_ceil(50)), "{topics}: {most} in one part");
        }
    }

    #[test]
    fn much_that_grew_old_in_one_topic_is_freed_in_parts_between_which_others_have_their_turn() {
        for (topics, messages) in [(1, 100_000), (10, 10_000), (300, 300)] {
            let (mut owner, _peers) = owner_with(topics, messages);
            let shared = Arc::clone(&owner.shared);
            let each = shared.history() / (topics * messages as usize);
            let mut now = AGE;
            while let Some(interval) = owner.sweep.interval() {
                let before = shared.history();
                owner.sweep(now);
                let freed = (before - shared.history()) / each;
                assert!(freed <= FREED_PER_PART, "{topics} of {messages}: {freed} messages in one part");
                now += interval;
                assert!(
                    now <= AGE + 2 * ROUND_TIME + MAX_INTERVAL,
                    "{topics} of {messages}: {} are left",
                    owner.topics()
                );
            }
            assert_eq!((owner.topics(), shared.history()), (0, 0));
        }
    }

    #[test]
    fn room_for_a_topic_is_found_though_the_next_has_much_to_free() {
        let (mut owner, mut peers) = owner_with(1, 10_000);
        let shared = Arc::clone(&owner.shared);
        publish(&mut owner, &InFlight::new(1 << 20, 1, 1), "other", &mut peers);
        let before = shared.history();
        let late = AGE + Duration::from_nanos(1);
        assert!(!owner.evict(late) && owner.topics() == 2);
        assert!(before - shared.history() <= FREED_PER_EVICTION * 300);
        assert!(owner.evict(late) && owner.topics() == 1);
    }

    #[test]
    fn what_comes_in_a_round_is_looked_at_in_the_next() {
        let mut sweep = Sweep::default();
        (0..1_000).for_each(|topic| sweep.add(topic));
        let second = Duration::from_secs(1);
        assert_eq!([sweep.due(second), sweep.due(second)], [MIN_PART, 0], "a part at a time");
        (1_000..9_000).for_each(|topic| sweep.add(topic));
        let parts = (1..=15).map(|step| sweep.due(second + step * MAX_INTERVAL)).sum::<usize>();
        assert_eq!(parts, 1_000 - MIN_PART);
        assert_eq!(sweep.due(second + 16 * MAX_INTERVAL), 9_000_usize.div_ceil(50));
    }
}
