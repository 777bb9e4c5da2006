//! More than anybody asked for, as fast as it goes, and peers that do not read what they bring about.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use throng::{Builder, PingPolicy};

use super::super::app::{Running, millis, start};
use super::super::client::{Bystander, Client, PATIENCE, eventually};
use super::{BINARY, FIN, PING, PONG, TEXT, masked, nothing_is_left};

/// Sends `bytes` over and over and never reads, until the server ends the connection; returns the most that was buffered for
/// it meanwhile.
fn send_and_never_read(running: &Running, client: &mut Client, bytes: &[u8]) -> u64 {
    let (mut most, mut sent, started) = (0, 0_usize, Instant::now());
    client.stream.set_write_timeout(Some(millis(50))).unwrap();
    loop {
        let outcome = client.stream.write(&bytes[sent % bytes.len()..]);
        most = most.max(running.server.stats().buffered_bytes);
        match outcome {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => {
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
                return most;
            }
        }
        assert!(sent < 256 << 20, "it is read from for ever: {:?}", running.server.stats());
        assert!(started.elapsed() < PATIENCE, "it is not dropped: {:?}", running.server.stats());
    }
}

fn impatient(builder: Builder) -> Builder {
    builder.ping_interval(Some(millis(500))).pong_timeout(millis(500))
}

/// Plays somebody who never reads; it is dropped when its Pong does not come.
fn who_never_reads(settings: impl FnOnce(Builder) -> Builder, bytes: &[u8], bound: u64) {
    let running = start(|builder| settings(impatient(builder)));
    let bystander = Bystander::new(running.address);
    let mut client = Client::open(running.address);
    let most = send_and_never_read(&running, &mut client, bytes);
    assert_eq!(running.server.stats().pong_timeouts, 1);
    assert!(most > 0 && most <= bound, "{most} bytes were buffered for it");
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

#[test]
fn echoes_that_are_never_read_take_up_a_bounded_amount() {
    who_never_reads(|builder| builder, &masked(FIN | BINARY, &[0; 60_000]), 2 << 20);
}

#[test]
fn small_echoes_that_are_never_read_take_up_no_more() {
    who_never_reads(
        |builder| builder.outbox_limit(512 << 10),
        &masked(FIN | TEXT, b"hi").repeat(8_000),
        1 << 20,
    );
}

#[test]
fn pongs_that_are_never_read_take_up_a_bounded_amount() {
    // A read's worth of Pings makes less than a read's worth of Pongs, and is not followed by another. What a visit leaves of it waits.
    who_never_reads(|builder| builder, &masked(PING, &[b'p'; 125]).repeat(500), 513 << 10);
}

#[test]
fn empty_pongs_that_are_never_read_take_up_a_bounded_amount() {
    who_never_reads(|builder| builder, &masked(PING, b"").repeat(10_000), 257 << 10);
}

#[test]
fn one_that_floods_does_not_starve_the_others() {
    let running = start(|builder| builder);
    for (flood, answers) in [
        (masked(PING, b"").repeat(10_000), true),
        (masked(FIN | TEXT, b"").repeat(10_000), true),
        (masked(PONG, b"unasked for").repeat(5_000), false),
        ([masked(TEXT, b""), masked(0, b"").repeat(1_000), masked(FIN, b"")].concat(), true),
    ] {
        let bystander = Bystander::new(running.address);
        let mut client = Client::open(running.address);
        let mut reader = client.stream.try_clone().unwrap();
        let until = Instant::now() + Duration::from_millis(500);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut read = 0;
                let mut buffer = [0; 65_536];
                while let Ok(len @ 1..) = reader.read(&mut buffer) {
                    read += len;
                }
                read
            });
            while Instant::now() < until {
                client.raw(&flood);
            }
            client.stream.shutdown(Shutdown::Both).unwrap();
            assert_eq!(reading.join().unwrap() > 0, answers);
        });
        bystander.was_served();
        nothing_is_left(&running.server, 0);
    }
}

#[test]
fn pongs_that_answer_nothing_are_no_sign_of_life_where_every_ping_counts() {
    let settings = |builder: Builder| impatient(builder).ping_policy(PingPolicy::Always);
    let running = start(settings);
    let bystander = Bystander::new(running.address);
    let mut client = Client::open(running.address);
    let pongs = masked(PONG, b"made up!").repeat(10);
    eventually("it is dropped", || {
        let _ = client.stream.write_all(&pongs);
        running.server.stats().pong_timeouts == 1
    });
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}
