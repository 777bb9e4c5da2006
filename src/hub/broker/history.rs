//! A topic's history: its latest messages.
//!
//! Messages that are expired or have to make room are *forgotten* at once, however many they are: no subscriber gets them any more, and the
//! topic's rule no longer counts them. Their memory is freed a few messages at a time. Until then, the limit of all histories counts it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::shared::LocalBrokerShared;
use crate::base::spare::free_spare;
use crate::budget::SMALL_LIST_KEEP;
use crate::hub::name::TopicName;
use crate::hub::publication::{Publication, limit_bytes, max_encoded_bytes};
use crate::hub::rules::HistoryRule;
use crate::worker::{Frame, PreparedMessage, message_of};

/// Approximate bytes that a message in a history costs beside its payload.
pub(crate) const STORED_MESSAGE_COST: usize = 256;

/// How long a history keeps the encodings of a message that were made for a recovering subscriber. Other subscribers may recover at the
/// same time.
const CACHED_FOR: Duration = Duration::from_secs(5);

/// Messages that a linear search checks for expiry before a binary search begins.
const LINEAR_SEARCH_MAX: usize = 4;
/// Messages freed with each message that is added, beside those that its bytes allow. It is more than one, so that a steady stream leaves
/// none.
const FREED_PER_PUSH: usize = 4;
/// Bytes whose freeing takes as long as that of a small message.
const BYTES_PER_FREED: usize = 4096;

/// The latest messages of a topic, limited by its rule and by the limit of all histories.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The messages, oldest first. The first `forgotten` have still to be freed. The offsets of the others are consecutive.
    messages: VecDeque<StoredMessage>,
    forgotten: usize,
    /// The offset of the oldest message that is not forgotten.
    first_offset: u64,
    /// Payload bytes of all messages that were ever kept.
    total_bytes: u64,
    /// Bytes reserved for encodings.
    encoding_bytes: usize,
    /// Offsets of the messages with cached encodings, in the order in which these were made. Such a message may have been forgotten since.
    cached_offsets: VecDeque<u64>,
}

/// A message in a history. It shares its frame with the outboxes of subscribers.
#[derive(Debug)]
struct StoredMessage {
    time: Duration,
    /// Payload bytes of all messages that were kept before this one.
    bytes_before: u64,
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
    pub(crate) has_more: bool,
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.messages.len() - self.forgotten
    }

    /// Returns the payload bytes of the messages.
    pub(crate) fn bytes(&self) -> usize {
        let before = self.messages.get(self.forgotten).map_or(self.total_bytes, |stored| stored.bytes_before);
        usize::try_from(self.total_bytes - before).unwrap_or(usize::MAX)
    }

    /// Returns the bytes reserved for encodings.
    pub(crate) const fn encoding_bytes(&self) -> usize {
        self.encoding_bytes
    }

    /// Returns whether the history takes no memory: it has no messages, and none that have still to be freed.
    pub(crate) fn is_freed(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds a message, if the rule allows it, and forgets older ones to make room.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        frame: &Frame,
        now: Duration,
        rule: &HistoryRule,
        shared: &LocalBrokerShared,
    ) {
        let bytes = payload_len(frame);
        let mut freed = FREED_PER_PUSH + bytes / BYTES_PER_FREED;
        if rule.is_off() || bytes > rule.bytes {
            // A shorter history is better than one with a gap.
            self.forget(self.messages.len());
            self.free(&mut freed, shared);
            return;
        }
        self.forget((self.messages.len() + 1).saturating_sub(rule.messages as usize));
        let least = self.total_bytes.saturating_sub((rule.bytes - bytes) as u64);
        self.forget_while(|stored| stored.bytes_before < least);
        // At most one iteration for each 256 bytes of this message.
        while !shared.add_history(bytes + STORED_MESSAGE_COST) {
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
            self.first_offset = offset;
        }
        let stored = StoredMessage {
            time: now,
            bytes_before: self.total_bytes,
            frame: Frame::clone(frame),
            cached: None,
        };
        self.total_bytes += bytes as u64;
        self.messages.push_back(stored);
        self.free(&mut freed, shared);
    }

    /// Forgets expired messages.
    pub(crate) fn expire(&mut self, now: Duration, rule: &HistoryRule) {
        self.forget_while(|stored| now.saturating_sub(stored.time) > rule.age);
    }

    /// Forgets the oldest messages for which `is_over` returns `true`. It must return `false` for all messages after the first for which it
    /// does.
    fn forget_while(&mut self, is_over: impl Fn(&StoredMessage) -> bool) {
        let few =
            self.messages.range(self.forgotten..).take(LINEAR_SEARCH_MAX).position(|stored| !is_over(stored));
        self.forget(few.map_or_else(|| self.messages.partition_point(&is_over), |few| self.forgotten + few));
    }

    /// Forgets all messages before an index of `messages`.
    fn forget(&mut self, end: usize) {
        let end = end.clamp(self.forgotten, self.messages.len());
        self.first_offset += (end - self.forgotten) as u64;
        self.forgotten = end;
    }

    /// Frees forgotten messages and old encodings, as far as the budget goes, which counts small messages. Returns `true` where there are
    /// more.
    pub(crate) fn free_memory(
        &mut self,
        now: Duration,
        budget: &mut usize,
        shared: &LocalBrokerShared,
    ) -> bool {
        while let Some(&offset) = self.cached_offsets.front() {
            if self.cached_of(offset).is_some_and(|cached| now.saturating_sub(cached.since) <= CACHED_FOR) {
                break;
            }
            if *budget == 0 {
                return true;
            }
            let before = self.encoding_bytes;
            self.drop_first_cached(shared);
            spend(budget, before - self.encoding_bytes);
        }
        free_spare(&mut self.cached_offsets, SMALL_LIST_KEEP);
        self.free(budget, shared)
    }

    /// Frees forgotten messages, as far as the budget goes. Returns `true` where there are more.
    fn free(&mut self, budget: &mut usize, shared: &LocalBrokerShared) -> bool {
        while self.forgotten > 0 {
            if *budget == 0 {
                return true;
            }
            let first = self.messages.front();
            spend(budget, first.map_or(0, |stored| payload_len(&stored.frame)));
            self.free_first(shared);
        }
        if self.messages.capacity() > 64 && self.messages.len() < self.messages.capacity() / 4 {
            self.messages.shrink_to(2 * self.messages.len());
        }
        false
    }

    /// Frees the first forgotten message. Returns `false` where there is none.
    fn free_first(&mut self, shared: &LocalBrokerShared) -> bool {
        if self.forgotten == 0 {
            return false;
        }
        self.forgotten -= 1;
        if let Some(mut stored) = self.messages.pop_front() {
            self.drop_cached(stored.cached.take(), shared);
            shared.remove_history(payload_len(&stored.frame) + STORED_MESSAGE_COST);
        }
        true
    }

    /// Drops the oldest encodings. Returns `false` where there are none.
    fn drop_first_cached(&mut self, shared: &LocalBrokerShared) -> bool {
        let Some(offset) = self.cached_offsets.pop_front() else { return false };
        // The encodings of a forgotten message are dropped when that message is freed.
        let index = self.index_of(offset);
        let cached = index.and_then(|at| self.messages.get_mut(at)).and_then(|stored| stored.cached.take());
        self.drop_cached(cached, shared);
        true
    }

    fn drop_cached(&mut self, cached: Option<Box<Cached>>, shared: &LocalBrokerShared) {
        if let Some(cached) = cached {
            self.encoding_bytes -= cached.bytes;
            shared.remove_encodings(cached.bytes);
        }
    }

    fn cached_of(&self, offset: u64) -> Option<&Cached> {
        self.messages.get(self.index_of(offset)?)?.cached.as_deref()
    }

    /// Returns the index in `messages` of the message with an offset; `None` for an offset before the first message.
    fn index_of(&self, offset: u64) -> Option<usize> {
        let index = usize::try_from(offset.checked_sub(self.first_offset)?).ok()?;
        Some(self.forgotten + index)
    }

    /// Returns the messages after `offset`: at most `max_messages` messages of at most `max_bytes` bytes together, including names and positions,
    /// but at least one message if there is any. `latest` is the topic's latest offset. `publication` makes the publication of the message
    /// at an index.
    pub(crate) fn after(
        &mut self,
        offset: u64,
        latest: u64,
        (max_messages, max_bytes): (usize, usize),
        publication: impl Fn(&mut Self, usize) -> Arc<Publication>,
    ) -> Missed {
        let first = if self.len() == 0 { latest + 1 } else { self.first_offset };
        let from = offset.max(first - 1);
        let skip = usize::try_from(from + 1 - first).unwrap_or(usize::MAX).saturating_add(self.forgotten);
        let (mut publications, mut sum) = (Vec::new(), 0);
        for at in skip..self.messages.len() {
            sum += limit_bytes(payload_len(&self.messages[at].frame));
            if publications.len() == max_messages || (sum > max_bytes && !publications.is_empty()) {
                return Missed { from, publications, has_more: true };
            }
            publications.push(publication(self, at));
        }
        Missed { from, publications, has_more: false }
    }

    /// Returns the message at an index of `messages`, for a subscriber that has missed it. The history caches the encodings for a while if
    /// there is room for them, so that many subscribers that recover at the same time share them.
    pub(crate) fn publication(
        &mut self,
        at: usize,
        topic: &TopicName,
        hash: u64,
        now: Duration,
        shared: &LocalBrokerShared,
    ) -> Arc<Publication> {
        let offset = self.first_offset + (at - self.forgotten) as u64;
        let stored = &mut self.messages[at];
        if let Some(cached) = &stored.cached {
            return Arc::clone(&cached.publication);
        }
        let message = PreparedMessage::of_frame(Frame::clone(&stored.frame));
        // One encoding, and as much again for its compressed form. Only clients of `throng.v1` can recover missed messages.
        let bytes = STORED_MESSAGE_COST + 2 * max_encoded_bytes(topic, &message);
        let publication = Arc::new(Publication::new(TopicName::clone(topic), hash, offset, message, None));
        if shared.add_encodings(bytes) {
            self.encoding_bytes += bytes;
            self.cached_offsets.push_back(offset);
            stored.cached =
                Some(Box::new(Cached { publication: Arc::clone(&publication), since: now, bytes }));
        }
        publication
    }
}

/// Subtracts the cost of freeing `bytes` bytes from a budget.
const fn spend(budget: &mut usize, bytes: usize) {
    *budget = budget.saturating_sub(1 + bytes / BYTES_PER_FREED);
}

/// Returns the payload bytes of a frame.
fn payload_len(frame: &Frame) -> usize {
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
    fn push(history: &mut History, offset: u64, bytes: usize, now: Duration, shared: &LocalBrokerShared) {
        history.push(offset, &frame(bytes), now, &RULE, shared);
    }

    /// Returns the messages after an offset.
    fn after(
        history: &mut History,
        offset: u64,
        latest: u64,
        limits: (usize, usize),
        shared: &LocalBrokerShared,
    ) -> Missed {
        let topic: TopicName = "t".into();
        history.after(offset, latest, limits, |history, at| {
            history.publication(at, &topic, 0, Duration::ZERO, shared)
        })
    }

    fn free_memory(
        history: &mut History,
        now: Duration,
        mut budget: usize,
        shared: &LocalBrokerShared,
    ) -> bool {
        history.free_memory(now, &mut budget, shared)
    }

    /// Forgets and frees all messages.
    fn clear(history: &mut History, shared: &LocalBrokerShared) {
        history.forget(usize::MAX);
        assert!(!free_memory(history, Duration::ZERO, 999, shared) && history.is_freed());
    }

    fn shared(limit: usize) -> LocalBrokerShared {
        let config = Arc::new(HubConfig { history_limit: limit, ..HubConfig::default() });
        LocalBrokerShared::new(config, NameHasher::new(None))
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
            (shared(3 * (STORED_MESSAGE_COST + 10)), History::default(), History::default());
        (1..=2).for_each(|offset| push(&mut one, offset, 10, Duration::ZERO, &shared));
        (1..=3).for_each(|offset| push(&mut other, offset, 10, Duration::ZERO, &shared));
        assert_eq!((one.len(), other.len()), (2, 1));
        assert_eq!(offsets(&after(&mut other, 0, 3, (9, 99_999), &shared)), [3]);
        clear(&mut one, &shared);
        push(&mut other, 4, 10, Duration::ZERO, &shared);
        assert_eq!(offsets(&after(&mut other, 0, 4, (9, 99_999), &shared)), [3, 4]);
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
            let missed = after(&mut history, offset, 6, (messages, bytes), &shared);
            assert_eq!((missed.from, offsets(&missed), missed.has_more), (from, expected.to_vec(), more));
        }
        let missed = after(&mut history, 2, 6, (3, 99_999), &shared);
        assert_eq!((offsets(&missed), missed.has_more), (vec![3, 4, 5], true));
        let missed = after(&mut history, 2, 6, (9, 2 * limit_bytes(10)), &shared);
        assert_eq!((offsets(&missed), missed.has_more), (vec![3, 4], true));
        let missed = after(&mut history, 2, 6, (9, 2 * limit_bytes(10) - 1), &shared);
        assert_eq!((offsets(&missed), missed.has_more), (vec![3], true));
        let nothing = after(&mut History::default(), 5, 6, (9, 99_999), &shared);
        assert_eq!((nothing.from, nothing.publications.len()), (6, 0));
    }

    #[test]
    fn forms_are_kept_for_a_while_and_count() {
        let (shared, mut history) = (shared(1 << 20), History::default());
        (1..=3).for_each(|offset| push(&mut history, offset, 30, Duration::ZERO, &shared));
        let all = |history: &mut History| after(history, 0, 3, (9, 99_999), &shared).publications;
        let (first, again) = (all(&mut history), all(&mut history));
        assert!(first.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)), "they are made once");
        let bytes = history.encoding_bytes();
        let made: usize =
            first.iter().map(|publication| publication.encoded(Dialect::ThrongV1).frame().len()).sum();
        assert!(bytes >= 2 * made && bytes <= 2 * (made + 3 * STORED_MESSAGE_COST), "{bytes} for {made}");
        let rest = (1 << 20) - bytes - 3 * (STORED_MESSAGE_COST + 30);
        assert!(shared.add_history(rest) && !shared.add_history(1));
        free_memory(&mut history, CACHED_FOR, 99, &shared);
        assert_eq!(history.encoding_bytes(), bytes);
        free_memory(&mut history, CACHED_FOR + Duration::from_nanos(1), 99, &shared);
        assert_eq!(history.encoding_bytes(), 0);
        assert!(shared.add_history(bytes) && !shared.add_history(1));
        assert!(!all(&mut history).iter().zip(&first).any(|(one, other)| Arc::ptr_eq(one, other)));
    }

    #[test]
    fn forms_take_a_quarter_at_most_and_give_way_to_messages() {
        // The limit has room for four messages, and for the encodings of one.
        let each = STORED_MESSAGE_COST + 20;
        let (shared, mut history) = (shared(4 * each), History::default());
        (1..=2).for_each(|offset| push(&mut history, offset, 20, Duration::ZERO, &shared));
        assert!(!shared.add_encodings(each + 1) && shared.add_encodings(each));
        shared.remove_encodings(each);
        let missed = after(&mut history, 0, 2, (9, 99_999), &shared);
        assert_eq!(
            (offsets(&missed), history.encoding_bytes()),
            (vec![1, 2], 0),
            "there is no room to keep any"
        );
        assert!(
            missed.publications.iter().all(|publication| publication.encoded(Dialect::ThrongV1).is_text())
        );
        let (shared, mut history) = (self::shared(4 * 1024), History::default());
        (1..=4).for_each(|offset| push(&mut history, offset, 20, Duration::ZERO, &shared));
        after(&mut history, 0, 4, (9, 99_999), &shared);
        assert!(history.encoding_bytes() > 0 && history.encoding_bytes() <= 1024);
        assert!(shared.add_history(4 * 1024 - 4 * each - history.encoding_bytes()));
        push(&mut history, 5, 20, Duration::ZERO, &shared);
        // The rule allows four messages. It has removed the oldest one, and no other message was removed.
        assert_eq!((history.len(), history.bytes()), (4, 80));
        clear(&mut history, &shared);
        assert_eq!((history.encoding_bytes(), history.bytes()), (0, 0));
    }

    /// A regression test: a million messages were once freed all at once.
    #[test]
    fn whatever_makes_a_history_forget_much_frees_a_little_at_a_time() {
        type Forget = fn(&mut History, &HistoryRule, &LocalBrokerShared);
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
            let (one, all) = (frame(1), MANY * (STORED_MESSAGE_COST + 1));
            (1..=MANY as u64).for_each(|offset| history.push(offset, &one, Duration::ZERO, &rule, &shared));
            assert_eq!((history.len(), shared.history()), (MANY, all));
            forget(&mut history, &rule, &shared);
            assert_eq!((history.len(), history.bytes()), (left, left * MANY), "{cause}: it counts no more");
            assert!(shared.history() > all - all / 100, "{cause}: {} of {all}", shared.history());
            assert_eq!(offsets(&after(&mut history, 0, MANY as u64 + 1, (9, 99), &shared)).len(), left);
            let mut steps = 0;
            while free_memory(&mut history, later, 1_000, &shared) {
                steps += 1;
            }
            assert!((90..=110).contains(&steps), "{cause}: {steps} steps of 1,000");
            assert_eq!(
                (history.is_freed(), shared.history()),
                (left == 0, left * (STORED_MESSAGE_COST + MANY))
            );
        }
    }

    #[test]
    fn forms_are_given_up_one_by_one_and_those_of_forgotten_messages_with_them() {
        let (shared, mut history, topic) = (shared(1 << 20), History::default(), TopicName::from("t"));
        let rule = HistoryRule { messages: 100, bytes: 1 << 20, age: Duration::from_secs(10) };
        let cache = |history: &mut History, latest, now| {
            history.after(0, latest, (100, 1 << 20), |history, at| {
                history.publication(at, &topic, 0, now, &shared)
            });
        };
        let (one, late) = (frame(10), CACHED_FOR + Duration::from_nanos(1));
        (1..=100).for_each(|offset| history.push(offset, &one, Duration::ZERO, &rule, &shared));
        cache(&mut history, 100, Duration::ZERO);
        let each = history.encoding_bytes() / 100;
        assert!(free_memory(&mut history, late, 30, &shared));
        assert_eq!(history.encoding_bytes(), 70 * each);
        // The encodings of the messages 31 to 50 are dropped with the messages.
        (101..=150).for_each(|offset| history.push(offset, &one, late, &rule, &shared));
        assert_eq!((history.len(), history.encoding_bytes()), (100, 50 * each));
        cache(&mut history, 150, late);
        assert_eq!(history.encoding_bytes(), 100 * each);
        // What is left of the first encodings: 20 offsets of messages that are gone, and 50 encodings.
        assert!(free_memory(&mut history, late, 69, &shared) && !free_memory(&mut history, late, 2, &shared));
        assert_eq!(history.encoding_bytes(), 50 * each);
        // Only as many encodings are dropped as the new message needs room.
        assert!(shared.add_history((1 << 20) - shared.history()));
        history.push(151, &one, late, &HistoryRule { messages: 101, ..rule }, &shared);
        assert_eq!((history.len(), history.encoding_bytes()), (101, 49 * each));
        clear(&mut history, &shared);
        assert_eq!(history.encoding_bytes(), 0);
    }
}
