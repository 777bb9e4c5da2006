//! Messages under way: published, and not yet handed to the outboxes of all that are to get them. Their bytes are bounded, and shared
//! out between topics and clients.
//!
//! Each may have as much under way as is left for others (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet
//! Switches", 1998): one alone comes to a half, two to a third each, and there is always room for the next. Half of all is for the
//! operator's publishers alone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::worker::ConnId;

/// Counters of topics, and of clients: those whose hashes meet in one share what one may have.
const LANES: usize = 1024;
/// The lane of announcements, which no topic has.
pub(crate) const ANNOUNCEMENTS: u64 = LANES as u64;
/// What a message costs beside its payload, about: its name, its place in queues, what tells of it.
pub(crate) const MESSAGE_COST: usize = 512;
/// The most that a message counts, and the most that all may be told to come to.
const MOST: usize = 1 << 38;

/// What is under way, counted.
pub(crate) struct Ledger {
    limit: usize,
    /// Most messages of a topic, and of a client.
    topic_messages: usize,
    client_messages: usize,
    all: Meter,
    /// Those that clients have published.
    clients: Meter,
    topics: Vec<Meter>,
    publishers: Vec<Meter>,
    /// Messages of the operator that were refused.
    refused: AtomicU64,
}

/// What a message counts, until it is dropped.
pub(crate) struct Freight {
    ledger: Arc<Ledger>,
    bytes: AtomicUsize,
    topic: u16,
    client: Option<u16>,
}

/// A number of messages, above a number of bytes.
#[derive(Default)]
struct Meter(AtomicU64);

const MESSAGE: u64 = 1 << 40;

/// What is under way, for the simulation.
#[cfg(feature = "simulation")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glimpse {
    /// Messages and announcements of the operator's.
    pub(crate) of_operator: u64,
    /// Bytes of all.
    pub(crate) bytes: usize,
}

impl Ledger {
    /// Bounds all bytes, the messages of each topic, of which clients may publish half, and those of each client.
    pub(crate) fn new(limit: usize, topic_messages: usize, client_messages: usize) -> Arc<Self> {
        let lanes = |lanes: usize| (0..lanes).map(|_| Meter::default()).collect();
        Arc::new(Self {
            limit: limit.min(MOST),
            topic_messages,
            client_messages,
            all: Meter::default(),
            clients: Meter::default(),
            topics: lanes(LANES + 1),
            publishers: lanes(LANES),
            refused: AtomicU64::new(0),
        })
    }

    /// Counts a message of a client's, or of the operator's, to the topic with this hash. `None` where it is one too many; the only
    /// one of all, or of those of clients, is none.
    pub(crate) fn admit(self: &Arc<Self>, client: Option<ConnId>, hash: u64, len: usize) -> Option<Freight> {
        let bytes = len.saturating_add(MESSAGE_COST).min(MOST);
        let topic = if hash == ANNOUNCEMENTS { LANES } else { lane(hash) };
        let publisher = client.map(|client| lane(spread(client)));
        let (share, used, messages) = match publisher {
            None => (self.limit, &self.all, self.topic_messages),
            Some(_) => (self.limit / 2, &self.clients, self.topic_messages.div_ceil(2)),
        };
        let free = share.saturating_sub(used.bytes());
        let meters = [
            (Some(&self.all), usize::MAX, self.limit),
            (publisher.map(|_| &self.clients), usize::MAX, share),
            (publisher.map(|at| &self.publishers[at]), self.client_messages, free),
            (Some(&self.topics[topic]), messages, free),
        ];
        for (at, (meter, messages, most)) in meters.iter().enumerate() {
            if meter.is_some_and(|meter| !meter.add(bytes, *messages, *most)) {
                meters[..at].iter().filter_map(|(meter, ..)| *meter).for_each(|meter| meter.remove(bytes));
                return None;
            }
        }
        Some(Freight {
            ledger: Arc::clone(self),
            bytes: AtomicUsize::new(bytes),
            topic: short(topic),
            client: publisher.map(short),
        })
    }

    /// Messages under way, and their bytes.
    pub(crate) fn under_way(&self) -> (u64, u64) {
        let all = self.all.0.load(Ordering::Relaxed);
        (all / MESSAGE, all % MESSAGE)
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn glimpse(&self) -> Glimpse {
        let of = |meter: &Meter| meter.0.load(Ordering::Relaxed);
        let (all, of_clients) = (of(&self.all), of(&self.clients));
        Glimpse { of_operator: all / MESSAGE - of_clients / MESSAGE, bytes: self.all.bytes() }
    }

    /// Counts a message of the operator's that was refused.
    pub(crate) fn note_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages of the operator's that were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn meters(&self, freight: &Freight) -> impl Iterator<Item = &Meter> {
        let client = freight.client.map(|at| [&self.clients, &self.publishers[usize::from(at)]]);
        [&self.all, &self.topics[usize::from(freight.topic)]].into_iter().chain(client.into_iter().flatten())
    }
}

impl Freight {
    /// Counts bytes that the message has come to beside those, whether there is room for them or not: less is let in behind it.
    pub(crate) fn grow(&self, bytes: usize) {
        let bytes = bytes.min(MOST);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.ledger.meters(self).for_each(|meter| meter.grow(bytes));
    }
}

impl Drop for Freight {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.ledger.meters(self).for_each(|meter| meter.remove(bytes));
    }
}

impl Meter {
    fn bytes(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed) % MESSAGE).unwrap_or(usize::MAX)
    }

    /// Adds a message if there are then at most so many, and at most so many bytes, or if it is the only one.
    fn add(&self, bytes: usize, messages: usize, most: usize) -> bool {
        let [bytes, messages, most] = [bytes, messages, most].map(|number| number as u64);
        let more = |sum: u64| {
            let fits = sum / MESSAGE < messages && sum % MESSAGE + bytes <= most;
            (fits || sum < MESSAGE).then_some(sum + MESSAGE + bytes)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn grow(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        self.0.fetch_sub(MESSAGE + bytes as u64, Ordering::Relaxed);
    }
}

/// The upper bits of a hash.
fn lane(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - LANES.ilog2())).unwrap_or(0)
}

/// Clients with neighbouring names are in different lanes.
fn spread(client: ConnId) -> u64 {
    let name = u64::from(client.index()) | (client.worker() as u64) << 26;
    name.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn short(lane: usize) -> u16 {
    u16::try_from(lane).unwrap_or(u16::MAX)
}

impl fmt::Debug for Freight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Freight").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: usize = 1024;

    /// Hashes of topics in lanes of their own, and clients in theirs.
    fn topic(number: u64) -> u64 {
        number << 54
    }

    fn client(index: u32) -> Option<ConnId> {
        Some(ConnId::new(0, 1, index))
    }

    /// Messages of a KiB, with what they cost, that are taken one after the other until one is refused.
    fn fill(ledger: &Arc<Ledger>, client: Option<ConnId>, hash: u64) -> Vec<Freight> {
        std::iter::from_fn(|| ledger.admit(client, hash, KIB - MESSAGE_COST)).take(10_000).collect()
    }

    fn ledger(kib: usize) -> Arc<Ledger> {
        Ledger::new(kib * KIB, 10_000, 10_000)
    }

    #[test]
    fn a_topic_comes_to_half_and_leaves_room_for_the_next() {
        let ledger = ledger(64);
        let held: Vec<Vec<Freight>> = (0..6).map(|number| fill(&ledger, None, topic(number))).collect();
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [32, 16, 8, 4, 2, 1]);
        assert_eq!(ledger.under_way(), (63, 63 * KIB as u64));
        drop(held);
        assert_eq!(ledger.under_way(), (0, 0));
    }

    #[test]
    fn half_is_the_operators() {
        let ledger = ledger(64);
        let of_clients: Vec<Freight> =
            (0..40).flat_map(|number| fill(&ledger, client(number), topic(number.into()))).collect();
        assert_eq!(of_clients.len(), 32);
        assert_eq!(fill(&ledger, None, topic(50)).len(), 16);
        assert!(ledger.admit(client(99), topic(99), 0).is_none());
    }

    #[test]
    fn a_client_comes_to_half_of_what_is_for_clients() {
        let ledger = ledger(64);
        let one: Vec<Freight> = (0..40).flat_map(|number| fill(&ledger, client(1), topic(number))).collect();
        assert_eq!(one.len(), 16);
        assert_eq!(fill(&ledger, client(2), topic(50)).len(), 8);
        assert!(fill(&ledger, client(1), topic(60)).is_empty());
    }

    #[test]
    fn messages_are_counted_too() {
        let ledger = Ledger::new(usize::MAX, 6, 2);
        assert_eq!(fill(&ledger, None, topic(1)).len(), 6);
        let held: Vec<Freight> = (1..9).flat_map(|number| fill(&ledger, client(number), topic(1))).collect();
        assert_eq!(held.len(), 3, "half of a topic's are for clients");
        assert_eq!(fill(&ledger, None, topic(1)).len(), 3);
        let of_one: usize = (2..9).map(|number| fill(&ledger, client(50), topic(number)).len()).sum();
        assert_eq!(of_one, 14, "none was held");
        let held: Vec<Freight> = (2..9).flat_map(|number| fill(&ledger, client(50), topic(number))).collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn what_is_alone_always_fits() {
        let ledger = Ledger::new(10, 0, 0);
        for publisher in [None, client(1)] {
            let only = ledger.admit(publisher, topic(1), 100 * KIB).unwrap();
            assert!([None, client(2)].iter().all(|other| ledger.admit(*other, topic(2), 0).is_none()));
            drop(only);
        }
        assert_eq!(ledger.under_way(), (0, 0));
    }

    #[test]
    fn what_a_message_comes_to_later_counts() {
        let ledger = ledger(64);
        let grown = ledger.admit(None, topic(1), KIB - MESSAGE_COST).unwrap();
        grown.grow(61 * KIB);
        assert_eq!((fill(&ledger, None, topic(1)).len(), fill(&ledger, None, topic(2)).len()), (0, 1));
        grown.grow(KIB);
        assert!(ledger.admit(None, topic(3), KIB).is_none());
        drop(grown);
        assert_eq!(fill(&ledger, None, topic(1)).len(), 32);
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_all_comes_back(
            steps in prop::collection::vec((0..4_u32, 0..4_u64, 0..5_000_usize, any::<prop::sample::Index>()), 0..200),
        ) {
            let ledger = Ledger::new(16 * KIB, 8, 4);
            let mut held: Vec<Freight> = Vec::new();
            for (publisher, number, len, which) in steps {
                let publisher = if publisher == 0 { None } else { client(publisher) };
                match ledger.admit(publisher, topic(number), len) {
                    Some(freight) => held.push(freight),
                    None => prop_assert!(!held.is_empty(), "the only one is refused"),
                }
                let sum = held.iter().map(|freight| freight.bytes.load(Ordering::Relaxed)).sum::<usize>();
                prop_assert_eq!(ledger.under_way(), (held.len() as u64, sum as u64));
                prop_assert!(sum <= 16 * KIB || held.len() == 1);
                if len % 2 == 0 && !held.is_empty() {
                    held.swap_remove(which.index(held.len()));
                }
            }
            drop(held);
            prop_assert_eq!(ledger.under_way(), (0, 0));
            prop_assert!(ledger.topics.iter().chain(&ledger.publishers).all(|meter| meter.0.load(Ordering::Relaxed) == 0));
        }
    }
}
