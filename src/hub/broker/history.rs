//! A topic's history: its latest messages.
//!
//! Messages that are expired or have to make room are *forgotten* at once, however many they are: no subscriber gets them any more, and the
//! topic's rule no longer counts them. Their memory is freed a few messages at a time. Until then, the limit of all histories counts it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::shared::LocalShared;
use crate::base::spare::free_spare;
use crate::budget::SMALL_LIST_KEEP;
use crate::hub::name::Name;
use crate::hub::publication::{Publication, max_encoded_bytes, measure};
use crate::hub::rules::HistoryRule;
use crate::worker::{Frame, PreparedMessage, message_of};

/// Approximate bytes that a message in a history costs beside its payload.
pub(crate) const ITEM_COST: usize = 256;

/// How long a history keeps the encodings of a message that were made for a recovering subscriber. Other subscribers may recover at the
/// same time.
const CACHED_FOR: Duration = Duration::from_secs(5);

/// Messages that a linear search checks for expiry before a binary search begins.
const FEW: usize = 4;
/// Messages freed with each message that is added, beside those that its bytes allow. It is more than one, so that a steady stream leaves
/// none.
const FREED_WITH_ONE: usize = 4;
/// Bytes whose freeing takes as long as that of a small message.
const FREED_AT_ONCE: usize = 4096;

/// The latest messages of a topic, limited by its rule and by the limit of all histories.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The messages, oldest first. The first `forgotten` have still to be freed. The offsets of the others are consecutive.
    kept: VecDeque<Kept>,
    forgotten: usize,
    /// The offset of the oldest message that is not forgotten.
    first: u64,
    /// Payload bytes of all messages that were ever kept.
    sum: u64,
    /// Bytes reserved for encodings.
    forms: usize,
    /// Offsets of the messages with cached encodings, in the order in which these were made. Such a message may have been forgotten since.
    cached: VecDeque<u64>,
}

/// A message in a history. It shares its frame with the outboxes of subscribers.
#[derive(Debug)]
struct Kept {
    time: Duration,
    /// Payload bytes of all messages that were kept before this one.
    before: u64,
    frame: Frame,
    cached: Option<Box<Cached>>,
}

/// A message with the encodings that were made of it for recovering subscribers.
#[derive(Debug)]
struct Cached {
    publication: Arc<Publication>,
    since: Duration,
    /// Most bytes of all its encodings together.
    bytes: usize,
}

/// Messages after an offset.
#[derive(Debug)]
pub(crate) struct Missed {
    /// The offset before the first of `publications`.
    pub(crate) from: u64,
    pub(crate) publications: Vec<Arc<Publication>>,
    /// The history has more messages after `publications`.
    pub(crate) more: bool,
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.kept.len() - self.forgotten
    }

    /// Returns the payload bytes of the messages.
    pub(crate) fn bytes(&self) -> usize {
        let before = self.kept.get(self.forgotten).map_or(self.sum, |kept| kept.before);
        usize::try_from(self.sum - before).unwrap_or(usize::MAX)
    }

    /// Returns the bytes reserved for encodings.
    pub(crate) const fn forms(&self) -> usize {
        self.forms
    }

    /// Returns whether the history takes no memory: it has no messages, and none that have still to be freed.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds a message, if the rule allows it, and forgets older ones to make room.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        frame: &Frame,
        now: Duration,
        rule: &HistoryRule,
        shared: &LocalShared,
    ) {
        let bytes = len_of(frame);
        let mut freed = FREED_WITH_ONE + bytes / FREED_AT_ONCE;
        if rule.is_off() || bytes > rule.bytes {
            // A shorter history is better than one with a gap.
            self.forget(self.kept.len());
            self.free(&mut freed, shared);
            return;
        }
        self.forget((self.kept.len() + 1).saturating_sub(rule.messages as usize));
        let least = self.sum.saturating_sub((rule.bytes - bytes) as u64);
        self.forget_while(|kept| kept.before < least);
        // At most one iteration for each 256 bytes of this message.
        while !shared.add_history(bytes + ITEM_COST) {
            // Encodings can be made again, messages cannot.
            if self.forgotten == 0 && self.drop_first_cached(shared) {
                continue;
            }
            self.forget(1);
            if !self.free_first(shared) {
                return;
            }
        }
        if self.len() == 0 {
            self.first = offset;
        }
        let kept = Kept { time: now, before: self.sum, frame: Frame::clone(frame), cached: None };
        self.sum += bytes as u64;
        self.kept.push_back(kept);
        self.free(&mut freed, shared);
    }

    /// Forgets expired messages.
    pub(crate) fn expire(&mut self, now: Duration, rule: &HistoryRule) {
        self.forget_while(|kept| now.saturating_sub(kept.time) > rule.age);
    }

    /// Forgets the oldest messages for which `is_over` returns `true`. It must return `false` for all messages after the first for which it
    /// does.
    fn forget_while(&mut self, is_over: impl Fn(&Kept) -> bool) {
        let few = self.kept.range(self.forgotten..).take(FEW).position(|kept| !is_over(kept));
        self.forget(few.map_or_else(|| self.kept.partition_point(&is_over), |few| self.forgotten + few));
    }

    /// Forgets all messages before an index of `kept`.
    fn forget(&mut self, end: usize) {
        let end = end.clamp(self.forgotten, self.kept.len());
        self.first += (end - self.forgotten) as u64;
        self.forgotten = end;
    }

    /// Frees forgotten messages and old encodings, as far as the budget goes, which counts small messages. Returns `true` where there are
    /// more.
    pub(crate) fn tidy(&mut self, now: Duration, budget: &mut usize, shared: &LocalShared) -> bool {
        while let Some(&offset) = self.cached.front() {
            if self.cached_of(offset).is_some_and(|cached| now.saturating_sub(cached.since) <= CACHED_FOR) {
                break;
            }
            if *budget == 0 {
                return true;
            }
            let before = self.forms;
            self.drop_first_cached(shared);
            spend(budget, before - self.forms);
        }
        free_spare(&mut self.cached, SMALL_LIST_KEEP);
        self.free(budget, shared)
    }

    /// Frees forgotten messages, as far as the budget goes. Returns `true` where there are more.
    fn free(&mut self, budget: &mut usize, shared: &LocalShared) -> bool {
        while self.forgotten > 0 {
            if *budget == 0 {
                return true;
            }
            let first = self.kept.front();
            spend(budget, first.map_or(0, |kept| len_of(&kept.frame)));
            self.free_first(shared);
        }
        if self.kept.capacity() > 64 && self.kept.len() < self.kept.capacity() / 4 {
            self.kept.shrink_to(2 * self.kept.len());
        }
        false
    }

    /// Frees the first forgotten message. Returns `false` where there is none.
    fn free_first(&mut self, shared: &LocalShared) -> bool {
        if self.forgotten == 0 {
            return false;
        }
        self.forgotten -= 1;
        if let Some(mut kept) = self.kept.pop_front() {
            self.drop_cached(kept.cached.take(), shared);
            shared.remove_history(len_of(&kept.frame) + ITEM_COST);
        }
        true
    }

    /// Drops the oldest encodings. Returns `false` where there are none.
    fn drop_first_cached(&mut self, shared: &LocalShared) -> bool {
        let Some(offset) = self.cached.pop_front() else { return false };
        // The encodings of a forgotten message are dropped when that message is freed.
        let place = self.place_of(offset);
        let cached = place.and_then(|at| self.kept.get_mut(at)).and_then(|kept| kept.cached.take());
        self.drop_cached(cached, shared);
        true
    }

    fn drop_cached(&mut self, cached: Option<Box<Cached>>, shared: &LocalShared) {
        if let Some(cached) = cached {
            self.forms -= cached.bytes;
            shared.remove_forms(cached.bytes);
        }
    }

    fn cached_of(&self, offset: u64) -> Option<&Cached> {
        self.kept.get(self.place_of(offset)?)?.cached.as_deref()
    }

    /// Returns the index in `kept` of the message with an offset; `None` for an offset before the first message.
    fn place_of(&self, offset: u64) -> Option<usize> {
        let behind = usize::try_from(offset.checked_sub(self.first)?).ok()?;
        Some(self.forgotten + behind)
    }

    /// Returns the messages after `offset`: at most `messages` messages of at most `bytes` bytes together, including names and positions,
    /// but at least one message if there is any. `latest` is the topic's latest offset. `publication` makes the publication of the message
    /// at an index.
    pub(crate) fn behind(
        &mut self,
        offset: u64,
        latest: u64,
        (messages, bytes): (usize, usize),
        publication: impl Fn(&mut Self, usize) -> Arc<Publication>,
    ) -> Missed {
        let first = if self.len() == 0 { latest + 1 } else { self.first };
        let from = offset.max(first - 1);
        let skip = usize::try_from(from + 1 - first).unwrap_or(usize::MAX).saturating_add(self.forgotten);
        let (mut publications, mut sum) = (Vec::new(), 0);
        for at in skip..self.kept.len() {
            sum += measure(len_of(&self.kept[at].frame));
            if publications.len() == messages || (sum > bytes && !publications.is_empty()) {
                return Missed { from, publications, more: true };
            }
            publications.push(publication(self, at));
        }
        Missed { from, publications, more: false }
    }

    /// Returns the message at an index of `kept`, for a subscriber that has missed it. The history caches the encodings for a while if
    /// there is room for them, so that many subscribers that recover at the same time share them.
    pub(crate) fn publication(
        &mut self,
        at: usize,
        topic: &Name,
        hash: u64,
        now: Duration,
        shared: &LocalShared,
    ) -> Arc<Publication> {
        let offset = self.first + (at - self.forgotten) as u64;
        let kept = &mut self.kept[at];
        if let Some(cached) = &kept.cached {
            return Arc::clone(&cached.publication);
        }
        let message = PreparedMessage::of_frame(Frame::clone(&kept.frame));
        // One encoding, and as much again for its compressed form. Only clients of `throng.v1` can recover missed messages.
        let bytes = ITEM_COST + 2 * max_encoded_bytes(topic, &message);
        let publication = Arc::new(Publication::new(Name::clone(topic), hash, offset, message, None));
        if shared.add_forms(bytes) {
            self.forms += bytes;
            self.cached.push_back(offset);
            kept.cached = Some(Box::new(Cached { publication: Arc::clone(&publication), since: now, bytes }));
        }
        publication
    }
}

/// Subtracts the cost of freeing `bytes` bytes from a budget.
const fn spend(budget: &mut usize, bytes: usize) {
    *budget = budget.saturating_sub(1 + bytes / FREED_AT_ONCE);
}

/// Returns the payload bytes of a frame.
fn len_of(frame: &Frame) -> usize {
    message_of(frame).map_or(0, |(_, payload)| payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HubConfig;
    use crate::hub::dialect::Dialect;
    use crate::hub::hash::NameHasher;
    use crate::ws::Message;

    const RULE: HistoryRule = HistoryRule { messages: 4, bytes: 100, age: Duration::from_secs(10) };

    fn frame(bytes: usize) -> Frame {
        Frame::clone(PreparedMessage::new(Message::Binary(&vec![0; bytes])).frame())
    }

    /// Adds a message of `bytes` bytes.
    fn push(history: &mut History, offset: u64, bytes: usize, now: Duration, shared: &LocalShared) {
        history.push(offset, &frame(bytes), now, &RULE, shared);
    }

    /// Returns the messages after an offset.
    fn behind(
        history: &mut History,
        offset: u64,
        latest: u64,
        most: (usize, usize),
        shared: &LocalShared,
    ) -> Missed {
        let topic: Name = "t".into();
        history.behind(offset, latest, most, |history, at| {
            history.publication(at, &topic, 0, Duration::ZERO, shared)
        })
    }

    fn tidy(history: &mut History, now: Duration, mut budget: usize, shared: &LocalShared) -> bool {
        history.tidy(now, &mut budget, shared)
    }

    /// Forgets and frees all messages.
    fn clear(history: &mut History, shared: &LocalShared) {
        history.forget(usize::MAX);
        assert!(!tidy(history, Duration::ZERO, 999, shared) && history.holds_nothing());
    }

    fn shared(limit: usize) -> LocalShared {
        let config = Arc::new(HubConfig { history_limit: limit, ..HubConfig::default() });
        LocalShared::new(config, NameHasher::new(None))
    }

    fn offsets(missed: &Missed) -> Vec<u64> {
        missed.publications.iter().map(|publication| publication.offset).collect()
    }

    #[test]
    fn each_limit_of_the_rule_holds() {
        let (shared, mut history) = (shared(1 << 20), History::default());
        let second = Duration::from_secs(1);
        (1..=6).for_each(|offset| push(&mut history, offset, 10, second, &shared));
        assert_eq!((history.len(), history.bytes()), (4, 40));
        push(&mut history, 7, 80, 2 * second, &shared);
        assert_eq!((history.len(), history.bytes()), (3, 100));
        history.expire(11 * second, &RULE);
        assert_eq!(history.len(), 3, "ten seconds are allowed");
        history.expire(11 * second + Duration::from_nanos(1), &RULE);
        assert_eq!((history.len(), history.bytes()), (1, 80));
        // A message that is too long leaves no gap after it.
        push(&mut history, 8, 101, 3 * second, &shared);
        assert_eq!((history.len(), history.bytes()), (0, 0));
        assert!(shared.add_history(1 << 20), "everything was given back");
    }

    #[test]
    fn the_limit_of_all_histories_is_kept_at_the_expense_of_the_own_past() {
        let (shared, mut one, mut other) =
            (shared(3 * (ITEM_COST + 10)), History::default(), History::default());
        (1..=2).for_each(|offset| push(&mut one, offset, 10, Duration::ZERO, &shared));
        (1..=3).for_each(|offset| push(&mut other, offset, 10, Duration::ZERO, &shared));
        assert_eq!((one.len(), other.len()), (2, 1));
        assert_eq!(offsets(&behind(&mut other, 0, 3, (9, 99_999), &shared)), [3]);
        clear(&mut one, &shared);
        push(&mut other, 4, 10, Duration::ZERO, &shared);
        assert_eq!(offsets(&behind(&mut other, 0, 4, (9, 99_999), &shared)), [3, 4]);
    }

    #[test]
    fn what_was_missed_comes_in_pieces_and_says_where_it_begins() {
        let (shared, mut history) = (shared(1 << 20), History::default());
        (1..=6).for_each(|offset| push(&mut history, offset, 10, Duration::ZERO, &shared));
        let cases = [
            (0, 9, 99_999, 2, &[3, 4, 5, 6][..], false),
            (4, 9, 99_999, 4, &[5, 6], false),
            (6, 9, 99_999, 6, &[], false),
        ];
        for (offset, messages, bytes, from, expected, more) in cases {
            let missed = behind(&mut history, offset, 6, (messages, bytes), &shared);
            assert_eq!((missed.from, offsets(&missed), missed.more), (from, expected.to_vec(), more));
        }
        let missed = behind(&mut history, 2, 6, (3, 99_999), &shared);
        assert_eq!((offsets(&missed), missed.more), (vec![3, 4, 5], true));
        let missed = behind(&mut history, 2, 6, (9, 2 * measure(10)), &shared);
        assert_eq!((offsets(&missed), missed.more), (vec![3, 4], true));
        let missed = behind(&mut history, 2, 6, (9, 2 * measure(10) - 1), &shared);
        assert_eq!((offsets(&missed), missed.more), (vec![3], true));
        let nothing = behind(&mut History::default(), 5, 6, (9, 99_999), &shared);
        assert_eq!((nothing.from, nothing.publications.len()), (6, 0));
    }

    #[test]
    fn forms_are_kept_for_a_while_and_count() {
        let (shared, mut history) = (shared(1 << 20), History::default());
        (1..=3).for_each(|offset| push(&mut history, offset, 30, Duration::ZERO, &shared));
        let all = |history: &mut History| behind(history, 0, 3, (9, 99_999), &shared).publications;
        let (first, again) = (all(&mut history), all(&mut history));
        assert!(first.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)), "they are made once");
        let forms = history.forms();
        let made: usize =
            first.iter().map(|publication| publication.encoded(Dialect::ThrongV1).frame().len()).sum();
        assert!(forms >= 2 * made && forms <= 2 * (made + 3 * ITEM_COST), "{forms} for {made}");
        let rest = (1 << 20) - forms - 3 * (ITEM_COST + 30);
        assert!(shared.add_history(rest) && !shared.add_history(1));
        tidy(&mut history, CACHED_FOR, 99, &shared);
        assert_eq!(history.forms(), forms);
        tidy(&mut history, CACHED_FOR + Duration::from_nanos(1), 99, &shared);
        assert_eq!(history.forms(), 0);
        assert!(shared.add_history(forms) && !shared.add_history(1));
        assert!(!all(&mut history).iter().zip(&first).any(|(one, other)| Arc::ptr_eq(one, other)));
    }

    #[test]
    fn forms_take_a_quarter_at_most_and_give_way_to_messages() {
        // The limit has room for four messages, and for the encodings of one.
        let each = ITEM_COST + 20;
        let (shared, mut history) = (shared(4 * each), History::default());
        (1..=2).for_each(|offset| push(&mut history, offset, 20, Duration::ZERO, &shared));
        assert!(!shared.add_forms(each + 1) && shared.add_forms(each));
        shared.remove_forms(each);
        let missed = behind(&mut history, 0, 2, (9, 99_999), &shared);
        assert_eq!((offsets(&missed), history.forms()), (vec![1, 2], 0), "there is no room to keep any");
        assert!(
            missed.publications.iter().all(|publication| publication.encoded(Dialect::ThrongV1).is_text())
        );
        let (shared, mut history) = (self::shared(4 * 1024), History::default());
        (1..=4).for_each(|offset| push(&mut history, offset, 20, Duration::ZERO, &shared));
        behind(&mut history, 0, 4, (9, 99_999), &shared);
        assert!(history.forms() > 0 && history.forms() <= 1024);
        assert!(shared.add_history(4 * 1024 - 4 * each - history.forms()));
        push(&mut history, 5, 20, Duration::ZERO, &shared);
        // The rule allows four messages. It has removed the oldest one, and no other message was removed.
        assert_eq!((history.len(), history.bytes()), (4, 80));
        clear(&mut history, &shared);
        assert_eq!((history.forms(), history.bytes()), (0, 0));
    }

    /// A regression test: a million messages were once freed all at once.
    #[test]
    fn whatever_makes_a_history_forget_much_frees_a_little_at_a_time() {
        type Forget = fn(&mut History, &HistoryRule, &LocalShared);
        const MANY: usize = 100_000;
        let rule = HistoryRule { messages: u32::MAX, bytes: MANY, age: Duration::from_secs(10) };
        let later = Duration::from_secs(11);
        let causes: [(&str, usize, Forget); 3] = [
            ("old age", 0, |history, rule, _| history.expire(Duration::from_secs(11), rule)),
            ("a message that needs the room", 1, |history, rule, shared| {
                history.push(MANY as u64 + 1, &frame(MANY), Duration::ZERO, rule, shared);
            }),
            ("one that is too long", 0, |history, rule, shared| {
                history.push(MANY as u64 + 1, &frame(MANY + 1), Duration::ZERO, rule, shared);
            }),
        ];
        for (cause, left, forget) in causes {
            let (shared, mut history) = (shared(1 << 30), History::default());
            let (one, all) = (frame(1), MANY * (ITEM_COST + 1));
            (1..=MANY as u64).for_each(|offset| history.push(offset, &one, Duration::ZERO, &rule, &shared));
            assert_eq!((history.len(), shared.history()), (MANY, all));
            forget(&mut history, &rule, &shared);
            assert_eq!((history.len(), history.bytes()), (left, left * MANY), "{cause}: it counts no more");
            assert!(shared.history() > all - all / 100, "{cause}: {} of {all}", shared.history());
            assert_eq!(offsets(&behind(&mut history, 0, MANY as u64 + 1, (9, 99), &shared)).len(), left);
            let mut steps = 0;
            while tidy(&mut history, later, 1_000, &shared) {
                steps += 1;
            }
            assert!((90..=110).contains(&steps), "{cause}: {steps} steps of 1,000");
            assert_eq!((history.holds_nothing(), shared.history()), (left == 0, left * (ITEM_COST + MANY)));
        }
    }

    #[test]
    fn forms_are_given_up_one_by_one_and_those_of_forgotten_messages_with_them() {
        let (shared, mut history, topic) = (shared(1 << 20), History::default(), Name::from("t"));
        let rule = HistoryRule { messages: 100, bytes: 1 << 20, age: Duration::from_secs(10) };
        let cache = |history: &mut History, latest, now| {
            history.behind(0, latest, (100, 1 << 20), |history, at| {
                history.publication(at, &topic, 0, now, &shared)
            });
        };
        let (one, late) = (frame(10), CACHED_FOR + Duration::from_nanos(1));
        (1..=100).for_each(|offset| history.push(offset, &one, Duration::ZERO, &rule, &shared));
        cache(&mut history, 100, Duration::ZERO);
        let each = history.forms() / 100;
        assert!(tidy(&mut history, late, 30, &shared));
        assert_eq!(history.forms(), 70 * each);
        // The encodings of the messages 31 to 50 are dropped with the messages.
        (101..=150).for_each(|offset| history.push(offset, &one, late, &rule, &shared));
        assert_eq!((history.len(), history.forms()), (100, 50 * each));
        cache(&mut history, 150, late);
        assert_eq!(history.forms(), 100 * each);
        // What is left of the first encodings: 20 offsets of messages that are gone, and 50 encodings.
        assert!(tidy(&mut history, late, 69, &shared) && !tidy(&mut history, late, 2, &shared));
        assert_eq!(history.forms(), 50 * each);
        // Only as many encodings are dropped as the new message needs room.
        assert!(shared.add_history((1 << 20) - shared.history()));
        history.push(151, &one, late, &HistoryRule { messages: 101, ..rule }, &shared);
        assert_eq!((history.len(), history.forms()), (101, 49 * each));
        clear(&mut history, &shared);
        assert_eq!(history.forms(), 0);
    }
}
