//! What a home keeps without subscribers, freed when it is too old.

use std::time::Duration;

use super::home::Home;
use crate::budget::EVICTION_LOOKS;

/// Small messages whose memory is freed when room for a topic is looked for.
const FREED_FOR_ONE: usize = 256;

/// Small messages whose memory is freed with a part, or as many that take as long. Where there are more, another iteration goes on.
const FREED: usize = 4096;

impl Home {
    /// Forgets messages that are too old, and topics with them.
    pub(crate) fn sweep(&mut self, now: Duration) {
        let due = self.keeping.due(now);
        // One of another home's may want the room.
        let is_short = due > 0 && self.exchange.is_short_of_topics();
        let mut budget = FREED;
        for at in 0..due {
            if budget == 0 || self.sweep_next(now, is_short, &mut budget) == Swept::More {
                self.keeping.put_off = due - at;
                break;
            }
        }
        self.keeping.rest();
    }

    /// Looks for a topic that stays for no messages and no subscribers, and removes it. Only a part of the topics is looked at, the
    /// next one the next time.
    pub(super) fn evict(&mut self, now: Duration) -> bool {
        let mut budget = FREED_FOR_ONE;
        for _ in 0..EVICTION_LOOKS.min(self.keeping.queue.len()) {
            match self.sweep_next(now, true, &mut budget) {
                Swept::Gone => return true,
                Swept::Stays => {}
                Swept::More => {
                    // The next one that needs room looks at others.
                    self.keeping.queue.rotate_left(1);
                    return false;
                }
            }
        }
        false
    }

    /// Looks at the next topic.
    fn sweep_next(&mut self, now: Duration, is_short: bool, budget: &mut usize) -> Swept {
        let Some(at) = self.keeping.queue.pop_front() else { return Swept::Stays };
        let Self { topics, exchange, counters, .. } = self;
        let Some(topic) = topics.get_mut(at as usize).filter(|topic| topic.keeps) else {
            return Swept::Stays;
        };
        let rule = exchange.config.rules.of(&topic.name).history;
        let has_more = topic.change_history(counters, |history| {
            history.expire(now, &rule);
            history.tidy(now, budget, exchange)
        });
        if has_more {
            self.keeping.queue.push_front(at);
            return Swept::More;
        }
        if topic.stays(now, rule.age, is_short) {
            self.keeping.queue.push_back(at);
            return Swept::Stays;
        }
        topic.keeps = false;
        let hash = exchange.hash(&topic.name);
        let is_wanted = topic.is_wanted();
        self.remove_if_unused(at, hash);
        if is_wanted { Swept::Stays } else { Swept::Gone }
    }
}

/// What a look at a topic came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    /// The topic is gone.
    Gone,
    Stays,
    /// It has to be gone on with: the budget of what is freed is used up.
    More,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::hub::exchange::{Ends, Exchange};
    use crate::hub::mail::Asker;
    use crate::hub::posts::Posts;
    use crate::hub::sweep::{LEAST, MOST, ROUND, STEP, Sweep};
    use crate::hub::{HistoryRule, HubConfig, Rule, Rules};
    use crate::worker::PreparedMessage;
    use crate::ws::Message;

    const AGE: Duration = Duration::from_secs(60);

    /// A home with a message in each of so many topics, and the posts that it sends nothing with.
    fn home(topics: usize) -> (Home, Posts) {
        home_with(topics, 1)
    }

    /// The same with so many messages in each.
    fn home_with(topics: usize, messages: u32) -> (Home, Posts) {
        let history = HistoryRule { messages, bytes: 1 << 30, age: AGE };
        let rules = Rules::new(vec![Rule { history: Some(history), ..Rule::default() }]).unwrap();
        let exchange = Arc::new(Exchange::new(HubConfig { rules, ..HubConfig::default() }));
        let (mut home, mut posts) =
            (Home::new(Arc::clone(&exchange), &Ends::alone()), Posts::new(Arc::clone(&exchange), 1));
        let message = PreparedMessage::new(Message::Text("x"));
        for number in (0..messages as usize).flat_map(|_| 0..topics) {
            let name = number.to_string();
            let hash = exchange.hash(&name);
            let freight = exchange.ledger.admit(None, hash, 1).unwrap();
            let (name, message) = (name.into(), message.clone());
            home.publish(name, hash, message, freight, Asker::Nobody, Duration::ZERO, &mut posts);
        }
        (home, posts)
    }

    #[test]
    fn what_is_too_old_is_gone_within_a_round_however_much_it_is() {
        for topics in [1, 64, 3_300, 60_000] {
            let (mut home, _posts) = home(topics);
            let (mut now, mut most) = (AGE, 0);
            // The round under way may have passed it when it grew too old.
            while let Some(step) = home.keeping.step() {
                let before = home.topics();
                home.sweep(now);
                most = most.max(before - home.topics());
                now += step;
                assert!(now <= AGE + 2 * ROUND + STEP, "{topics}: {} are left", home.topics());
            }
            assert_eq!(home.topics(), 0);
            assert!(most <= MOST.max(topics.div_ceil(50)), "{topics}: {most} in one part");
        }
    }

    #[test]
    fn much_that_grew_old_in_one_topic_is_freed_in_parts_between_which_others_have_their_turn() {
        for (topics, messages) in [(1, 100_000), (10, 10_000), (300, 300)] {
            let (mut home, _posts) = home_with(topics, messages);
            let exchange = Arc::clone(&home.exchange);
            let each = exchange.history() / (topics * messages as usize);
            let mut now = AGE;
            while let Some(step) = home.keeping.step() {
                let before = exchange.history();
                home.sweep(now);
                let freed = (before - exchange.history()) / each;
                assert!(freed <= FREED, "{topics} of {messages}: {freed} messages in one part");
                now += step;
                assert!(now <= AGE + 2 * ROUND + STEP, "{topics} of {messages}: {} are left", home.topics());
            }
            assert_eq!((home.topics(), exchange.history()), (0, 0));
        }
    }

    #[test]
    fn room_for_a_topic_is_found_though_the_next_has_much_to_free() {
        let (mut home, mut posts) = home_with(1, 10_000);
        let exchange = Arc::clone(&home.exchange);
        let hash = exchange.hash("other");
        let freight = exchange.ledger.admit(None, hash, 1).unwrap();
        let message = PreparedMessage::new(Message::Text("x"));
        home.publish("other".into(), hash, message, freight, Asker::Nobody, Duration::ZERO, &mut posts);
        let before = exchange.history();
        let late = AGE + Duration::from_nanos(1);
        assert!(!home.evict(late) && home.topics() == 2);
        assert!(before - exchange.history() <= FREED_FOR_ONE * 300);
        assert!(home.evict(late) && home.topics() == 1);
    }

    #[test]
    fn what_comes_in_a_round_is_looked_at_in_the_next() {
        let mut sweep = Sweep::default();
        (0..1_000).for_each(|topic| sweep.add(topic));
        let second = Duration::from_secs(1);
        assert_eq!([sweep.due(second), sweep.due(second)], [LEAST, 0], "a part at a time");
        (1_000..9_000).for_each(|topic| sweep.add(topic));
        let parts = (1..=15).map(|step| sweep.due(second + step * STEP)).sum::<usize>();
        assert_eq!(parts, 1_000 - LEAST);
        assert_eq!(sweep.due(second + 16 * STEP), 9_000_usize.div_ceil(50));
    }
}
