//! Attacks on buffer memory: much that is promised, and much that is left half done.

use std::io::Write;

use throng::ws::{Opcode, encode};

use super::super::app::{millis, start};
use super::super::client::{Bystander, Client, Got, eventually};
use super::{BINARY, FIN, TEXT, header, nothing_is_left, open_many};

#[test]
fn a_declared_length_reserves_nothing() {
    let running = start(|builder| builder.max_connections(2_000));
    let bystander = Bystander::new(running.address);
    let mut clients = open_many(running.address, 1_000);
    for (at, client) in clients.iter_mut().enumerate() {
        let first = if at % 2 == 0 { FIN | BINARY } else { TEXT };
        client.raw(&header(first, 1 << 20));
    }
    let received = |bytes: u64| move |stats: &throng::Stats| stats.bytes_in >= bytes;
    let sum = 1_000 * (14 + request_len());
    eventually("all of it has arrived", || received(sum)(&running.server.stats()));
    // A gigabyte was promised. What the bystander's own messages take is gone before they are answered.
    assert!(running.server.stats().buffered_bytes <= 1024);
    clients.iter_mut().for_each(|client| client.raw(b"0123456789"));
    eventually("ten bytes each", || received(sum + 10_000)(&running.server.stats()));
    eventually("a small buffer each", || {
        (256_000..=256_000 + 1024).contains(&running.server.stats().buffered_bytes)
    });
    drop(clients);
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

/// 530 of them with 64 KiB each, 35 MiB, took up 512 MiB.
#[test]
fn what_has_arrived_counts_and_not_what_there_is_room_for() {
    let running = start(|builder| builder.buffer_limit(32 << 20));
    let bystander = Bystander::new(running.address);
    let mut clients = open_many(running.address, 100);
    for client in &mut clients {
        client.raw(&[&header(FIN | BINARY, 1 << 20)[..], &[0; 66_000]].concat());
    }
    let sum = 100 * 66_000;
    eventually("all of it is kept", || running.server.stats().buffered_bytes >= sum);
    assert!(
        running.server.stats().buffered_bytes < sum + sum / 4,
        "{}",
        running.server.stats().buffered_bytes
    );
    // A request in two pieces, and a message.
    let mut stream = super::super::client::dial(running.address);
    for piece in [&super::REQUEST.as_bytes()[..60], &super::REQUEST.as_bytes()[60..]] {
        stream.write_all(piece).unwrap();
        std::thread::sleep(millis(20));
    }
    let mut response = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 101");
    let mut client = Client::open(running.address);
    let message = super::masked(FIN | TEXT, &[b'a'; 40_000]);
    for piece in message.chunks(20_000) {
        client.raw(piece);
        std::thread::sleep(millis(20));
    }
    assert_eq!(client.get(), Got::Text("a".repeat(40_000)));
    assert_eq!(running.server.stats().buffer_exhausted, 0);
    drop((clients, client, stream));
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

/// Bytes of the request that the test's client sends.
fn request_len() -> u64 {
    let mut request = Vec::new();
    throng::ws::client::request(&mut request, "localhost", "/", &throng::ws::client::encode_key([0; 16]), "");
    request.len() as u64
}

#[test]
fn partial_messages_beyond_the_share_are_1013_and_small_messages_still_pass() {
    let settings = |builder: throng::Builder| {
        builder.max_connections(2_000).max_message(64 << 10).outbox_limit(64 << 10).buffer_limit(1 << 20)
    };
    let running = start(settings);
    let bystander = Bystander::new(running.address);
    let mut message = Vec::new();
    encode::frame(&mut message, Opcode::Binary, &[0; 60_000], Some([1; 4]));
    let mut clients = open_many(running.address, 1_000);
    let mut most = 0;
    for client in &mut clients {
        client.raw(&message[..2_000]);
        most = most.max(running.server.stats().buffered_bytes);
    }
    // A buffer of 4 KiB each: 256 at a time.
    eventually("the rest is refused", || running.server.stats().buffer_exhausted >= 1_000 - 256);
    assert!(most <= 1 << 20, "{most}");
    Client::open(running.address).is_echoed("small");
    let held = 1_000 - running.server.stats().buffer_exhausted;
    assert!((200..=256).contains(&held), "{held}");
    let mut told = 0;
    for client in &mut clients {
        client.stream.set_read_timeout(Some(millis(1))).unwrap();
        let mut start = [0; 4];
        if std::io::Read::read_exact(&mut client.stream, &mut start).is_ok() {
            assert_eq!((start[0], &start[2..]), (0x88, &1013_u16.to_be_bytes()[..]));
            told += 1;
        }
    }
    assert_eq!(told, 1_000 - held, "each of them was told");
    drop(clients);
    nothing_is_left(&running.server, 1);
    let mut client = Client::open(running.address);
    client.raw(&message);
    assert!(
        matches!(client.get(), Got::Binary(bytes) if bytes.len() == 60_000),
        "there is room for it again"
    );
    bystander.was_served();
}

#[test]
fn halves_of_requests_beyond_the_share_are_503() {
    let settings = |builder: throng::Builder| {
        builder.max_connections(2_000).max_message(64 << 10).outbox_limit(64 << 10).buffer_limit(128 << 10)
    };
    let running = start(settings);
    let bystander = Bystander::new(running.address);
    let streams = super::on_threads(1_000, || {
        let mut stream = super::super::client::dial(running.address);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").unwrap();
        stream
    });
    eventually("all of them are judged", || {
        // The bystander's own request came whole.
        running.server.stats().refused_at_limit == 1_000 - 512
    });
    assert!(running.server.stats().buffered_bytes <= 128 << 10);
    Client::open(running.address).is_echoed("a request in one piece needs no buffer");
    drop(streams);
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}
