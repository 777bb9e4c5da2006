//! Request heads that are too large, never end, or come too slowly.

use std::io::{Read, Write};
use std::time::Instant;

use super::super::app::{millis, start};
use super::super::client::{Bystander, PATIENCE, dial, eventually};
use super::{ARRIVALS, REQUEST, nothing_is_left, on_threads, read_to_the_end};
use throng::http::{MAX_HEAD, MAX_HEADERS};

/// The sample request with a field that makes it `len` bytes long.
fn of_length(len: usize) -> Vec<u8> {
    let start = &REQUEST[..REQUEST.len() - 2];
    let value = len - start.len() - "X: \r\n\r\n".len();
    format!("{start}X: {}\r\n\r\n", "y".repeat(value)).into_bytes()
}

/// The sample request with `fields` fields altogether.
fn with_fields(fields: usize) -> Vec<u8> {
    let (start, own) = (&REQUEST[..REQUEST.len() - 2], REQUEST.matches(": ").count());
    format!("{start}{}\r\n", "X: y\r\n".repeat(fields - own)).into_bytes()
}

#[test]
fn a_head_of_16_kib_or_100_fields_is_served_and_one_over_is_431() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for (request, status) in [
        (of_length(MAX_HEAD), "101"),
        (of_length(MAX_HEAD + 1), "431"),
        (of_length(MAX_HEAD + 10_000), "431"),
        (with_fields(MAX_HEADERS), "101"),
        (with_fields(MAX_HEADERS + 1), "431"),
        (with_fields(1_000), "431"),
        ([b"GET /", &[b'a'; MAX_HEAD][..]].concat(), "431"),
        ([&b"\r\n".repeat(MAX_HEAD)[..], REQUEST.as_bytes()].concat(), "431"),
    ] {
        for arrival in ARRIVALS {
            let mut stream = dial(running.address);
            arrival.send(&mut stream, &request);
            let mut response = Vec::new();
            if status == "101" {
                // What follows is no frame, or nothing: the status line is all that matters here.
                response.resize(12, 0);
                stream.read_exact(&mut response).unwrap();
            } else {
                stream.read_to_end(&mut response).unwrap();
            }
            let shown = response.escape_ascii();
            assert!(response.starts_with(format!("HTTP/1.1 {status}").as_bytes()), "{arrival:?} {shown}");
        }
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

#[test]
fn how_long_a_head_may_be_is_a_setting() {
    for (bytes, fields) in [(1024, 16), (64 * 1024, 256)] {
        let running = start(|builder| builder.max_head(bytes).max_head_fields(fields));
        let bystander = Bystander::new(running.address);
        for (request, status) in [
            (of_length(bytes), "101"),
            (of_length(bytes + 1), "431"),
            (with_fields(fields), "101"),
            (with_fields(fields + 1), "431"),
        ] {
            // In two pieces, so that what has come of it is kept.
            let mut stream = dial(running.address);
            let (first, rest) = request.split_at(request.len() / 2);
            stream.write_all(first).unwrap();
            eventually("it is kept", || running.server.stats().buffered_bytes > 0);
            stream.write_all(rest).unwrap();
            let mut response = [0; 12];
            stream.read_exact(&mut response).unwrap();
            assert_eq!(response, *format!("HTTP/1.1 {status}").as_bytes(), "{bytes} {fields}");
        }
        nothing_is_left(&running.server, 1);
        bystander.was_served();
    }
}

#[test]
fn floods_of_header_fields_are_431_while_they_come() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for line in
        ["A: b\r\n", "A: bcdefghijklmnopqrstuvwxyz0123456789bcdefghijklmnopqrstuvwxyz0123456789\r\n", "x"]
    {
        let mut stream = dial(running.address);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
        let mut sent = 0;
        // Far beyond every limit, in spite of the answer.
        while sent < 100_000 && stream.write_all(line.as_bytes()).is_ok() {
            sent += line.len();
            assert!(running.server.stats().buffered_bytes <= 32 << 10);
        }
        assert!(read_to_the_end(stream).starts_with(b"HTTP/1.1 431 "), "{line:?}");
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    assert_eq!(running.server.stats().refused_requests, 3);
}

#[test]
fn who_never_finishes_the_handshake_is_dropped_in_time() {
    let running = start(|builder| builder.handshake_timeout(millis(300)));
    let bystander = Bystander::new(running.address);
    let started = Instant::now();
    let silent = dial(running.address);
    let mut half = dial(running.address);
    half.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
    assert_eq!((read_to_the_end(silent), read_to_the_end(half)), (vec![], vec![]));
    assert!(started.elapsed() >= millis(300));
    bystander.was_served();
    assert_eq!(running.server.stats().handshake_timeouts, 2);
}

#[test]
fn who_sends_a_byte_at_a_time_gains_no_time() {
    let running = start(|builder| builder.handshake_timeout(millis(500)));
    let bystander = Bystander::new(running.address);
    let mut slow = dial(running.address);
    let started = Instant::now();
    let head = b"GET / HTTP/1.1\r\n".iter().chain(b"A: b\r\n".iter().cycle());
    let sent =
        head.take_while(|&&byte| slow.write_all(&[byte]).map(|()| std::thread::sleep(millis(10))).is_ok());
    assert!(sent.count() < 2_000, "it was not dropped");
    assert!(started.elapsed() < PATIENCE);
    bystander.was_served();
    assert_eq!(running.server.stats().handshake_timeouts, 1);
}

#[test]
fn a_thousand_slow_handshakes_hold_a_bounded_amount_and_nobody_up() {
    let running = start(|builder| builder.handshake_timeout(millis(1_500)));
    let bystander = Bystander::new(running.address);
    let mut slow = on_threads(1_000, || dial(running.address));
    let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nA: ".iter().chain(b"slow ".iter().cycle());
    let (mut most, mut rounds) = (0, 0);
    for &byte in bytes {
        let alive = slow.iter_mut().filter(|stream| (&**stream).write_all(&[byte]).is_ok()).count();
        most = most.max(running.server.stats().buffered_bytes);
        rounds += 1;
        if alive == 0 {
            break;
        }
        std::thread::sleep(millis(20));
    }
    assert!(rounds > 5, "each got its time");
    // A buffer of 256 bytes each, or the next larger while it grows.
    assert!(most > 0 && most <= 1_000 * 1_280, "{most}");
    nothing_is_left(&running.server, 1);
    eventually("all are counted", || running.server.stats().handshake_timeouts == 1_000);
    bystander.was_served();
}
