//! Frames that break the protocol: each connection is failed with the right code, once, and the code arrives.

use super::super::app::{Told, start};
use super::super::client::{Bystander, Client, Got};
use super::{
    ARRIVALS, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, REQUEST, TEXT, header, masked, nothing_is_left,
};

/// Sends each in every way over an open WebSocket, and awaits the code and the end of the stream.
fn are_failed(cases: &[(u16, Vec<u8>)]) {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for (code, bytes) in cases {
        for arrival in ARRIVALS {
            let mut client = Client::open(running.address);
            arrival.send(&mut client.stream, bytes);
            let got = [client.get(), client.get()];
            assert_eq!(got, [Got::Close(*code), Got::End], "to {arrival:?} {}", bytes.escape_ascii());
        }
    }
    nothing_is_left(&running.server, 1);
    let stats = running.server.stats();
    bystander.was_served();
    let failed = ARRIVALS.len() * cases.len();
    assert_eq!((stats.protocol_errors, stats.lost), (failed as u64, 0));
    let told: Vec<Told> = running.told.try_iter().collect();
    let failures =
        told.iter().filter(|told| matches!(told, Told::Closed(_, why) if why.starts_with("Failed")));
    assert_eq!(failures.count(), failed, "the application is told of each once");
}

#[test]
fn frames_without_a_mask_are_1002() {
    let opcodes = [FIN | TEXT, FIN | BINARY, TEXT, FIN | CONTINUATION, CLOSE, PING, PONG];
    let cases = opcodes.map(|first| (1002, vec![first, 2, b'h', b'i']));
    are_failed(&cases);
}

#[test]
fn reserved_bits_and_opcodes_are_1002() {
    let bits = [0x10, 0x20, 0x40, 0x70].into_iter().flat_map(|bits| [FIN | TEXT | bits, PING | bits, bits]);
    let opcodes = (0x3..=0x7).chain(0xb..=0xf).flat_map(|opcode| [opcode, FIN | opcode]);
    let cases: Vec<_> = bits.chain(opcodes).map(|first| (1002, masked(first, b"hi"))).collect();
    are_failed(&cases);
}

#[test]
fn lengths_that_are_wrong_or_too_long_are_1002_and_1009() {
    are_failed(&[
        (1002, header(FIN | BINARY, 1 << 63)),
        (1002, header(FIN | BINARY, u64::MAX)),
        (1002, header(BINARY, 1 << 63 | 5)),
        (1002, header(FIN | TEXT, 65_535)),
        (1002, header(FIN | TEXT, 0)),
        (1002, [FIN | TEXT, 0xfe, 0, 125, 1, 2, 3, 4].to_vec()),
        (1009, header(FIN | BINARY, (1 << 63) - 1)),
        (1009, header(FIN | BINARY, 1 << 32)),
        (1009, header(FIN | TEXT, (1 << 20) + 1)),
        (1009, header(TEXT, (1 << 20) + 1)),
        (1009, [masked(TEXT, b"a"), header(FIN | CONTINUATION, 1 << 20)].concat()),
    ]);
}

#[test]
fn control_frames_that_are_long_or_in_fragments_are_1002() {
    are_failed(&[
        (1002, masked(PING, &[0; 126])),
        (1002, masked(PONG, &[0; 126])),
        (1002, masked(CLOSE, &[3; 126])),
        (1002, header(PING, 1 << 20)),
        (1002, header(PING, (1 << 63) - 1)),
        (1002, masked(PING & !FIN, b"a")),
        (1002, masked(PONG & !FIN, b"")),
        (1002, masked(CLOSE & !FIN, &[3, 232])),
        (1002, [masked(TEXT, b"a"), masked(PING & !FIN, b"a")].concat()),
    ]);
}

#[test]
fn fragments_out_of_order_are_1002() {
    are_failed(&[
        (1002, masked(FIN | CONTINUATION, b"a")),
        (1002, masked(CONTINUATION, b"")),
        (1002, [masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat()),
        (1002, [masked(BINARY, b"a"), masked(BINARY, b"b")].concat()),
        (1002, [masked(TEXT, b""), masked(FIN | BINARY, b"")].concat()),
    ]);
}

#[test]
fn text_that_is_no_utf8_is_1007_wherever_it_is_split() {
    let mut cases = Vec::new();
    for text in [
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"[..], // a surrogate
        b"a\xc0\xafb",                                                          // overlong
        b"a\xf4\x90\x80\x80b",                                                  // above U+10FFFF
        b"a\xffb",
        b"\x80",
        b"half \xf0\x9f\x98", // the end is missing
    ] {
        cases.push((1007, masked(FIN | TEXT, text)));
        for at in 0..=text.len() {
            let (start, end) = text.split_at(at);
            let pieces = [masked(TEXT, start), masked(FIN | CONTINUATION, end)];
            cases.push((1007, pieces.concat()));
        }
        let mut bytes = masked(TEXT, b"");
        text.iter().for_each(|&byte| bytes.extend(masked(CONTINUATION, &[byte])));
        bytes.extend(masked(FIN | CONTINUATION, b""));
        cases.push((1007, bytes));
    }
    are_failed(&cases);
}

#[test]
fn close_frames_with_illegal_codes_or_bodies_are_1002_and_1007() {
    let codes = [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
    let illegal = codes.map(|code| (1002, masked(CLOSE, &code.to_be_bytes())));
    let bodies = [
        (1002, masked(CLOSE, b"\x03")),
        (1007, masked(CLOSE, b"\x03\xe8\xff")),
        (1007, masked(CLOSE, b"\x03\xe8going\xf0\x9f\x98")),
        (1007, [masked(TEXT, b"\xc3"), masked(CLOSE, b"\x03\xe8\xa4")].concat()),
    ];
    are_failed(&[&illegal[..], &bodies].concat());
}

#[test]
fn a_second_request_behind_the_first_is_no_frame() {
    are_failed(&[(1002, REQUEST.into()), (1002, b"hello?\r\n\r\n".into()), (1002, vec![0xff; 64])]);
}

#[test]
fn more_fragments_than_the_limit_are_1008_though_they_are_empty() {
    let endless = [masked(BINARY, b""), masked(CONTINUATION, b"").repeat(10_000)].concat();
    let with_pings =
        [masked(TEXT, b""), [masked(CONTINUATION, b""), masked(PONG, b"")].concat().repeat(10_000)];
    are_failed(&[(1008, endless), (1008, with_pings.concat())]);
}
