//! Clients that break rules or promises: each is dropped in time or told why, costs a bounded amount, and hurts nobody else.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use throng::PingPolicy;
use throng::ws::{Opcode, encode};

use super::app::{Running, Told, millis, start};
use super::client::{Bystander, Client, Got, PATIENCE, dial, eventually};

/// Reads until the server ends the connection, which must be in time.
fn read_to_the_end(mut stream: impl Read) -> Vec<u8> {
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it was not ended: {error}"),
        _ => got,
    }
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
fn who_never_answers_pings_is_dropped_in_time() {
    let settings = |builder: throng::Builder| {
        builder.ping_interval(Some(millis(300))).pong_timeout(millis(300)).ping_policy(PingPolicy::Always)
    };
    let running = start(settings);
    let bystander = Bystander::new(running.address);
    let mut client = Client::open(running.address);
    let mut got = Vec::new();
    // It talks, but answers no Ping.
    client.say("I am here");
    while !matches!(got.last(), Some(Got::End | Got::Reset)) {
        got.push(client.get());
    }
    assert!(got.iter().any(|got| matches!(got, Got::Ping(_))), "{got:?}");
    bystander.was_served();
    let stats = running.server.stats();
    assert_eq!(stats.pong_timeouts, 1);
    assert!(stats.pongs_received > 0, "the other one answers");
}

#[test]
fn who_never_reads_is_not_read_from_and_takes_up_a_bounded_amount() {
    let settings =
        |builder: throng::Builder| builder.ping_interval(Some(millis(500))).pong_timeout(millis(500));
    let running = start(settings);
    let bystander = Bystander::new(running.address);
    let mut client = Client::open(running.address);
    client.stream.set_write_timeout(Some(millis(200))).unwrap();
    let mut message = Vec::new();
    encode::frame(&mut message, true, Opcode::Binary, &[0; 60_000], Some([1; 4]));
    let mut most = 0;
    let mut written = 0_usize;
    // It goes on until its own send buffer is full, or it is dropped.
    while client.stream.write_all(&message).is_ok() {
        written += message.len();
        most = most.max(running.server.stats().buffered_bytes);
        assert!(written < 256 << 20, "it is read from for ever");
    }
    eventually("the pong timeout", || {
        most = most.max(running.server.stats().buffered_bytes);
        running.server.stats().pong_timeouts == 1
    });
    assert!(most > 0 && most <= 2 << 20, "{most} bytes were buffered for it");
    bystander.was_served();
    eventually("memory back", || running.server.stats().buffered_bytes == 0);
}

#[test]
fn who_sends_garbage_is_told_what_is_wrong_with_it() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for (garbage, code) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], 1002),
        (b"\xff\xff\xff\xff\xff\xff", 1002),
        (b"\x81\x02hi", 1002),
        (b"\x81\x82\0\0\0\0\xc3\x28", 1007),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x89\xfe\0\x7e\0\0\0\0", 1002),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    ] {
        let mut client = Client::open(running.address);
        client.raw(garbage);
        assert_eq!([client.get(), client.get()], [Got::Close(code), Got::End], "{garbage:?}");
    }
    bystander.was_served();
    assert_eq!(running.server.stats().protocol_errors, 7);
}

#[test]
fn a_request_of_garbage_gets_its_status() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(9_000));
    for (garbage, status) in [
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "426"),
        ("POST / HTTP/1.1\r\nHost: h\r\n\r\n", "405"),
        (&long, "431"),
    ] {
        let mut stream = dial(running.address);
        stream.write_all(garbage.as_bytes()).unwrap();
        let response = String::from_utf8(read_to_the_end(stream)).unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{garbage:?}: {response}");
    }
    bystander.was_served();
}

#[test]
fn a_close_that_is_never_answered_is_cut_in_time() {
    let running = start(|builder| builder.close_timeout(millis(300)));
    let bystander = Bystander::new(running.address);
    let mut client = Client::open(running.address);
    client.say("close");
    assert_eq!(client.get(), Got::Close(1000));
    let ended = client.get();
    assert!(matches!(ended, Got::End | Got::Reset), "{ended:?}");
    bystander.was_served();
    assert_eq!(running.server.stats().close_timeouts, 1);
}

#[test]
fn who_resets_is_lost_and_told_of_once() {
    let running = start(|builder| builder);
    let Running { server, address, .. } = &running;
    for _ in 0..50 {
        let mut client = Client::open(*address);
        client.raw(b"\x82\xfe\x0f\xa0\0\0\0\0half a message");
        let _ = throng::sys::socket::reset_on_close(std::os::fd::AsFd::as_fd(&client.stream));
    }
    eventually("all are gone", || server.stats().sockets == 0);
    assert_eq!((server.stats().opened, server.stats().lost), (50, 50));
    let told: Vec<Told> = running.told.try_iter().collect();
    let closed = told.iter().filter(|told| matches!(told, Told::Closed(_, why) if why == "Lost")).count();
    assert_eq!((told.len(), closed), (100, 50));
    eventually("memory back", || server.stats().buffered_bytes == 0);
}

#[test]
fn one_that_floods_does_not_starve_the_others() {
    let running = start(|builder| builder);
    let mut flood = Client::open(running.address);
    let mut reader = flood.stream.try_clone().unwrap();
    let mut messages = Vec::new();
    for _ in 0..10_000 {
        encode::frame(&mut messages, true, Opcode::Ping, b"", Some([0; 4]));
    }
    let bystander = Bystander::new(running.address);
    let until = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(move || while !matches!(reader.read(&mut [0; 65_536]), Ok(0) | Err(_)) {});
        while Instant::now() < until {
            flood.raw(&messages);
        }
        flood.stream.shutdown(std::net::Shutdown::Both).unwrap();
    });
    bystander.was_served();
}
