//! What is published: batches of messages, which follow from a plan and their numbers.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::echo::{Pattern, Payload};
use super::stamp::{SMALLEST, Stamp};
use crate::measure::threads::dealt;

/// What is published, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeedPlan {
    /// Topics, at least one. Connections take turns: the one with number k subscribes to topic k modulo their number.
    pub(crate) topics: u32,
    /// Bytes of each message, at least [`SMALLEST`].
    pub(crate) size: usize,
    /// Messages that are published at the same time, all to one topic; at least one.
    pub(crate) in_flight: u32,
    /// One subscriber of a topic in so many never reads; `None` when all of them do.
    pub(crate) deaf_every: Option<u32>,
    /// What the rest of messages is drawn from.
    pub(crate) seed: u64,
}

/// One batch of messages, all to one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The topic's number.
    pub(crate) topic: u32,
    /// The sequence number of its first message; a topic's first message has 1.
    pub(crate) first: u32,
}

/// What all threads of an engine, and the publisher, know about a plan.
#[derive(Debug)]
pub(crate) struct Feed {
    plan: FeedPlan,
    pattern: Pattern,
    /// The first batch that is measured; all before it warm up.
    measured_from: AtomicU32,
    /// The last sequence number of each topic, once nothing is published any more.
    pub(super) last: OnceLock<Vec<u32>>,
}

impl Feed {
    /// A feed whose messages all warm up, until [`measure_from`](Self::measure_from).
    pub(crate) fn new(plan: FeedPlan) -> Self {
        let pattern = Pattern::new(plan.size.saturating_sub(SMALLEST), Payload::Letters, plan.seed);
        Self { plan, pattern, measured_from: AtomicU32::new(u32::MAX), last: OnceLock::new() }
    }

    /// What was planned.
    pub(crate) const fn plan(&self) -> &FeedPlan {
        &self.plan
    }

    /// The batch with this number, from 0.
    pub(crate) const fn batch(&self, number: u32) -> Batch {
        let FeedPlan { topics, in_flight, .. } = self.plan;
        Batch { topic: number % topics, first: number / topics * in_flight + 1 }
    }

    /// The number of the batch that a message is in.
    pub(super) const fn batch_of(&self, topic: u32, sequence: u32) -> u32 {
        let FeedPlan { topics, in_flight, .. } = self.plan;
        ((sequence - 1) / in_flight).saturating_mul(topics).saturating_add(topic)
    }

    /// The last sequence number of each topic when so many batches have been published.
    pub(crate) fn last_after(&self, batches: u32) -> Vec<u32> {
        let FeedPlan { topics, in_flight, .. } = self.plan;
        (0..topics)
            .map(|topic| (batches / topics + u32::from(topic < batches % topics)) * in_flight)
            .collect()
    }

    /// The topic of a connection, by its number in the engine.
    pub(crate) const fn topic_of(&self, connection: usize) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of 32 bits")]
        let topic = (connection % self.plan.topics as usize) as u32;
        topic
    }

    /// Whether the connection with this number never reads.
    pub(crate) fn is_deaf(&self, connection: usize) -> bool {
        let place = connection / self.plan.topics as usize;
        self.plan.deaf_every.is_some_and(|every| (place + 1).is_multiple_of(every as usize))
    }

    /// Of so many connections those that read, by topic.
    pub(crate) fn readers(&self, connections: usize) -> Vec<u64> {
        let topics = self.plan.topics as usize;
        let every = self.plan.deaf_every.map_or(usize::MAX, |every| every as usize);
        let of = |topic| dealt(connections, topics, topic);
        (0..topics).map(|topic| (of(topic) - of(topic) / every) as u64).collect()
    }

    /// Batches from this number on are measured. All before it have been received, or never will be.
    pub(crate) fn measure_from(&self, batch: u32) {
        self.measured_from.store(batch, Ordering::Release);
    }

    pub(super) fn measured_from(&self) -> u32 {
        self.measured_from.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self, last: Vec<u32>) {
        self.last.get_or_init(|| last);
    }

    /// The message of a topic with this sequence number, to be published at `planned` ([`now_nanos`](super::stamp::now_nanos)): text.
    pub(crate) fn message(&self, topic: u32, sequence: u32, planned: u64) -> String {
        let rest = String::from_utf8_lossy(self.rest(topic, sequence));
        format!("{}{rest}", Stamp { topic, sequence, planned })
    }

    /// What follows the stamp.
    pub(super) fn rest(&self, topic: u32, sequence: u32) -> &[u8] {
        self.pattern.message(topic as usize, u64::from(sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(topics: u32, in_flight: u32, deaf_every: Option<u32>) -> Feed {
        Feed::new(FeedPlan { topics, size: 100, in_flight, deaf_every, seed: 1 })
    }

    #[test]
    fn a_message_tells_what_it_is() {
        for size in [SMALLEST, 100] {
            let plan = FeedPlan { topics: 9, size, in_flight: 1, deaf_every: None, seed: 5 };
            let feed = Feed::new(plan);
            let message = feed.message(7, u32::MAX, u64::MAX - 1);
            assert_eq!(message.len(), size);
            assert!(message.is_ascii());
            let stamp = Stamp { topic: 7, sequence: u32::MAX, planned: u64::MAX - 1 };
            assert_eq!(Stamp::read(message.as_bytes()), Some(stamp));
            assert_eq!(message.as_bytes()[SMALLEST..], *feed.rest(7, u32::MAX));
        }
    }

    #[test]
    fn batches_and_messages_tell_of_each_other() {
        let feed = feed(3, 4, None);
        let mut last = vec![0; 3];
        for number in 0..20 {
            assert_eq!(feed.last_after(number), last);
            let Batch { topic, first } = feed.batch(number);
            assert_eq!(first, last[topic as usize] + 1);
            last[topic as usize] = first + 3;
            assert!((first..first + 4).all(|sequence| feed.batch_of(topic, sequence) == number));
        }
    }

    #[test]
    fn readers_are_counted_as_the_deaf_are_chosen() {
        for (topics, connections, every) in
            [(1, 1000, Some(100)), (3, 100, Some(7)), (7, 50, None), (4, 4, Some(2))]
        {
            let feed = feed(topics, 1, every);
            let mut readers = vec![0; topics as usize];
            for connection in (0..connections).filter(|&connection| !feed.is_deaf(connection)) {
                readers[feed.topic_of(connection) as usize] += 1;
            }
            assert_eq!(feed.readers(connections), readers, "{topics} {connections} {every:?}");
        }
        assert_eq!(feed(1, 1, Some(100)).readers(10_000), [9_900]);
    }
}
