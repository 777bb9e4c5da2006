//! What a visitor does: drawn by chance from the seed, the slot and the visit's number alone, so that threads and their timing
//! do not change it.

use std::time::Duration;

use serde::Serialize;
use throng::ws::{Opcode, encode};

use crate::engine::visits::part_of;

/// The longest message that is broken off is `2^MESSAGE_BITS` bytes; shorter ones are as likely on a logarithmic scale.
const MESSAGE_BITS: f64 = 16.0;

/// How a connection leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// With a closing handshake.
    ClosingHandshake,
    /// The end of the stream and nothing else, as when a program exits.
    Fin,
    /// A reset, as when a machine has forgotten the connection.
    Reset,
    /// After a time without reading, so that Pings may be left unread.
    Deaf,
    /// Behind a part of the upgrade request.
    MidHandshake,
    /// Behind a part of a message.
    MidMessage,
}

/// Each way as often as it is here.
const WAYS: [Way; 10] = [
    Way::ClosingHandshake,
    Way::ClosingHandshake,
    Way::ClosingHandshake,
    Way::Fin,
    Way::Fin,
    Way::Reset,
    Way::Reset,
    Way::Deaf,
    Way::MidHandshake,
    Way::MidMessage,
];

/// What all visits have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) seed: u64,
    /// Mean time from open to leaving.
    pub(super) life: Duration,
    /// Mean time between two visits.
    pub(super) pause: Duration,
    /// The longest silence before a visitor that says nothing any more is gone: below every timeout of the server, so that
    /// who ends the connection is no matter of luck.
    pub(super) silence: Duration,
}

/// One visit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Visit {
    /// Time away before it.
    pub(super) pause: Duration,
    /// Time from open to leaving.
    pub(super) life: Duration,
    pub(super) way: Way,
    /// Time between the last word and the end, in the ways that have it.
    pub(super) silence: Duration,
    /// Whether the end after the silence is a reset.
    pub(super) abrupt: bool,
    /// How much of what is broken off is sent, from 0 to 1.
    pub(super) part: f64,
    /// The length of the message that is broken off.
    message: usize,
    /// It is broken off between two of its fragments, not within a frame.
    fragmented: bool,
}

impl Habits {
    /// The visit of a slot with this number. The pauses before the first ones spread over a mean life, so that the population
    /// fills in that time.
    pub(super) fn visit(&self, slot: u64, number: u32) -> Visit {
        let mut rng = fastrand::Rng::with_seed(mix(mix(self.seed ^ mix(slot)) ^ u64::from(number)));
        let first = number == 0;
        let pause = if first { self.life.mul_f64(rng.f64()) } else { exponential(self.pause, &mut rng) };
        Visit {
            pause,
            life: exponential(self.life, &mut rng),
            way: WAYS[rng.usize(..WAYS.len())],
            silence: self.silence.mul_f64(rng.f64()),
            abrupt: rng.bool(),
            part: rng.f64(),
            message: power_of_two(rng.f64() * MESSAGE_BITS),
            fragmented: rng.bool(),
        }
    }
}

impl Visit {
    /// Appends a message without its end.
    pub(super) fn unfinished_message(&self, key: [u8; 4], out: &mut Vec<u8>) {
        let payload = vec![b'x'; self.message];
        let start = out.len();
        encode::fragment(out, (!self.fragmented).into(), Opcode::Binary, &payload, Some(key));
        if !self.fragmented {
            let frame = out.len() - start;
            // One byte at least, or nothing would be broken off.
            out.truncate(start + 1 + part_of(self.part, frame - 1));
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 2^16")]
fn power_of_two(exponent: f64) -> usize {
    exponent.exp2() as usize
}

/// A time of this mean from an exponential distribution: whoever is here is as likely to leave in the next second as
/// anybody else. Ten means are its end, which one in 22,000 would outlive.
fn exponential(mean: Duration, rng: &mut fastrand::Rng) -> Duration {
    mean.mul_f64((-(1.0 - rng.f64()).ln()).min(10.0))
}

/// Spreads neighbouring numbers over all of them (the finalizer of SplitMix64).
const fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use throng::ws::{Decoder, DecoderConfig, Heap, Role};

    use super::*;

    const HABITS: Habits = Habits {
        seed: 7,
        life: Duration::from_secs(20),
        pause: Duration::from_secs(2),
        silence: Duration::from_secs(5),
    };

    #[test]
    fn visits_depend_on_nothing_but_seed_slot_and_number() {
        assert_eq!(HABITS.visit(3, 4), HABITS.visit(3, 4));
        assert_ne!(HABITS.visit(3, 4), HABITS.visit(4, 3));
        assert_ne!(HABITS.visit(3, 4), HABITS.visit(3, 5));
        assert_ne!(HABITS.visit(3, 4), Habits { seed: 8, ..HABITS }.visit(3, 4));
    }

    #[test]
    fn times_have_their_means_and_bounds_and_every_way_occurs() {
        const VISITS: u32 = 20_000;
        let (mut life, mut pause, mut ways) = (0.0, 0.0, std::collections::BTreeMap::<Way, u32>::new());
        for slot in 0..u64::from(VISITS) {
            let visit = HABITS.visit(slot, 1);
            assert!(visit.life <= HABITS.life * 10 && visit.silence <= HABITS.silence);
            assert!(HABITS.visit(slot, 0).pause <= HABITS.life);
            life += visit.life.as_secs_f64();
            pause += visit.pause.as_secs_f64();
            *ways.entry(visit.way).or_default() += 1;
        }
        assert!(
            (life / f64::from(VISITS) - 20.0).abs() < 1.0 && (pause / f64::from(VISITS) - 2.0).abs() < 0.1
        );
        assert!(ways.len() == 6 && ways.values().all(|&count| count > VISITS / 12), "{ways:?}");
    }

    #[test]
    fn what_is_broken_off_is_right_as_far_as_it_goes_and_never_whole() {
        let config =
            DecoderConfig { role: Role::Server, max_message: 1 << 20, max_frames: 16, deflate: false };
        for slot in 0..2_000 {
            let visit = HABITS.visit(slot, 0);
            assert!(part_of(visit.part, 18) < 18);
            let mut bytes = Vec::new();
            visit.unfinished_message([1, 2, 3, 4], &mut bytes);
            let (mut decoder, mut rest) = (Decoder::default(), &mut bytes[..]);
            assert!(!rest.is_empty());
            loop {
                let decoded = decoder.decode(rest, &config, &mut Heap).unwrap();
                assert!(decoded.event.is_none(), "{visit:?} sends all of a message");
                let consumed = decoded.consumed;
                rest = &mut rest[consumed..];
                if rest.is_empty() || consumed == 0 {
                    break;
                }
            }
            assert!(!decoder.is_idle(), "{visit:?} leaves nothing unfinished");
        }
    }
}
