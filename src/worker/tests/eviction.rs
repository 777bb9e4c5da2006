//! Tests of buffer memory that is used up: what counts, and which message is evicted.

use super::rig::{Client, Rig, Seen, limits, millis, play, request};
use crate::worker::Limits;
use crate::ws::{Opcode, encode};

const MIB: usize = 1 << 20;

fn with(buffers: usize) -> Limits {
    Limits { buffers, least_buffers: 3 * MIB, outbox: 2 * MIB, ..limits() }
}

/// Makes a client that has sent so many bytes of a message of 1 MiB.
fn sending(rig: &mut Rig, bytes: usize) -> Client {
    let client = rig.open();
    more(rig, client, &message()[..bytes]);
    // Each message begins at a time of its own.
    rig.run_for(millis(200));
    client
}

fn message() -> Vec<u8> {
    let mut message = Vec::new();
    encode::frame(&mut message, Opcode::Binary, &vec![7; MIB], Some([1; 4]));
    message
}

fn more(rig: &mut Rig, client: Client, bytes: &[u8]) {
    for piece in bytes.chunks(100_000) {
        rig.send(client, piece);
        rig.settle();
    }
}

/// Checks that a client which sends its request and a message in two pieces each is served.
fn is_served(rig: &mut Rig, len: usize) {
    let client = rig.connect();
    let request = request("/");
    let (first, rest) = request.split_at(50);
    rig.send(client, first.as_bytes());
    rig.settle();
    rig.send(client, rest.as_bytes());
    rig.settle();
    assert!(rig.response(client).starts_with("HTTP/1.1 101 "));
    let mut message = Vec::new();
    encode::frame(&mut message, Opcode::Binary, &vec![1; len], Some([1; 4]));
    let (first, rest) = message.split_at(message.len() / 2);
    rig.send(client, first);
    rig.settle();
    rig.send(client, rest);
    rig.settle();
    assert_eq!(rig.frames(client), [Seen::Binary(len)]);
}

#[test]
fn what_is_there_ahead_of_what_has_arrived_does_not_count() {
    play(with(16 * MIB), |rig| {
        let clients: Vec<Client> = (0..150).map(|_| sending(rig, 66_000)).collect();
        let used = rig.worker.sessions.streams.pool.used();
        assert!((150 * 65_900..150 * 70_000).contains(&used), "{used}");
        is_served(rig, 30_000);
        assert_eq!(rig.counters().buffer_exhausted.get(), 0);
        // All bytes count as they arrive.
        for &client in &clients[..10] {
            more(rig, client, &message()[66_000..500_000]);
        }
        let grown = rig.worker.sessions.streams.pool.used() - used;
        assert!((10 * 433_000..10 * 440_000).contains(&grown), "{grown}");
        for &client in &clients[..10] {
            more(rig, client, &message()[500_000..]);
            assert_eq!(rig.frames(client), [Seen::Binary(MIB)]);
        }
        let left = rig.worker.sessions.streams.pool.used();
        assert!((140 * 65_900..140 * 70_000).contains(&left), "{left}");
        assert_eq!(rig.counters().buffer_exhausted.get(), 0);
    });
}

#[test]
fn the_largest_gives_way_and_of_those_the_oldest() {
    play(with(8 * MIB), |rig| {
        let small: Vec<Client> = (0..20).map(|_| sending(rig, 3_000)).collect();
        let mut large = Vec::new();
        for _ in 0..8 {
            large.push(sending(rig, 920_000));
        }
        let middle = sending(rig, 300_000);
        assert_eq!(rig.counters().buffer_exhausted.get(), 0);
        // This message has room only because another one is given up.
        is_served(rig, 200_000);
        let gone = usize::try_from(rig.counters().buffer_exhausted.get()).unwrap();
        assert!((1..=2).contains(&gone), "{gone}");
        for (at, &client) in large.iter().enumerate() {
            let expected = if at < gone { vec![Seen::Close(1013)] } else { vec![] };
            assert_eq!(rig.frames(client), expected, "{at}");
        }
        // The other messages are completed.
        for client in [large[7], middle] {
            let sent = if client == middle { 300_000 } else { 920_000 };
            more(rig, client, &message()[sent..]);
            assert_eq!(rig.frames(client), [Seen::Binary(MIB)]);
        }
        for client in small {
            assert_eq!(rig.frames(client), []);
        }
        assert!(rig.worker.sessions.streams.pool.used() <= 8 * MIB);
    });
}

#[test]
fn however_many_come_with_large_messages_small_ones_have_their_share() {
    play(with(8 * MIB), |rig| {
        let attackers: Vec<Client> = (0..40).map(|_| sending(rig, 600_000)).collect();
        assert!(rig.counters().buffer_exhausted.get() >= 25, "{}", rig.counters().buffer_exhausted.get());
        assert!(rig.worker.sessions.streams.pool.used() <= 8 * MIB);
        // The latest messages are left.
        assert_eq!(rig.frames(attackers[39]), []);
        assert_eq!(rig.frames(attackers[0]), [Seen::Close(1013)]);
        let before = rig.counters().buffer_exhausted.get();
        for len in [10, 1_000, 12_000] {
            is_served(rig, len);
        }
        assert_eq!(rig.counters().buffer_exhausted.get(), before, "there was room for these");
    });
}

#[test]
fn a_client_that_sends_one_by_one_is_not_evicted_for_one_with_more() {
    play(with(4 * MIB), |rig| {
        let waiting: Vec<Client> = (0..150).map(|_| sending(rig, 15_000)).collect();
        // None of those is as large as this message becomes.
        let greedy: Vec<Client> = (0..3).map(|_| sending(rig, 1_000_000)).collect();
        assert_eq!(rig.frames(greedy[0]), [Seen::Close(1013)]);
        for client in waiting {
            more(rig, client, &message()[15_000..20_000]);
            assert_eq!(rig.frames(client), []);
        }
    });
}
