//! A topic's latest messages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::exchange::Exchange;
use super::message::{Item, measure};
use super::name::Name;
use super::rules::HistoryRule;
use super::v1;
use crate::worker::{Frame, PreparedMessage, message_of};

/// What keeping a message costs beside its payload, about.
const ITEM_COST: usize = 256;

/// For how long forms of messages are kept that were made for somebody who came back: others may come back with them.
const DRESSED: Duration = Duration::from_secs(5);

/// The latest messages of a topic, as many as its rule and the limit of all histories allow.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Oldest first, their offsets without a gap.
    kept: VecDeque<Kept>,
    /// The offset of the oldest.
    first: u64,
    /// Bytes of their payloads.
    bytes: usize,
    /// Bytes set aside for forms of them, and how many have such.
    forms: usize,
    dressed: usize,
}

/// A message: its frame, which those who get it now have, too, but none of the forms that they need.
#[derive(Debug)]
struct Kept {
    time: Duration,
    frame: Frame,
    dressed: Option<Box<Dressed>>,
}

/// A message with the forms that were made of it for those who come back.
#[derive(Debug)]
struct Dressed {
    item: Arc<Item>,
    since: Duration,
    /// The most that its forms come to.
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
        self.kept.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes set aside for forms.
    pub(crate) const fn forms(&self) -> usize {
        self.forms
    }

    /// Keeps a message, if its rule allows it, at the expense of older ones.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        frame: &Frame,
        now: Duration,
        rule: &HistoryRule,
        exchange: &Exchange,
    ) {
        let bytes = len_of(frame);
        if rule.is_off() || bytes > rule.bytes {
            // A gap in the middle would be worse than less of the past.
            return self.clear(exchange);
        }
        while self.kept.len() >= rule.messages as usize || self.bytes + bytes > rule.bytes {
            self.pop(exchange);
        }
        while !exchange.add_history(bytes + ITEM_COST) {
            // Forms can be made again.
            if self.dressed > 0 {
                (0..self.kept.len()).for_each(|at| self.undress_at(at, exchange));
            } else if !self.pop(exchange) {
                return;
            }
        }
        if self.kept.is_empty() {
            self.first = offset;
        }
        self.bytes += bytes;
        self.kept.push_back(Kept { time: now, frame: Frame::clone(frame), dressed: None });
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Duration, rule: &HistoryRule, exchange: &Exchange) {
        while self.kept.front().is_some_and(|kept| now.saturating_sub(kept.time) > rule.age) {
            self.pop(exchange);
        }
        if self.kept.capacity() > 64 && self.kept.len() < self.kept.capacity() / 4 {
            self.kept.shrink_to(2 * self.kept.len());
        }
    }

    /// Gives up forms that were made a while ago.
    pub(crate) fn undress(&mut self, now: Duration, exchange: &Exchange) {
        if self.dressed == 0 {
            return;
        }
        for at in 0..self.kept.len() {
            let dressed = self.kept[at].dressed.as_ref();
            if dressed.is_some_and(|dressed| now.saturating_sub(dressed.since) > DRESSED) {
                self.undress_at(at, exchange);
            }
        }
    }

    fn undress_at(&mut self, at: usize, exchange: &Exchange) {
        if let Some(dressed) = self.kept[at].dressed.take() {
            self.forms -= dressed.bytes;
            self.dressed -= 1;
            exchange.remove_forms(dressed.bytes);
        }
    }

    pub(crate) fn clear(&mut self, exchange: &Exchange) {
        while self.pop(exchange) {}
    }

    fn pop(&mut self, exchange: &Exchange) -> bool {
        if self.kept.is_empty() {
            return false;
        }
        self.undress_at(0, exchange);
        let bytes = self.kept.pop_front().map_or(0, |kept| len_of(&kept.frame));
        self.first += 1;
        self.bytes -= bytes;
        exchange.remove_history(bytes + ITEM_COST);
        true
    }

    /// What follows `offset`, as much of it as there is: at most so many messages of at most so many bytes together, names and places
    /// included, but one at least. `latest` is the topic's latest offset; `item` makes an item of the message at a place.
    pub(crate) fn behind(
        &mut self,
        offset: u64,
        latest: u64,
        (messages, bytes): (usize, usize),
        item: impl Fn(&mut Self, usize) -> Arc<Item>,
    ) -> Missed {
        let first = if self.kept.is_empty() { latest + 1 } else { self.first };
        let from = offset.max(first - 1);
        let skip = usize::try_from(from + 1 - first).unwrap_or(usize::MAX);
        let (mut items, mut sum) = (Vec::new(), 0);
        for at in skip..self.kept.len() {
            sum += measure(len_of(&self.kept[at].frame));
            if items.len() == messages || (sum > bytes && !items.is_empty()) {
                return Missed { from, items, more: true };
            }
            items.push(item(self, at));
        }
        Missed { from, items, more: false }
    }

    /// The message at a place, for somebody who has missed it. The forms that are made of it are kept with it for a while if there is
    /// room for them, so that they are not made anew for each of many who come back together.
    pub(crate) fn item(
        &mut self,
        at: usize,
        topic: &Name,
        hash: u64,
        now: Duration,
        exchange: &Exchange,
    ) -> Arc<Item> {
        let kept = &mut self.kept[at];
        if let Some(dressed) = &kept.dressed {
            return Arc::clone(&dressed.item);
        }
        let message = PreparedMessage::of_frame(Frame::clone(&kept.frame));
        // One, and as much again when it is compressed. Only clients of `throng.v1` say what they have seen.
        let bytes = ITEM_COST + 2 * v1::most_bytes(topic, &message);
        let item = Arc::new(Item::new(Name::clone(topic), hash, self.first + at as u64, message, None));
        if exchange.add_forms(bytes) {
            self.forms += bytes;
            self.dressed += 1;
            kept.dressed = Some(Box::new(Dressed { item: Arc::clone(&item), since: now, bytes }));
        }
        item
    }
}

/// Bytes of a frame's payload.
fn len_of(frame: &Frame) -> usize {
    message_of(frame).map_or(0, |(_, payload)| payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HubConfig;
    use crate::ws::Message;

    const RULE: HistoryRule = HistoryRule { messages: 4, bytes: 100, age: Duration::from_secs(10) };

    fn frame(bytes: usize) -> Frame {
        Frame::clone(PreparedMessage::new(Message::Binary(&vec![0; bytes])).plain())
    }

    /// Keeps a message of so many bytes.
    fn push(history: &mut History, offset: u64, bytes: usize, now: Duration, exchange: &Exchange) {
        history.push(offset, &frame(bytes), now, &RULE, exchange);
    }

    /// What follows an offset.
    fn behind(
        history: &mut History,
        offset: u64,
        latest: u64,
        most: (usize, usize),
        exchange: &Exchange,
    ) -> Missed {
        let topic: Name = "t".into();
        history
            .behind(offset, latest, most, |history, at| history.item(at, &topic, 0, Duration::ZERO, exchange))
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
        (1..=6).for_each(|offset| push(&mut history, offset, 10, second, &exchange));
        assert_eq!((history.len(), history.bytes()), (4, 40));
        push(&mut history, 7, 80, 2 * second, &exchange);
        assert_eq!((history.len(), history.bytes()), (3, 100));
        history.expire(11 * second, &RULE, &exchange);
        assert_eq!(history.len(), 3, "ten seconds are allowed");
        history.expire(11 * second + Duration::from_nanos(1), &RULE, &exchange);
        assert_eq!(history.len(), 1);
        // What fits nowhere leaves no gap behind it.
        push(&mut history, 8, 101, 3 * second, &exchange);
        assert_eq!((history.len(), history.bytes()), (0, 0));
        assert!(exchange.add_history(1 << 20), "everything was given back");
    }

    #[test]
    fn the_limit_of_all_histories_is_kept_at_the_expense_of_the_own_past() {
        let (exchange, mut one, mut other) =
            (exchange(3 * (ITEM_COST + 10)), History::default(), History::default());
        (1..=2).for_each(|offset| push(&mut one, offset, 10, Duration::ZERO, &exchange));
        (1..=3).for_each(|offset| push(&mut other, offset, 10, Duration::ZERO, &exchange));
        assert_eq!((one.len(), other.len()), (2, 1));
        assert_eq!(offsets(&behind(&mut other, 0, 3, (9, 99_999), &exchange)), [3]);
        one.clear(&exchange);
        push(&mut other, 4, 10, Duration::ZERO, &exchange);
        assert_eq!(offsets(&behind(&mut other, 0, 4, (9, 99_999), &exchange)), [3, 4]);
    }

    #[test]
    fn what_was_missed_comes_in_pieces_and_says_where_it_begins() {
        let (exchange, mut history) = (exchange(1 << 20), History::default());
        (1..=6).for_each(|offset| push(&mut history, offset, 10, Duration::ZERO, &exchange));
        let cases = [
            (0, 9, 99_999, 2, &[3, 4, 5, 6][..], false),
            (4, 9, 99_999, 4, &[5, 6], false),
            (6, 9, 99_999, 6, &[], false),
        ];
        for (offset, messages, bytes, from, expected, more) in cases {
            let missed = behind(&mut history, offset, 6, (messages, bytes), &exchange);
            assert_eq!((missed.from, offsets(&missed), missed.more), (from, expected.to_vec(), more));
        }
        let missed = behind(&mut history, 2, 6, (3, 99_999), &exchange);
        assert_eq!((offsets(&missed), missed.more), (vec![3, 4, 5], true));
        let missed = behind(&mut history, 2, 6, (9, 2 * measure(10)), &exchange);
        assert_eq!((offsets(&missed), missed.more), (vec![3, 4], true));
        let missed = behind(&mut history, 2, 6, (9, 2 * measure(10) - 1), &exchange);
        assert_eq!((offsets(&missed), missed.more), (vec![3], true));
        let nothing = behind(&mut History::default(), 5, 6, (9, 99_999), &exchange);
        assert_eq!((nothing.from, nothing.items.len()), (6, 0));
    }

    #[test]
    fn forms_are_kept_for_a_while_and_count() {
        let (exchange, mut history) = (exchange(1 << 20), History::default());
        (1..=3).for_each(|offset| push(&mut history, offset, 30, Duration::ZERO, &exchange));
        let all = |history: &mut History| behind(history, 0, 3, (9, 99_999), &exchange).items;
        let (first, again) = (all(&mut history), all(&mut history));
        assert!(first.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)), "they are made once");
        let forms = history.forms();
        let made: usize = first.iter().map(|item| item.v1().plain().len()).sum();
        assert!(forms >= 2 * made && forms <= 2 * (made + 3 * ITEM_COST), "{forms} for {made}");
        let rest = (1 << 20) - forms - 3 * (ITEM_COST + 30);
        assert!(exchange.add_history(rest) && !exchange.add_history(1));
        history.undress(DRESSED, &exchange);
        assert_eq!(history.forms(), forms);
        history.undress(DRESSED + Duration::from_nanos(1), &exchange);
        assert_eq!(history.forms(), 0);
        assert!(exchange.add_history(forms) && !exchange.add_history(1));
        assert!(!all(&mut history).iter().zip(&first).any(|(one, other)| Arc::ptr_eq(one, other)));
    }

    #[test]
    fn forms_take_a_quarter_at_most_and_give_way_to_messages() {
        // Room for four messages, and for the forms of one.
        let each = ITEM_COST + 20;
        let (exchange, mut history) = (exchange(4 * each), History::default());
        (1..=2).for_each(|offset| push(&mut history, offset, 20, Duration::ZERO, &exchange));
        assert!(!exchange.add_forms(each + 1) && exchange.add_forms(each));
        exchange.remove_forms(each);
        let missed = behind(&mut history, 0, 2, (9, 99_999), &exchange);
        assert_eq!((offsets(&missed), history.forms()), (vec![1, 2], 0), "there is no room to keep any");
        assert!(missed.items.iter().all(|item| item.v1().is_text()));
        let (exchange, mut history) = (self::exchange(4 * 1024), History::default());
        (1..=4).for_each(|offset| push(&mut history, offset, 20, Duration::ZERO, &exchange));
        behind(&mut history, 0, 4, (9, 99_999), &exchange);
        assert!(history.forms() > 0 && history.forms() <= 1024);
        assert!(exchange.add_history(4 * 1024 - 4 * each - history.forms()));
        push(&mut history, 5, 20, Duration::ZERO, &exchange);
        // Its rule has four; the oldest has gone for that, and no other.
        assert_eq!((history.len(), history.bytes()), (4, 80));
        history.clear(&exchange);
        assert_eq!((history.forms(), history.bytes()), (0, 0));
    }
}
