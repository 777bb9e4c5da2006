//! Tests of compression in both directions: negotiation, windows and limits.

use super::deflating::{Deflating, ReceivedMessage, agreed, noise, offering, text};
use super::rig::{Rig, Seen, limits, play, request};
use crate::budget::{WORK_PER_ITERATION, WORK_PER_VISIT};
use crate::worker::{Deflation, Limits};
use crate::ws::deflate::ContextTakeover;
use crate::ws::{CloseCode, Message, Opcode, encode};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn with(context: ContextTakeover) -> Limits {
    Limits { deflation: Some(Deflation { context, level: 1, threshold: 256 }), ..limits() }
}

const fn both() -> [ContextTakeover; 2] {
    [ContextTakeover::Off, ContextTakeover::Window(11)]
}

fn compressed(text: &str) -> ReceivedMessage {
    ReceivedMessage::Text(text.into(), true)
}

#[test]
fn it_is_agreed_on_where_both_ends_want_it() {
    play(limits(), |rig| {
        let (_, response) = rig.open_by(&offering("/", OFFER));
        assert_eq!(agreed(&response), None);
    });
    play(with(ContextTakeover::Off), |rig| {
        let (_, response) = rig.open_by(&offering("/", OFFER));
        let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(agreed(&response), Some(expected));
        for request in [
            request("/"),
            offering("/", "x-webkit-deflate-frame"),
            offering("/", "permessage-deflate; unknown"),
            offering("/uncompressed", OFFER),
        ] {
            assert_eq!(agreed(&rig.open_by(&request).1), None, "{request}");
        }
        let malformed = rig.connect();
        rig.send(malformed, offering("/", "permessage-deflate;;").as_bytes());
        rig.settle();
        assert!(rig.response(malformed).starts_with("HTTP/1.1 400 "));
    });
    play(with(ContextTakeover::Window(11)), |rig| {
        let (_, response) = rig.open_by(&offering("/", OFFER));
        let expected = "permessage-deflate; client_max_window_bits=11";
        assert_eq!(agreed(&response), Some(expected));
    });
}

#[test]
fn messages_come_back_in_one_stream_each_way() {
    for context in both() {
        for offer in [
            "permessage-deflate",
            OFFER,
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
            "permessage-deflate; client_no_context_takeover",
        ] {
            play(with(context), |rig| {
                let mut peer = Deflating::open(rig, offer);
                for number in 0..20 {
                    let text = text(number, 300 + 137 * number);
                    peer.send_text(rig, &text);
                    rig.settle();
                    assert_eq!(peer.receive(rig), [compressed(&text)], "{offer}: {}", peer.agreed);
                }
                assert_eq!(
                    (rig.counters().compressed_in.get(), rig.counters().compressed_out.get()),
                    (20, 20)
                );
            });
        }
    }
}

#[test]
fn a_connection_without_context_keeps_nothing() {
    play(with(ContextTakeover::Off), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        peer.send_text(rig, &text(1, 1024));
        rig.settle();
        assert_eq!(peer.receive(rig), [compressed(&text(1, 1024))]);
        assert_eq!(
            (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.pool.used()),
            (0, 0)
        );
        assert_eq!(rig.counters().context_bytes.get(), 0);
    });
}

#[test]
fn a_connection_with_context_keeps_its_windows_and_they_help() {
    play(with(ContextTakeover::Window(11)), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        assert_eq!(
            (rig.worker.sessions.streams.table.sides_len(), rig.counters().context_bytes.get()),
            (0, 0)
        );
        let text = text(1, 1024);
        let mut sizes = Vec::new();
        for _ in 0..3 {
            peer.send_text(rig, &text);
            rig.settle();
            let before = rig.counters().bytes_out.get();
            sizes.push(before);
            assert_eq!(peer.receive(rig), [compressed(&text)]);
        }
        let second = sizes[1] - sizes[0];
        assert!(second < 40, "{second} bytes for what was sent before");
        assert_eq!(rig.counters().context_bytes.get(), 2 * 2048);
        assert_eq!(
            (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.pool.used()),
            (1, 0)
        );
    });
}

#[test]
fn small_messages_and_noise_are_sent_as_they_are() {
    for context in both() {
        play(with(context), |rig| {
            let mut peer = Deflating::open(rig, OFFER);
            for (len, is_compressed) in [(0, false), (1, false), (255, false), (256, true), (257, true)] {
                let text = text(len, len);
                peer.send_text(rig, &text);
                rig.settle();
                assert_eq!(peer.receive(rig), [ReceivedMessage::Text(text, is_compressed)]);
            }
            let noise = noise(3000);
            let frame = peer.frame(Opcode::Binary, &noise);
            rig.send(peer.client, &frame);
            rig.settle();
            assert_eq!(peer.receive(rig), [ReceivedMessage::Binary(noise, false)]);
            let text = text(7, 500);
            peer.send_text(rig, &text);
            rig.settle();
            assert_eq!(peer.receive(rig), [compressed(&text)], "the context is what it was before the noise");
        });
    }
}

#[test]
fn fragments_with_pings_between_are_one_message() {
    play(with(ContextTakeover::Window(10)), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        for number in 0..4 {
            let text = text(number, 2000);
            let payload = peer.compress(text.as_bytes());
            let (first, rest) = payload.split_at(number);
            let (second, third) = rest.split_at(rest.len() / 2);
            let key = Some([9, 8, 7, 6]);
            let mut bytes = Vec::new();
            encode::compressed_fragment(&mut bytes, encode::Fin::Clear, Opcode::Text, first, key);
            encode::frame(&mut bytes, Opcode::Pong, b"unasked", key);
            encode::fragment(&mut bytes, encode::Fin::Clear, Opcode::Continuation, second, key);
            encode::frame(&mut bytes, Opcode::Continuation, third, key);
            for byte in bytes {
                rig.send(peer.client, &[byte]);
                rig.iterate();
            }
            rig.settle();
            assert_eq!(peer.receive(rig), [compressed(&text)]);
        }
    });
}

/// Opens a connection, sends it bytes, and returns the close code of the server.
fn code_after(rig: &mut Rig, bytes: impl FnOnce(&mut Deflating) -> Vec<u8>) -> u16 {
    let mut peer = Deflating::open(rig, OFFER);
    let bytes = bytes(&mut peer);
    rig.send(peer.client, &bytes);
    rig.settle();
    match peer.receive(rig)[..] {
        [ReceivedMessage::Close(code)] => code,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn what_breaks_a_rule_is_told_by_its_code() {
    for context in both() {
        play(with(context), |rig| {
            let key = Some([1, 2, 3, 4]);
            let frame = |write: &dyn Fn(&mut Vec<u8>)| {
                let mut bytes = Vec::new();
                write(&mut bytes);
                bytes
            };
            // The limit of a message is 1 MiB, however small its compressed form is.
            assert_eq!(code_after(rig, |peer| peer.frame(Opcode::Binary, &vec![0; (1 << 20) + 1])), 1009);
            let corrupt = frame(&|out| encode::compressed_frame(out, Opcode::Text, &[0x07, 0], key));
            assert_eq!(code_after(rig, |_| corrupt.clone()), 1007);
            assert_eq!(code_after(rig, |peer| peer.frame(Opcode::Text, b"\xc3\x28")), 1007);
            let mut marked_ping = frame(&|out| encode::frame(out, Opcode::Ping, b"", key));
            marked_ping[0] |= 0x40;
            assert_eq!(code_after(rig, |_| marked_ping.clone()), 1002);
            let marked_continuation = frame(&|out| {
                encode::compressed_fragment(out, encode::Fin::Clear, Opcode::Text, &[], key);
                let at = out.len();
                encode::frame(out, Opcode::Continuation, &[0], key);
                out[at] |= 0x40;
            });
            assert_eq!(code_after(rig, |_| marked_continuation.clone()), 1002);
            let mut rsv2 = frame(&|out| encode::frame(out, Opcode::Text, b"", key));
            rsv2[0] |= 0x20;
            assert_eq!(code_after(rig, |_| rsv2.clone()), 1002);
            // This connection has not negotiated compression.
            let plain = rig.open();
            rig.send(plain, &corrupt);
            rig.settle();
            assert_eq!(rig.frames(plain), [Seen::Close(1002)]);
            assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
        });
    }
}

#[test]
fn the_limit_of_a_message_is_a_byte_exact() {
    play(Limits { outbox: 2 << 20, ..with(ContextTakeover::Off) }, |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        for payload in [vec![0; 1 << 20], noise(1 << 20)] {
            let frame = peer.frame(Opcode::Binary, &payload);
            rig.send(peer.client, &frame);
            rig.settle();
            assert!(
                matches!(&peer.receive(rig)[..], [ReceivedMessage::Binary(echoed, _)] if *echoed == payload)
            );
        }
    });
}

#[test]
fn decompressing_takes_turns_with_other_connections() {
    for context in both() {
        play(with(context), |rig| {
            let mut loud = Deflating::open(rig, OFFER);
            let quiet = rig.open();
            let text = "quiet".repeat(20_000);
            let mut bytes = Vec::new();
            // More than a megabyte from a few kilobytes, in one read. The handler does not answer texts of this kind.
            for _ in 0..100 {
                bytes.extend(loud.frame(Opcode::Text, text.as_bytes()));
            }
            assert!(bytes.len() < 60_000, "{}", bytes.len());
            rig.send(loud.client, &bytes);
            let (mut seen, mut iterations) = (0, 0);
            while seen < 100 {
                rig.send_text(quiet, "hi");
                rig.iterate();
                assert_eq!(rig.frames(quiet), [Seen::Text("hi".into())]);
                let now = rig.log().messages.iter().filter(|message| message.len() > 2).count();
                let out = (now - seen) * text.len();
                // The worker visits it twice: when it becomes ready, and in the revisits.
                assert!(out > 0 && out < 2 * (WORK_PER_VISIT + text.len()), "{out} bytes");
                (seen, iterations) = (now, iterations + 1);
            }
            assert!(iterations > 15, "{iterations}");
            rig.settle();
            assert_eq!(loud.receive(rig).len(), 100);
            assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
        });
    }
}

#[test]
fn an_iteration_decompresses_a_bounded_amount_for_all_together() {
    play(with(ContextTakeover::Off), |rig| {
        let text = "quiet".repeat(60_000);
        let mut peers: Vec<Deflating> = (0..60).map(|_| Deflating::open(rig, OFFER)).collect();
        for peer in &mut peers {
            peer.send_text(rig, &text);
        }
        let mut seen = 0;
        while seen < peers.len() {
            rig.iterate();
            let now = rig.log().messages.len();
            let out = (now - seen) * text.len();
            assert!(out > 0 && out < WORK_PER_ITERATION + 2 * text.len(), "{out} bytes, {seen}");
            seen = now;
        }
        rig.settle();
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn a_peer_that_does_not_read_is_not_decompressed_for() {
    play(with(ContextTakeover::Off), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        let noise = noise(60_000);
        // The echoes of one read are many times the outbox.
        let mut bytes = Vec::new();
        for _ in 0..40 {
            bytes.extend(peer.frame(Opcode::Binary, &[&vec![0; 30_000][..], &noise[..1_000]].concat()));
        }
        assert!(bytes.len() < 64 << 10);
        rig.world().set_room(peer.client, 0);
        rig.send(peer.client, &bytes);
        rig.settle();
        let index = rig.worker.sessions.streams.table.find(rig.log().opened[0]).unwrap();
        assert!(rig.worker.sessions.streams.outbox_len(index) < 128 << 10);
        assert!(rig.settle() < 5, "it does not spin");
        rig.world().set_room(peer.client, usize::MAX);
        rig.settle();
        assert_eq!((peer.receive(rig).len(), rig.log().full), (40, 0));
    });
}

#[test]
fn what_waits_is_seen_before_the_end_of_the_stream() {
    play(with(ContextTakeover::Off), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        let text = "quiet".repeat(50_000);
        for _ in 0..5 {
            peer.send_text(rig, &text);
        }
        rig.send_close(peer.client, CloseCode::NORMAL);
        rig.world().client_ends(peer.client);
        rig.settle();
        assert_eq!((rig.log().messages.len(), rig.log().last_close()), (5, "by peer 1000"));
    });
}

#[test]
fn what_waits_is_forgotten_with_a_reset() {
    play(with(ContextTakeover::Window(9)), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        let text = "quiet".repeat(50_000);
        for _ in 0..5 {
            peer.send_text(rig, &text);
        }
        rig.iterate();
        assert!(rig.worker.sessions.streams.pool.used() > 0);
        rig.world().client_resets(peer.client);
        rig.settle();
        assert_eq!((rig.log().last_close(), rig.worker.sessions.streams.pool.used()), ("lost", 0));
    });
}

#[test]
fn mail_and_broadcasts_are_of_the_same_stream() {
    for context in both() {
        play(with(context), |rig| {
            let mut peers: Vec<Deflating> = [OFFER, "permessage-deflate; server_max_window_bits=9"]
                .map(|offer| Deflating::open(rig, offer))
                .into();
            let plain = rig.open();
            let ids = rig.log().opened.clone();
            for number in 0..10 {
                let (said, posted, shouted) =
                    (text(number, 700), text(number + 100, 400), text(number + 200, 900));
                rig.handle.broadcast(Message::Text(&shouted)).unwrap();
                for (peer, &id) in peers.iter_mut().zip(&ids) {
                    rig.handle.send(id, Message::Text(&posted)).unwrap();
                    peer.send_text(rig, &said);
                }
                rig.settle();
                for (peer, is_small) in peers.iter_mut().zip([false, true]) {
                    let mut received = peer.receive(rig);
                    // A peer with a small window cannot decompress back-references that are longer.
                    let shouted = ReceivedMessage::Text(shouted.clone(), !is_small);
                    assert!(received.contains(&shouted), "{received:?}");
                    received.retain(|received| *received != shouted);
                    received.sort_by_key(|received| match received {
                        ReceivedMessage::Text(text, _) => text.len(),
                        _ => 0,
                    });
                    assert_eq!(received, [compressed(&posted), compressed(&said)]);
                }
                assert_eq!(rig.frames(plain), [Seen::Text(shouted)]);
            }
        });
    }
}

#[test]
fn a_message_through_a_handle_that_does_not_fit_closes_with_1008() {
    play(with(ContextTakeover::Window(11)), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        rig.world().set_room(peer.client, 0);
        let id = rig.log().opened[0];
        for _ in 0..3 {
            rig.handle.send(id, Message::Binary(&noise(60_000))).unwrap();
        }
        rig.settle();
        assert_eq!(rig.log().last_close(), "outbox overflow");
        rig.world().set_room(peer.client, usize::MAX);
        rig.settle();
        assert!(matches!(
            peer.receive(rig)[..],
            [ReceivedMessage::Binary(..), ReceivedMessage::Binary(..), ReceivedMessage::Close(1008)]
        ));
    });
}

#[test]
fn after_our_close_nothing_is_decompressed() {
    play(with(ContextTakeover::Off), |rig| {
        let mut peer = Deflating::open(rig, OFFER);
        peer.send_text(rig, "close");
        let frame = [0xc1, 0x82, 0, 0, 0, 0, 0x07, 0x00];
        rig.send(peer.client, &frame);
        rig.settle();
        assert_eq!(rig.counters().compressed_in.get(), 1);
        assert_eq!(peer.receive(rig), [ReceivedMessage::Close(1000)]);
        rig.send_close(peer.client, CloseCode::NORMAL);
        rig.settle();
        assert_eq!(rig.log().last_close(), "by us 1000");
    });
}
