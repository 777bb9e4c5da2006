//! Little that becomes much: compressed messages that are made to take memory or time.

use std::io::Write;
use std::time::{Duration, Instant};

use throng::ws::deflate::Deflater;
use throng::ws::{Opcode, encode};
use throng::{Builder, Compression};

use super::super::app::start;
use super::super::client::Bystander;
use super::super::compressed::{OFFER, message, next, open};
use super::{BINARY, CONTINUATION, FIN, TEXT, masked, nothing_is_left};

/// RSV1.
const COMPRESSED: u8 = 0x40;

fn compressing(builder: Builder) -> Builder {
    builder.compression(Compression::Shared)
}

#[test]
fn a_bomb_is_closed_with_1009_whatever_it_would_come_to() {
    for compression in [Compression::Shared, Compression::Dedicated] {
        let running = start(|builder| builder.compression(compression));
        let bystander = Bystander::new(running.address);
        let bomb = message(Opcode::Binary, &vec![0; 16 << 20]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        for _ in 0..10 {
            let (mut stream, _) = open(running.address, OFFER);
            stream.write_all(&bomb).unwrap();
            assert_eq!(next(&mut stream), Err(1009));
        }
        nothing_is_left(&running.server, 1);
        bystander.was_served();
    }
}

#[test]
fn what_is_no_deflate_is_closed_with_1007_and_a_misplaced_bit_with_1002() {
    let running = start(compressing);
    let bystander = Bystander::new(running.address);
    for (frames, code) in [
        // A block of the reserved type; stored lengths that disagree; a reference to before the beginning; a message cut short.
        (masked(FIN | COMPRESSED | BINARY, &[0x07, 0x00]), 1007),
        (masked(FIN | COMPRESSED | BINARY, &[0x00, 0x05, 0x00, 0xfb, 0xff, 0x48]), 1007),
        (masked(FIN | COMPRESSED | TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]), 1007),
        (masked(FIN | COMPRESSED | TEXT, &[0xf2, 0x48, 0xcd]), 1007),
        // "Hello" with its last byte no UTF-8, in a stored block.
        (masked(FIN | COMPRESSED | TEXT, &[0x00, 0x02, 0x00, 0xfd, 0xff, 0xc3, 0x28, 0x00]), 1007),
        (masked(0xc9, b"ping"), 1002),
        ([masked(COMPRESSED | TEXT, b""), masked(FIN | COMPRESSED | CONTINUATION, &[0x00])].concat(), 1002),
        (masked(FIN | 0x20 | TEXT, b"RSV2"), 1002),
        (masked(FIN | 0x10 | TEXT, b"RSV3"), 1002),
    ] {
        let (mut stream, _) = open(running.address, OFFER);
        stream.write_all(&frames).unwrap();
        assert_eq!(next(&mut stream), Err(code), "{frames:x?}");
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

/// 1.15 MB of them took half a second, and four clients a core.
#[test]
fn streams_without_end_are_closed_with_1008() {
    let running = start(compressing);
    let bystander = Bystander::new(running.address);
    let payload: Vec<u8> = (0..40_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let valid = Deflater::new(1).compress(&payload, 15, &[]).to_vec();
    // What is left of a flush behind it, and then blocks that end a stream, each of which begins another.
    let message = [&valid[..], &[0, 0, 0xff, 0xff], &[0x03, 0x00].repeat(500_000)].concat();
    let mut frame = Vec::new();
    encode::compressed_frame(&mut frame, Opcode::Binary, &message, Some([1, 2, 3, 4]));
    for _ in 0..10 {
        let (mut stream, _) = open(running.address, OFFER);
        stream.write_all(&frame).unwrap();
        assert_eq!(next(&mut stream), Err(1008));
    }
    assert_eq!(running.server.stats().protocol_errors, 10);
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

#[test]
fn messages_a_thousand_times_their_size_do_not_starve_the_others() {
    let running = start(compressing);
    // Just under the limit of a message, and no echo is smaller than it says.
    let flood = message(Opcode::Binary, &vec![0; 1 << 20]).repeat(50);
    let bystander = Bystander::new(running.address);
    let mut streams: Vec<_> = (0..8).map(|_| open(running.address, OFFER).0).collect();
    let until = Instant::now() + Duration::from_millis(500);
    std::thread::scope(|scope| {
        for stream in &mut streams {
            let mut reader = stream.try_clone().unwrap();
            scope.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            let flood = &flood;
            scope.spawn(move || {
                while Instant::now() < until {
                    stream.write_all(flood).unwrap();
                }
                stream.shutdown(std::net::Shutdown::Both).unwrap();
            });
        }
    });
    assert!(running.server.stats().compressed_in > 8);
    bystander.was_served();
    nothing_is_left(&running.server, 0);
}
