//! The payload of a Ping: when it was sent, and a proof that this worker sent it.

use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::base::ticks::micros;
use crate::worker::table::ConnId;

/// Length of a Ping's payload: 8 bytes of time and 8 of proof.
pub(in crate::worker) const PING_PAYLOAD: usize = 16;

/// Signs and verifies Ping payloads, so that a Pong yields the round-trip time without state for its Ping.
///
/// The proof is a keyed hash of the time and of the connection's id, under keys of the worker. A peer can only send back what it was sent:
/// another time, or the payload of another connection's Ping, has no valid proof.
pub(in crate::worker) struct PingSigner {
    hasher: SipHasher13,
    /// Hides the time, which would reveal for how long the server has been up.
    mask: u64,
}

impl PingSigner {
    /// Makes a signer with random keys.
    pub(in crate::worker) fn new(mut random: impl FnMut() -> u64) -> Self {
        Self { hasher: SipHasher13::new_with_keys(random(), random()), mask: random() }
    }

    /// Returns the payload of a Ping to the connection `id` that is sent at the time `now` since the worker's start.
    pub(in crate::worker) fn payload(&self, id: ConnId, now: Duration) -> [u8; PING_PAYLOAD] {
        let sent = micros(now);
        let parts = u128::from(sent ^ self.mask) << 64 | u128::from(self.proof(id, sent));
        parts.to_be_bytes()
    }

    /// Returns when the Ping with this payload was sent; `None` when the payload is not that of a Ping to this connection, as in an
    /// unsolicited Pong (RFC 6455, section 5.5.3).
    pub(in crate::worker) fn sent_at(&self, id: ConnId, payload: &[u8]) -> Option<Duration> {
        let parts = u128::from_be_bytes(payload.try_into().ok()?);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of a payload")]
        let (sent, proof) = ((parts >> 64) as u64 ^ self.mask, parts as u64);
        (self.proof(id, sent) == proof).then(|| Duration::from_micros(sent))
    }

    fn proof(&self, id: ConnId, sent: u64) -> u64 {
        let parts = u128::from(id.to_u64()) << 64 | u128::from(sent);
        self.hasher.hash(&parts.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping_signer(key: u64) -> PingSigner {
        let mut drawn = key;
        PingSigner::new(|| {
            drawn = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
            drawn
        })
    }

    #[test]
    fn a_payload_proves_when_it_was_sent_for_its_own_connection_only() {
        let (id, now) = (ConnId::new(3, 7, 11), Duration::from_micros(1_234_567_891));
        let (ours, another) = (ping_signer(1), ping_signer(2));
        let payload = ours.payload(id, now);
        assert_eq!(ours.sent_at(id, &payload), Some(now));
        assert_eq!(another.sent_at(id, &payload), None);
        for id in [ConnId::new(3, 8, 11), ConnId::new(3, 7, 12), ConnId::new(2, 7, 11)] {
            assert_eq!(ours.sent_at(id, &payload), None);
        }
    }

    #[test]
    fn a_payload_that_was_changed_or_made_up_is_not_accepted() {
        let (id, now) = (ConnId::new(0, 1, 2), Duration::from_secs(5));
        let ping_signer = ping_signer(9);
        let payload = ping_signer.payload(id, now);
        for at in 0..PING_PAYLOAD * 8 {
            let mut changed = payload;
            changed[at / 8] ^= 1 << (at % 8);
            assert_eq!(ping_signer.sent_at(id, &changed), None, "bit {at}");
        }
        for len in [0, 8, 15] {
            assert_eq!(ping_signer.sent_at(id, &payload[..len]), None);
        }
        assert_eq!(ping_signer.sent_at(id, &[&payload[..], &[0]].concat()), None);
    }

    #[test]
    fn a_payload_does_not_reveal_the_time() {
        let (id, now) = (ConnId::new(0, 1, 2), Duration::from_secs(5));
        assert_ne!(ping_signer(1).payload(id, now)[..8], 5_000_000_u64.to_be_bytes());
    }
}
