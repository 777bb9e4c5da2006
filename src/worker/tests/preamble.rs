//! Tests of preambles: bytes before the first byte of the transport, as a proxy sends them.

use super::rig::{Rig, Seen, decode, limits, play, request, secs};
use super::transport::Peer;
use crate::http::HeadLimits;
use crate::worker::Limits;
use crate::worker::stream::transport::records::HELLO;
use crate::worker::stream::{ListenerOptions, PreambleError};
use crate::worker::table::TransportKind;
use crate::ws::{Opcode, encode};

const PREAMBLE: &[u8] = b"FROM somewhere\n";

/// Parses a line that begins with `FROM `.
fn parse(bytes: &[u8]) -> Result<Option<usize>, PreambleError> {
    let begins = bytes.iter().zip(b"FROM ").all(|(byte, expected)| byte == expected);
    let end = bytes.iter().position(|&byte| byte == b'\n');
    if begins { Ok(end.map(|at| at + 1)) } else { Err(PreambleError) }
}

fn use_preamble(rig: &mut Rig, transport: TransportKind) {
    rig.worker.sessions.streams.listeners[0] = ListenerOptions { transport, preamble: Some(parse) };
}

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::frame(&mut bytes, Opcode::Text, text.as_bytes(), Some([1, 2, 3, 4]));
    bytes
}

#[test]
fn the_stream_begins_behind_it_wherever_both_are_cut() {
    for transport in [TransportKind::Plain, TransportKind::Records] {
        let stream = [request("/").into_bytes(), frame("hello")].concat();
        let sealed = [&[HELLO], &Peer::default().encode_record(&stream)[..]].concat();
        let rest = if transport == TransportKind::Plain { stream } else { sealed };
        let wire = [PREAMBLE, &rest].concat();
        for cut in 0..=wire.len() {
            play(limits(), |rig| {
                use_preamble(rig, transport);
                let client = rig.connect();
                rig.send(client, &wire[..cut]);
                rig.settle();
                rig.send(client, &wire[cut..]);
                rig.settle();
                let mut received = rig.world().client_takes(client);
                if transport == TransportKind::Records {
                    received = Peer::default().open(&received);
                }
                assert!(received.starts_with(b"HTTP/1.1 101 "), "{transport:?}, cut at {cut}");
                let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
                assert_eq!(decode(&mut received[end..]), [Seen::Text("hello".into())]);
                assert_eq!(rig.counters().preamble_errors.get(), 0);
            });
        }
    }
}

#[test]
fn who_begins_with_anything_else_is_closed_without_an_answer() {
    let head = HeadLimits { bytes: 1024, ..HeadLimits::default() };
    let endless = [b"FROM ", &[b'x'; 2_000][..]].concat();
    for (wrong, pieces) in [(request("/").into_bytes(), 1), (endless.clone(), 1), (endless, 100)] {
        play(Limits { head, ..limits() }, |rig| {
            use_preamble(rig, TransportKind::Plain);
            let client = rig.connect();
            for piece in wrong.chunks(wrong.len().div_ceil(pieces)) {
                rig.send(client, piece);
                rig.settle();
            }
            assert_eq!(rig.world().client_takes(client), b"");
            assert_eq!((rig.counters().preamble_errors.get(), rig.world().held()), (1, 0));
        });
    }
}

#[test]
fn it_has_the_time_of_the_handshake() {
    play(limits(), |rig| {
        use_preamble(rig, TransportKind::Plain);
        let client = rig.connect();
        for byte in &PREAMBLE[..10] {
            rig.send(client, &[*byte]);
            rig.run_for(secs(1));
        }
        rig.run_for(secs(1));
        assert_eq!((rig.counters().handshake_timeouts.get(), rig.world().held()), (1, 0));
    });
}

#[test]
fn over_the_limit_the_request_behind_it_is_refused() {
    play(Limits { worker_connections: 0, ..limits() }, |rig| {
        use_preamble(rig, TransportKind::Plain);
        let client = rig.connect();
        rig.send(client, &[PREAMBLE, request("/").as_bytes()].concat());
        rig.settle();
        assert!(rig.response(client).starts_with("HTTP/1.1 503 "));
    });
}
