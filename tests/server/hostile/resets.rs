//! Connections that end in a reset, one by one and in a burst.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsFd;

use throng::sys::socket::reset_on_close;

use super::super::app::{Running, Told, start};
use super::super::client::{Bystander, Client, dial, eventually};
use super::{CLOSE, FIN, PING, REQUEST, TEXT, masked, nothing_is_left};

pub(super) fn reset(stream: TcpStream) {
    reset_on_close(stream.as_fd()).unwrap();
    drop(stream);
}

#[test]
fn who_resets_is_lost_and_told_of_once() {
    let running = start(|builder| builder);
    let Running { server, address, .. } = &running;
    for _ in 0..50 {
        let mut client = Client::open(*address);
        client.raw(b"\x82\xfe\x0f\xa0\0\0\0\0half a message");
        reset(client.stream);
    }
    nothing_is_left(server, 0);
    assert_eq!((server.stats().opened, server.stats().lost), (50, 50));
    let told: Vec<Told> = running.told.try_iter().collect();
    let closed = told.iter().filter(|told| matches!(told, Told::Closed(_, why) if why == "Lost")).count();
    assert_eq!((told.len(), closed), (100, 50));
}

#[test]
fn a_reset_at_any_point_leaves_nothing() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    let session = [
        REQUEST.as_bytes(),
        &masked(FIN | TEXT, &[b'x'; 200]),
        &masked(PING, b"?"),
        &masked(TEXT, b"first"),
        &masked(FIN, b"last"),
        &masked(CLOSE, &[3, 232]),
    ]
    .concat();
    for end in (0..=session.len()).step_by(3) {
        let mut stream = dial(running.address);
        stream.write_all(&session[..end]).unwrap();
        reset(stream);
    }
    let opened = |told: &Told| matches!(told, Told::Opened(_));
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    nothing_is_left(&running.server, 0);
    let (opens, closes): (Vec<Told>, Vec<Told>) = running.told.try_iter().partition(opened);
    assert_eq!(opens.len(), closes.len(), "whoever was opened is closed once");
}

/// Connections of a burst, and how far ahead of the server it may be: the kernel's queue of connections that wait is finite
/// (`net.core.somaxconn`, 4,096 where nobody has changed it), and those beyond it are dropped unseen.
const BURST: u64 = 10_000;
const AHEAD: u64 = 2_000;

/// Connects, sends and resets 10,000 times from two threads.
fn burst(running: &Running, bytes: &[u8]) {
    let Running { server, address, .. } = running;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for at in 0..BURST / 2 {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.write_all(bytes).unwrap();
                    reset(stream);
                    eventually("the server keeps up", || server.stats().accepted + AHEAD >= 2 * at);
                }
            });
        }
    });
    eventually("all were seen", || server.stats().accepted == BURST + 1);
    nothing_is_left(server, 1);
}

#[test]
fn those_that_reset_without_a_word_never_come_to_the_server() {
    let running = start(|builder| builder.max_connections(15_000));
    let bystander = Bystander::new(running.address);
    for _ in 0..1_000 {
        reset(TcpStream::connect(running.address).unwrap());
    }
    bystander.was_served();
    assert_eq!(running.server.stats().accepted, 1);
}

#[test]
fn ten_thousand_that_begin_and_reset_are_gone_without_a_trace() {
    let running = start(|builder| builder.max_connections(15_000));
    let bystander = Bystander::new(running.address);
    burst(&running, b"G");
    bystander.was_served();
    let stats = running.server.stats();
    assert_eq!(
        (stats.opened, stats.refused_at_limit, stats.dropped_at_limit, stats.accept_exhausted),
        (1, 0, 0, 0)
    );
    assert_eq!((stats.handshake_timeouts, stats.refused_requests), (0, 0));
}

#[test]
fn ten_thousand_that_ask_and_reset_are_gone_without_a_trace() {
    let running = start(|builder| builder.max_connections(15_000));
    let bystander = Bystander::new(running.address);
    burst(&running, &[REQUEST.as_bytes(), &masked(FIN | TEXT, b"hi"), &masked(TEXT, b"half")].concat());
    bystander.was_served();
    nothing_is_left(&running.server, 0);
    let stats = running.server.stats();
    // Which of them came as far as the upgrade depends on when the reset arrived.
    assert_eq!(stats.opened, stats.lost + stats.closed_by_peer + stats.protocol_errors);
    let told = running.told.try_iter().count() as u64;
    assert_eq!(told, 2 * stats.opened);
    assert_eq!((stats.refused_at_limit, stats.dropped_at_limit, stats.accept_exhausted), (0, 0, 0));
}

#[test]
fn a_burst_over_the_limit_of_connections_is_survived() {
    let running = start(|builder| builder.max_connections(20));
    let bystander = Bystander::new(running.address);
    burst(&running, REQUEST.as_bytes());
    bystander.was_served();
    eventually("room again", || running.server.stats().sockets == 0);
    Client::open(running.address).is_echoed("now there is room");
}
