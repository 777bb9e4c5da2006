//! Messages that arrive whole cost neither memory nor a copy.

use throng::ws::{Decoder, DecoderConfig, Event, Message, Opcode, Role, encode};

use super::replay::{Counting, config};

const ROUNDS: usize = 200;

/// Texts, binaries, pings, pongs and a close of many sizes from the peer of `role`, and how many there are.
fn whole_frames(role: Role) -> (Vec<u8>, usize) {
    let key = (role == Role::Server).then_some([1, 2, 3, 4]);
    let mut stream = Vec::new();
    let payload = "é".repeat(35_000);
    for round in 0..ROUNDS {
        // Up to 35 KiB, so that each form of the length is met.
        let payload = &payload.as_bytes()[..(round * round) & !1];
        encode::frame(&mut stream, Opcode::Text, payload, key);
        encode::frame(&mut stream, Opcode::Binary, payload, key);
        encode::frame(&mut stream, Opcode::Ping, &payload[..payload.len().min(124)], key);
        encode::frame(&mut stream, Opcode::Pong, b"", key);
    }
    encode::frame(&mut stream, Opcode::Binary, payload.as_bytes(), key);
    encode::close(&mut stream, None, "", key);
    (stream, 4 * ROUNDS + 2)
}

fn payload_of<'a>(event: &Event<'a>) -> &'a [u8] {
    match event {
        Event::Message(Message::Text(text)) => text.as_bytes(),
        Event::Message(Message::Binary(payload))
        | Event::Compressed { payload, .. }
        | Event::Ping(payload)
        | Event::Pong(payload) => payload,
        Event::Close(close) => close.reason.as_bytes(),
    }
}

#[test]
fn whole_messages_are_lent_from_the_input() {
    for role in [Role::Server, Role::Client] {
        let (mut stream, expected) = whole_frames(role);
        let mut decoder = Decoder::default();
        let mut buffers = Counting { limit: 0, ..Counting::new() };
        let config = config(role);
        let (mut at, mut events) = (0, 0);
        while at < stream.len() {
            let input = stream[at..].as_ptr_range();
            let decoded = decoder.decode(&mut stream[at..], &config, &mut buffers).unwrap();
            let payload = payload_of(&decoded.event.unwrap());
            if !payload.is_empty() {
                assert!(input.contains(&payload.as_ptr()), "the payload was copied");
                assert_eq!(payload.as_ptr_range().end, input.start.wrapping_add(decoded.consumed));
            }
            at += decoded.consumed;
            events += 1;
            assert!(decoder.is_idle() && decoder.buffered() == 0);
        }
        assert_eq!((events, buffers.asked), (expected, 0));
    }
}

#[test]
fn a_whole_control_frame_inside_a_message_is_lent_from_the_input() {
    let mut stream = b"\x01\x01a\x89\x01p\x80\x01b".to_vec();
    let (mut decoder, mut buffers, config) = (Decoder::default(), Counting::new(), config(Role::Client));
    let ping = stream[5..].as_ptr();
    let decoded = decoder.decode(&mut stream, &config, &mut buffers).unwrap();
    assert_eq!(decoded.event, Some(Event::Ping(b"p")));
    assert_eq!(payload_of(&decoded.event.unwrap()).as_ptr(), ping);
    assert_eq!(buffers.out, 1, "the message's");
}

#[test]
fn whole_messages_allocate_nothing() {
    for role in [Role::Server, Role::Client] {
        let (mut stream, expected) = whole_frames(role);
        let (mut buffers, config) = (Counting::new(), config(role));
        let mut events = 0;
        let seen = allocation_counter::measure(|| {
            let mut decoder = Decoder::default();
            events = count_events(&mut decoder, &mut stream, &config, &mut buffers);
        });
        assert_eq!((events, seen.count_total), (expected, 0));
    }
}

#[test]
fn a_message_in_pieces_allocates_only_what_it_asks_for() {
    let (mut stream, _) = whole_frames(Role::Server);
    let (mut buffers, config) = (Counting::new(), config(Role::Server));
    let mut decoder = Decoder::default();
    let seen = allocation_counter::measure(|| {
        for piece in stream.chunks_mut(1000) {
            count_events(&mut decoder, piece, &config, &mut buffers);
        }
    });
    assert!(seen.count_total > 0, "the counter counts");
    assert!(seen.count_total <= buffers.asked as u64, "{seen:?} behind the back of {buffers:?}");
}

fn count_events(
    decoder: &mut Decoder,
    input: &mut [u8],
    config: &DecoderConfig,
    buffers: &mut Counting,
) -> usize {
    let (mut at, mut events) = (0, 0);
    loop {
        let decoded = decoder.decode(&mut input[at..], config, buffers).unwrap();
        at += decoded.consumed;
        if decoded.event.is_none() {
            return events;
        }
        events += 1;
    }
}
