//! Peers that go quiet: before the upgrade, after it, in the middle of something, or with half the connection closed.

use std::io::{Read, Write};
use std::net::Shutdown;

use throng::ws::Opcode;
use throng::{Builder, PingPolicy};

use super::super::app::{Told, millis, start};
use super::super::client::{Bystander, Client, Got, dial, eventually};
use super::{BINARY, CLOSE, FIN, PING, REQUEST, TEXT, header, masked, nothing_is_left, open_many};

fn impatient(builder: Builder) -> Builder {
    builder.ping_interval(Some(millis(300))).pong_timeout(millis(300))
}

#[test]
fn who_never_answers_pings_is_dropped_in_time() {
    let running = start(|builder| impatient(builder).ping_policy(PingPolicy::Always));
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

/// What is in front of its Pings takes it seconds, and their Pongs have one.
#[test]
fn who_reads_slowly_and_steadily_is_kept() {
    let running = start(|builder| builder.ping_interval(Some(millis(500))).pong_timeout(millis(1_000)));
    let mut client = Client::open(running.address);
    let message = vec![b'x'; 1_000_000];
    client.frame(true, Opcode::Binary, &message);
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    while got.len() < message.len() {
        let len = client.stream.read(&mut piece).unwrap();
        assert!(len > 0, "it was dropped after {} bytes: {:?}", got.len(), running.server.stats());
        got.extend_from_slice(&piece[..len]);
        std::thread::sleep(millis(10));
    }
    client.unread(&got);
    assert_eq!(client.get_answering(), Got::Binary(message));
    client.is_echoed("still here");
    assert_eq!(running.server.stats().pong_timeouts, 0);
}

#[test]
fn who_goes_quiet_after_the_upgrade_is_dropped_wherever_it_stops() {
    let running = start(impatient);
    let bystander = Bystander::new(running.address);
    let stops = [
        vec![],
        vec![FIN | TEXT],
        header(FIN | TEXT, 1 << 20),
        [header(FIN | TEXT, 1 << 20), vec![0; 5_000]].concat(),
        masked(TEXT, b"a first fragment"),
        masked(PING, b"cut")[..4].to_vec(),
        masked(CLOSE, b"\x03\xe8cut")[..7].to_vec(),
    ];
    let clients: Vec<Client> = stops
        .iter()
        .map(|bytes| {
            let mut client = Client::open(running.address);
            client.raw(bytes);
            client
        })
        .collect();
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    drop(clients);
    assert_eq!(running.server.stats().pong_timeouts, stops.len() as u64);
    let closed =
        running.told.try_iter().filter(|told| matches!(told, Told::Closed(_, why) if why == "PongTimeout"));
    assert_eq!(closed.count(), stops.len());
}

#[test]
fn messages_that_never_end_are_1008_though_every_ping_is_answered() {
    let running =
        start(|builder| builder.message_timeout(Some(millis(500))).ping_interval(Some(millis(200))));
    let bystander = Bystander::new(running.address);
    // Into the first, the Pongs go as its payload.
    let stops = [header(FIN | BINARY, 1 << 20), masked(TEXT, b"a first fragment"), masked(TEXT, b"")];
    for bytes in &stops {
        let mut client = Client::open(running.address);
        client.raw(bytes);
        assert_eq!([client.get_answering(), client.get()], [Got::Close(1008), Got::End], "{bytes:?}");
    }
    nothing_is_left(&running.server, 1);
    let stats = running.server.stats();
    bystander.was_served();
    assert_eq!((stats.message_timeouts, stats.pong_timeouts), (stops.len() as u64, 0));
}

#[test]
fn a_thousand_half_open_connections_are_gone_in_time() {
    let running = start(|builder| builder.ping_interval(Some(millis(1_000))).pong_timeout(millis(500)));
    let bystander = Bystander::new(running.address);
    // Their owners neither read nor end them, as if their network were gone.
    let clients = open_many(running.address, 1_000);
    eventually("all are dropped", || running.server.stats().pong_timeouts == 1_000);
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    drop(clients);
}

#[test]
fn a_half_closed_client_is_lost_and_its_end_of_the_stream_comes() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for bytes in [vec![], masked(FIN | TEXT, b"hi"), masked(TEXT, b"half"), vec![FIN | TEXT, 0xfe, 0xff]] {
        let mut client = Client::open(running.address);
        client.raw(&bytes);
        client.stream.shutdown(Shutdown::Write).unwrap();
        let mut got = client.get();
        if got == Got::Text("hi".into()) {
            got = client.get();
        }
        assert_eq!(got, Got::End, "after {bytes:?}");
    }
    nothing_is_left(&running.server, 1);
    let stats = running.server.stats();
    bystander.was_served();
    assert_eq!((stats.lost, stats.protocol_errors), (4, 0));
}

#[test]
fn a_close_before_the_half_close_is_answered() {
    let running = start(|builder| builder);
    let session = [REQUEST.as_bytes(), &masked(FIN | TEXT, b"hi"), &masked(CLOSE, &[3, 232])].concat();
    let mut stream = dial(running.address);
    stream.write_all(&session).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert!(got.ends_with(b"\r\n\r\n\x81\x02hi\x88\x02\x03\xe8"), "{}", got.escape_ascii());
    nothing_is_left(&running.server, 0);
    assert_eq!(running.server.stats().closed_by_peer, 1);
}

#[test]
fn who_half_closes_behind_the_request_leaves_nothing() {
    let running = start(|builder| builder);
    for _ in 0..50 {
        let mut stream = dial(running.address);
        stream.write_all(REQUEST.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        // When its end is seen together with the request, there is nobody to open a WebSocket for.
        assert!(got.is_empty() || got.starts_with(b"HTTP/1.1 101 "), "{}", got.escape_ascii());
    }
    nothing_is_left(&running.server, 0);
    let stats = running.server.stats();
    assert_eq!((stats.opened, stats.lost), (50, 50));
    assert_eq!(running.told.try_iter().count(), 100);
}
