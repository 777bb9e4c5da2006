//! What one thread's subscribers receive, held against what was published.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use throng::ws::{Message, Opcode};

use super::published::Feed;
use super::received::Received;
use super::stamp::{SMALLEST, Stamp, now_nanos};

/// The subscribers of one thread.
#[derive(Debug)]
pub(crate) struct Receipts {
    feed: Arc<Feed>,
    thread: usize,
    threads: usize,
    /// By the index of a connection in its thread the highest sequence number it has received.
    highest: Vec<u32>,
    /// Sequence numbers below the highest that have not come, of the few connections that miss any.
    gaps: HashMap<usize, Vec<Range<u32>>>,
    received: Received,
}

impl Receipts {
    /// The part of one of the engine's threads, which has so many connections.
    pub(crate) fn new(feed: Arc<Feed>, thread: usize, threads: usize, connections: usize) -> Self {
        let highest = vec![0; connections];
        Self { feed, thread, threads, highest, gaps: HashMap::new(), received: Received::default() }
    }

    /// Takes in a message.
    pub(crate) fn receive(&mut self, index: usize, message: &Message) {
        let now = now_nanos();
        if message.opcode() != Opcode::Text {
            return self.wrong("corrupt: of another type");
        }
        self.take(index, message.as_bytes(), now);
    }

    fn take(&mut self, index: usize, payload: &[u8], now: u64) {
        if payload.len() != self.feed.plan().size {
            return self.wrong("corrupt: of another length");
        }
        let Some(Stamp { topic, sequence, planned }) = Stamp::read(payload) else {
            return self.wrong("corrupt: of other bytes");
        };
        if sequence == 0 || &payload[SMALLEST..] != self.feed.rest(topic, sequence) {
            return self.wrong("corrupt: of other bytes");
        }
        if topic != self.feed.topic_of(self.number(index)) {
            return self.wrong("of a topic that was not subscribed to");
        }
        let highest = self.highest[index];
        if self.feed.is_deaf(self.number(index)) && sequence > highest {
            self.received.deaf.found += 1;
            self.received.deaf.skipped += u64::from(sequence - highest - 1);
            self.highest[index] = sequence;
            return;
        }
        if sequence <= highest && !self.fill_gap(index, sequence) {
            return self.wrong("a second time");
        }
        if sequence <= highest {
            self.wrong("out of order");
        } else {
            if sequence > highest + 1 {
                self.gaps.entry(index).or_default().push(highest + 1..sequence);
            }
            self.highest[index] = sequence;
        }
        self.count(self.feed.batch_of(topic, sequence), planned, now);
    }

    fn count(&mut self, batch: u32, planned: u64, now: u64) {
        let Some(place) = batch.checked_sub(self.feed.measured_from()) else { return };
        let (received, place, nanos) = (&mut self.received, place as usize, now.saturating_sub(planned));
        received.deliveries += 1;
        received.latency_us.record(Duration::from_nanos(nanos));
        received.last_receipt = received.last_receipt.max(now);
        if received.last_nanos.len() <= place {
            received.last_nanos.resize(place + 1, 0);
        }
        received.last_nanos[place] = received.last_nanos[place].max(nanos);
    }

    /// Takes a sequence number out of those that a connection misses. `false` when it does not miss it.
    fn fill_gap(&mut self, index: usize, sequence: u32) -> bool {
        let Some(gaps) = self.gaps.get_mut(&index) else { return false };
        let Some(at) = gaps.iter().position(|gap| gap.contains(&sequence)) else { return false };
        let gap = gaps[at].clone();
        let rest = [gap.start..sequence, sequence + 1..gap.end];
        gaps.splice(at..=at, rest.into_iter().filter(|part| !part.is_empty()));
        true
    }

    /// What was received of what was published; what has not come now never will.
    pub(crate) fn finish(mut self) -> Received {
        let last = self.feed.last.get().cloned().unwrap_or_default();
        let mut missing = 0;
        for index in 0..self.highest.len() {
            let last = last.get(self.feed.topic_of(self.number(index)) as usize).copied().unwrap_or(0);
            if self.feed.is_deaf(self.number(index)) {
                self.received.deaf.subscribers += 1;
                self.received.deaf.latest += u64::from(last > 0 && self.highest[index] == last);
                continue;
            }
            missing += u64::from(last.saturating_sub(self.highest[index]));
            missing += self.gaps.get(&index).into_iter().flatten().map(|gap| gap.len() as u64).sum::<u64>();
            self.received.readers += 1;
        }
        if missing > 0 {
            self.received.wrong.add("missing", missing);
        }
        self.received
    }

    /// A connection that never read is lost: whoever gave it up had reason to.
    pub(crate) fn lose_deaf(&mut self, reason: String) {
        self.received.deaf.ended.count(reason);
    }

    /// The number of a connection in the whole engine.
    const fn number(&self, index: usize) -> usize {
        index * self.threads + self.thread
    }

    fn wrong(&mut self, reason: &str) {
        self.received.wrong.count(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::super::published::FeedPlan;
    use super::super::received::Deaf;
    use super::*;

    /// One subscriber of one topic gets messages with these sequence numbers of `last` published ones.
    fn got(sequences: &[u32], last: u32) -> Received {
        let plan = FeedPlan { topics: 1, size: 64, in_flight: 1, deaf_every: None, seed: 1 };
        let feed = Arc::new(Feed::new(plan));
        feed.measure_from(0);
        let mut receipts = Receipts::new(Arc::clone(&feed), 0, 1, 1);
        for &sequence in sequences {
            receipts.take(0, feed.message(0, sequence, 1_000_000).as_bytes(), 3_000_000);
        }
        feed.end(vec![last]);
        receipts.finish()
    }

    fn wrong(received: &Received) -> Vec<(&str, u64)> {
        received.wrong.iter().map(|(reason, count)| (&reason[..], *count)).collect()
    }

    #[test]
    fn what_is_missing_doubled_or_late_is_told_apart() {
        for (sequences, last, expected) in [
            (&[1, 2][..], 4, vec![("missing", 2)]),
            (&[], 2, vec![("missing", 2)]),
            (&[3], 3, vec![("missing", 2)]),
            (&[1, 2, 2, 3], 3, vec![("a second time", 1)]),
            (&[1, 3, 2], 3, vec![("out of order", 1)]),
            (&[1, 5, 3, 3], 6, vec![("a second time", 1), ("missing", 3), ("out of order", 1)]),
            (&[4, 1, 2, 3], 4, vec![("out of order", 3)]),
        ] {
            assert_eq!(wrong(&got(sequences, last)), expected, "{sequences:?} of {last}");
        }
    }

    #[test]
    fn who_never_read_may_find_gaps_but_nothing_twice() {
        let plan = FeedPlan { topics: 1, size: 64, in_flight: 1, deaf_every: Some(2), seed: 1 };
        let feed = Arc::new(Feed::new(plan));
        feed.measure_from(0);
        let mut receipts = Receipts::new(Arc::clone(&feed), 1, 2, 2);
        for (index, sequence) in [(0, 1), (0, 5), (1, 6), (0, 5)] {
            receipts.take(index, feed.message(0, sequence, 1).as_bytes(), 2);
        }
        receipts.lose_deaf("closed".to_owned());
        feed.end(vec![6]);
        let received = receipts.finish();
        let ended = [("closed".to_owned(), 1)].into();
        let deaf = Deaf { subscribers: 2, found: 3, skipped: 8, latest: 1, ended };
        assert_eq!((&received.deaf, received.deliveries, received.readers), (&deaf, 0, 0));
        assert_eq!(wrong(&received), [("a second time", 1)]);
    }
}
