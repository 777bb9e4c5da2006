//! Messages under way: those that are published and not yet in the outboxes of all their subscribers. Their bytes are limited, and topics
//! and clients share the limit.
//!
//! Each topic and each client may have as many bytes under way as are still free (Choudhury and Hahne, "Dynamic Queue Length Thresholds for
//! Shared-Memory Packet Switches", 1998). A single topic gets up to a half of the limit, two topics up to a third each, and there is always
//! room for one more. Half of the limit is reserved for the operator's publishers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::worker::ConnId;

/// Number of counters of topics, and of clients. Topics or clients whose hashes select the same counter share one limit.
const BUCKETS: usize = 1024;
/// The hash that selects the counter of broadcasts. No topic uses that counter.
pub(crate) const BROADCASTS: u64 = BUCKETS as u64;
/// Approximate bytes that a message costs beside its payload: its topic's name, its entries in queues and its bookkeeping.
pub(crate) const MESSAGE_COST: usize = 512;
/// Most bytes that one message counts, and the highest possible limit.
const MAX_BYTES: usize = 1 << 38;

/// The counters of messages under way, and their limits.
pub(crate) struct InFlight {
    limit: usize,
    /// Most messages of a topic, and of a client.
    topic_messages: usize,
    client_messages: usize,
    all: LoadMeter,
    /// Messages that clients have published.
    all_clients: LoadMeter,
    by_topic: Vec<LoadMeter>,
    by_client: Vec<LoadMeter>,
    /// Messages of the operator that were refused.
    refused: AtomicU64,
}

/// The bytes that a message counts as under way. Dropping the reservation subtracts them.
pub(crate) struct Reservation {
    in_flight: Arc<InFlight>,
    bytes: AtomicUsize,
    topic: u16,
    client: Option<u16>,
}

/// A number of messages in the upper 24 bits and a number of bytes in the lower 40 bits.
#[derive(Default)]
struct LoadMeter(AtomicU64);

const ONE_MESSAGE: u64 = 1 << 40;

/// The messages under way, for the simulation.
#[cfg(feature = "simulation")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlightTotals {
    /// Messages and broadcasts of the operator.
    pub(crate) of_operator: u64,
    /// Bytes of all messages.
    pub(crate) bytes: usize,
}

impl InFlight {
    /// Limits the bytes of all messages, the number of messages of each topic, of which clients may publish half, and the number of
    /// messages of each client.
    pub(crate) fn new(limit: usize, topic_messages: usize, client_messages: usize) -> Arc<Self> {
        let buckets = |buckets: usize| (0..buckets).map(|_| LoadMeter::default()).collect();
        Arc::new(Self {
            limit: limit.min(MAX_BYTES),
            topic_messages,
            client_messages,
            all: LoadMeter::default(),
            all_clients: LoadMeter::default(),
            by_topic: buckets(BUCKETS + 1),
            by_client: buckets(BUCKETS),
            refused: AtomicU64::new(0),
        })
    }

    /// Reserves room for a message of a client, or of the operator if `client` is `None`, to the topic with this hash. Returns `None` where
    /// there is no room. The limits do not apply when no other message is under way, and the clients' share does not apply when no other
    /// message of a client is under way.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        client: Option<ConnId>,
        hash: u64,
        len: usize,
    ) -> Option<Reservation> {
        let bytes = len.saturating_add(MESSAGE_COST).min(MAX_BYTES);
        let topic = if hash == BROADCASTS { BUCKETS } else { bucket(hash) };
        let publisher = client.map(|client| bucket(client_hash(client)));
        let (share, used, topic_messages) = match publisher {
            None => (self.limit, &self.all, self.topic_messages),
            Some(_) => (self.limit / 2, &self.all_clients, self.topic_messages.div_ceil(2)),
        };
        let free = share.saturating_sub(used.bytes());
        let meters = [
            (Some(&self.all), usize::MAX, self.limit),
            (publisher.map(|_| &self.all_clients), usize::MAX, share),
            (publisher.map(|at| &self.by_client[at]), self.client_messages, free),
            (Some(&self.by_topic[topic]), topic_messages, free),
        ];
        for (at, (meter, max_messages, max_bytes)) in meters.iter().enumerate() {
            if meter.is_some_and(|meter| !meter.add(bytes, *max_messages, *max_bytes)) {
                meters[..at].iter().filter_map(|(meter, ..)| *meter).for_each(|meter| meter.remove(bytes));
                return None;
            }
        }
        Some(Reservation {
            in_flight: Arc::clone(self),
            bytes: AtomicUsize::new(bytes),
            topic: bucket_number(topic),
            client: publisher.map(bucket_number),
        })
    }

    /// Returns the number of messages under way and of their bytes.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let all = self.all.0.load(Ordering::Relaxed);
        (all / ONE_MESSAGE, all % ONE_MESSAGE)
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn operator_totals(&self) -> InFlightTotals {
        let of = |meter: &LoadMeter| meter.0.load(Ordering::Relaxed);
        let (all, of_clients) = (of(&self.all), of(&self.all_clients));
        InFlightTotals { of_operator: all / ONE_MESSAGE - of_clients / ONE_MESSAGE, bytes: self.all.bytes() }
    }

    /// Counts a message of the operator that was refused.
    pub(crate) fn count_refusal(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of the operator's messages that were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn meters(&self, reservation: &Reservation) -> impl Iterator<Item = &LoadMeter> {
        let client = reservation.client.map(|at| [&self.all_clients, &self.by_client[usize::from(at)]]);
        [&self.all, &self.by_topic[usize::from(reservation.topic)]]
            .into_iter()
            .chain(client.into_iter().flatten())
    }
}

impl Reservation {
    /// Adds bytes to the reservation, without a check of the limits: fewer later messages are admitted instead.
    pub(crate) fn grow(&self, bytes: usize) {
        let bytes = bytes.min(MAX_BYTES);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.in_flight.meters(self).for_each(|meter| meter.grow(bytes));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.in_flight.meters(self).for_each(|meter| meter.remove(bytes));
    }
}

impl LoadMeter {
    fn bytes(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed) % ONE_MESSAGE).unwrap_or(usize::MAX)
    }

    /// Adds a message and its bytes if the sums then are at most `max_messages` and `max_bytes`, or if it is the only message. Returns whether it
    /// was added.
    fn add(&self, bytes: usize, max_messages: usize, max_bytes: usize) -> bool {
        let [bytes, max_messages, max_bytes] = [bytes, max_messages, max_bytes].map(|number| number as u64);
        let add = |sum: u64| {
            let fits = sum / ONE_MESSAGE < max_messages && sum % ONE_MESSAGE + bytes <= max_bytes;
            (fits || sum < ONE_MESSAGE).then_some(sum + ONE_MESSAGE + bytes)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn grow(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        self.0.fetch_sub(ONE_MESSAGE + bytes as u64, Ordering::Relaxed);
    }
}

/// Returns the counter that a hash selects: the upper bits of the hash.
fn bucket(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - BUCKETS.ilog2())).unwrap_or(0)
}

/// Returns a hash of a client's id that puts clients with neighbouring ids into different buckets.
fn client_hash(client: ConnId) -> u64 {
    let name = u64::from(client.index().get()) | (client.worker() as u64) << 26;
    name.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn bucket_number(bucket: usize) -> u16 {
    u16::try_from(bucket).unwrap_or(u16::MAX)
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: usize = 1024;

    /// Returns a hash of a topic, in a bucket of its own for each number.
    fn topic(number: u64) -> u64 {
        number << 54
    }

    fn client(index: u32) -> Option<ConnId> {
        Some(ConnId::new(0, 1, index))
    }

    /// Publishes messages of a KiB, including their cost, until one is refused.
    fn fill(in_flight: &Arc<InFlight>, client: Option<ConnId>, hash: u64) -> Vec<Reservation> {
        std::iter::from_fn(|| in_flight.reserve(client, hash, KIB - MESSAGE_COST)).take(10_000).collect()
    }

    fn in_flight(kib: usize) -> Arc<InFlight> {
        InFlight::new(kib * KIB, 10_000, 10_000)
    }

    #[test]
    fn a_topic_comes_to_half_and_leaves_room_for_the_next() {
        let in_flight = in_flight(64);
        let held: Vec<Vec<Reservation>> =
            (0..6).map(|number| fill(&in_flight, None, topic(number))).collect();
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [32, 16, 8, 4, 2, 1]);
        assert_eq!(in_flight.totals(), (63, 63 * KIB as u64));
        drop(held);
        assert_eq!(in_flight.totals(), (0, 0));
    }

    #[test]
    fn half_is_the_operators() {
        let in_flight = in_flight(64);
        let of_clients: Vec<Reservation> =
            (0..40).flat_map(|number| fill(&in_flight, client(number), topic(number.into()))).collect();
        assert_eq!(of_clients.len(), 32);
        assert_eq!(fill(&in_flight, None, topic(50)).len(), 16);
        assert!(in_flight.reserve(client(99), topic(99), 0).is_none());
    }

    #[test]
    fn a_client_comes_to_half_of_what_is_for_clients() {
        let in_flight = in_flight(64);
        let one: Vec<Reservation> =
            (0..40).flat_map(|number| fill(&in_flight, client(1), topic(number))).collect();
        assert_eq!(one.len(), 16);
        assert_eq!(fill(&in_flight, client(2), topic(50)).len(), 8);
        assert!(fill(&in_flight, client(1), topic(60)).is_empty());
    }

    #[test]
    fn messages_are_counted_too() {
        let in_flight = InFlight::new(usize::MAX, 6, 2);
        assert_eq!(fill(&in_flight, None, topic(1)).len(), 6);
        let held: Vec<Reservation> =
            (1..9).flat_map(|number| fill(&in_flight, client(number), topic(1))).collect();
        assert_eq!(held.len(), 3, "half of a topic's are for clients");
        assert_eq!(fill(&in_flight, None, topic(1)).len(), 3);
        let of_one: usize = (2..9).map(|number| fill(&in_flight, client(50), topic(number)).len()).sum();
        assert_eq!(of_one, 14, "none was held");
        let held: Vec<Reservation> =
            (2..9).flat_map(|number| fill(&in_flight, client(50), topic(number))).collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn what_is_alone_always_fits() {
        let in_flight = InFlight::new(10, 0, 0);
        for publisher in [None, client(1)] {
            let only = in_flight.reserve(publisher, topic(1), 100 * KIB).unwrap();
            assert!([None, client(2)].iter().all(|other| in_flight.reserve(*other, topic(2), 0).is_none()));
            drop(only);
        }
        assert_eq!(in_flight.totals(), (0, 0));
    }

    #[test]
    fn what_a_message_comes_to_later_counts() {
        let in_flight = in_flight(64);
        let grown = in_flight.reserve(None, topic(1), KIB - MESSAGE_COST).unwrap();
        grown.grow(61 * KIB);
        assert_eq!((fill(&in_flight, None, topic(1)).len(), fill(&in_flight, None, topic(2)).len()), (0, 1));
        grown.grow(KIB);
        assert!(in_flight.reserve(None, topic(3), KIB).is_none());
        drop(grown);
        assert_eq!(fill(&in_flight, None, topic(1)).len(), 32);
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_all_comes_back(
            steps in prop::collection::vec((0..4_u32, 0..4_u64, 0..5_000_usize, any::<prop::sample::Index>()), 0..200),
        ) {
            let in_flight = InFlight::new(16 * KIB, 8, 4);
            let mut held: Vec<Reservation> = Vec::new();
            for (publisher, number, len, which) in steps {
                let publisher = if publisher == 0 { None } else { client(publisher) };
                match in_flight.reserve(publisher, topic(number), len) {
                    Some(reservation) => held.push(reservation),
                    None => prop_assert!(!held.is_empty(), "the only one is refused"),
                }
                let sum = held.iter().map(|reservation| reservation.bytes.load(Ordering::Relaxed)).sum::<usize>();
                prop_assert_eq!(in_flight.totals(), (held.len() as u64, sum as u64));
                prop_assert!(sum <= 16 * KIB || held.len() == 1);
                if len % 2 == 0 && !held.is_empty() {
                    held.swap_remove(which.index(held.len()));
                }
            }
            drop(held);
            prop_assert_eq!(in_flight.totals(), (0, 0));
            prop_assert!(in_flight.by_topic.iter().chain(&in_flight.by_client).all(|meter| meter.0.load(Ordering::Relaxed) == 0));
        }
    }
}
