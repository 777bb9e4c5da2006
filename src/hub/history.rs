//! A topic's latest messages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::Exchange;
use super::message::Item;
use super::rules::HistoryRule;

/// What keeping a message costs beside its payload, about.
const ITEM_COST: usize = 256;

/// The latest messages of a topic, as many as its rule and the limit of all histories allow.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// With the time each came at, oldest first, their offsets without a gap.
    items: VecDeque<(Duration, Arc<Item>)>,
    /// Bytes of their payloads.
    bytes: usize,
}

/// What there is behind an offset.
#[derive(Debug)]
pub(crate) struct Missed {
    /// The offset in front of `items`.
    pub(crate) from: u64,
    pub(crate) items: Vec<Arc<Item>>,
    /// There is more behind them.
    pub(crate) more: bool,
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a message, if its rule allows it, at the expense of older ones.
    pub(crate) fn push(&mut self, item: Arc<Item>, now: Duration, rule: &HistoryRule, exchange: &Exchange) {
        let bytes = item.bytes();
        if rule.is_off() || bytes > rule.bytes {
            // A gap in the middle would be worse than less of the past.
            return self.clear(exchange);
        }
        while self.items.len() >= rule.messages as usize || self.bytes + bytes > rule.bytes {
            self.pop(exchange);
        }
        while !exchange.add_history(bytes + ITEM_COST) {
            if !self.pop(exchange) {
                return;
            }
        }
        self.bytes += bytes;
        self.items.push_back((now, item));
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Duration, rule: &HistoryRule, exchange: &Exchange) {
        while self.items.front().is_some_and(|(time, _)| now.saturating_sub(*time) > rule.age) {
            self.pop(exchange);
        }
        if self.items.capacity() > 64 && self.items.len() < self.items.capacity() / 4 {
            self.items.shrink_to(2 * self.items.len());
        }
    }

    pub(crate) fn clear(&mut self, exchange: &Exchange) {
        while self.pop(exchange) {}
    }

    fn pop(&mut self, exchange: &Exchange) -> bool {
        let Some((_, item)) = self.items.pop_front() else { return false };
        self.bytes -= item.bytes();
        exchange.remove_history(item.bytes() + ITEM_COST);
        true
    }

    /// What follows `offset`, as much of it as there is: at most `messages` of at most `bytes` together, but one at least. `latest` is
    /// the topic's latest offset.
    pub(crate) fn behind(&self, offset: u64, latest: u64, messages: usize, bytes: usize) -> Missed {
        let first = self.items.front().map_or(latest + 1, |(_, item)| item.offset);
        let from = offset.max(first - 1);
        let skip = usize::try_from(from + 1 - first).unwrap_or(usize::MAX);
        let (mut items, mut sum) = (Vec::new(), 0);
        for (_, item) in self.items.iter().skip(skip) {
            sum += item.bytes();
            if items.len() == messages || (sum > bytes && !items.is_empty()) {
                return Missed { from, items, more: true };
            }
            items.push(Arc::clone(item));
        }
        Missed { from, items, more: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HubConfig;
    use crate::worker::PreparedMessage;
    use crate::ws::Message;

    const RULE: HistoryRule = HistoryRule { messages: 4, bytes: 100, age: Duration::from_secs(10) };

    fn item(offset: u64, bytes: usize) -> Arc<Item> {
        let message = PreparedMessage::new(Message::Binary(&vec![0; bytes]));
        Arc::new(Item::new("t".into(), 0, offset, message))
    }

    fn exchange(limit: usize) -> Exchange {
        Exchange::new(HubConfig { history_limit: limit, ..HubConfig::default() })
    }

    fn offsets(missed: &Missed) -> Vec<u64> {
        missed.items.iter().map(|item| item.offset).collect()
    }

    #[test]
    fn each_limit_of_the_rule_holds() {
        let (exchange, mut history) = (exchange(1 << 20), History::default());
        let second = Duration::from_secs(1);
        (1..=6).for_each(|offset| history.push(item(offset, 10), second, &RULE, &exchange));
        assert_eq!((history.len(), history.bytes()), (4, 40));
        history.push(item(7, 80), 2 * second, &RULE, &exchange);
        assert_eq!((history.len(), history.bytes()), (3, 100));
        history.expire(11 * second, &RULE, &exchange);
        assert_eq!(history.len(), 3, "ten seconds are allowed");
        history.expire(11 * second + Duration::from_nanos(1), &RULE, &exchange);
        assert_eq!(history.len(), 1);
        // What fits nowhere leaves no gap behind it.
        history.push(item(8, 101), 3 * second, &RULE, &exchange);
        assert_eq!((history.len(), history.bytes()), (0, 0));
        assert!(exchange.add_history(1 << 20), "everything was given back");
    }

    #[test]
    fn the_limit_of_all_histories_is_kept_at_the_expense_of_the_own_past() {
        let (exchange, mut one, mut other) =
            (exchange(3 * (ITEM_COST + 10)), History::default(), History::default());
        (1..=2).for_each(|offset| one.push(item(offset, 10), Duration::ZERO, &RULE, &exchange));
        (1..=3).for_each(|offset| other.push(item(offset, 10), Duration::ZERO, &RULE, &exchange));
        assert_eq!((one.len(), other.len()), (2, 1));
        assert_eq!(offsets(&other.behind(0, 3, 9, 999)), [3]);
        one.clear(&exchange);
        other.push(item(4, 10), Duration::ZERO, &RULE, &exchange);
        assert_eq!(offsets(&other.behind(0, 4, 9, 999)), [3, 4]);
    }

    #[test]
    fn what_was_missed_comes_in_pieces_and_says_where_it_begins() {
        let (exchange, mut history) = (exchange(1 << 20), History::default());
        (1..=6).for_each(|offset| history.push(item(offset, 10), Duration::ZERO, &RULE, &exchange));
        let cases = [
            (0, 9, 999, 2, &[3, 4, 5, 6][..], false),
            (4, 9, 999, 4, &[5, 6], false),
            (6, 9, 999, 6, &[], false),
        ];
        for (offset, messages, bytes, from, expected, more) in cases {
            let missed = history.behind(offset, 6, messages, bytes);
            assert_eq!((missed.from, offsets(&missed), missed.more), (from, expected.to_vec(), more));
        }
        let missed = history.behind(2, 6, 3, 999);
        assert_eq!((offsets(&missed), missed.more), (vec![3, 4, 5], true));
        let missed = history.behind(2, 6, 9, 20);
        assert_eq!((offsets(&missed), missed.more), (vec![3, 4], true));
        let missed = history.behind(2, 6, 9, 1);
        assert_eq!((offsets(&missed), missed.more), (vec![3], true));
        let nothing = History::default().behind(5, 6, 9, 999);
        assert_eq!((nothing.from, nothing.items.len()), (6, 0));
    }
}
