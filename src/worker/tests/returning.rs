//! Tests of messages that are echoed without a copy: in order with all other output, whatever the kernel takes of them.

use super::rig::{Rig, Seen, limits, play, secs};
use crate::budget::RECEIVE_KEEP;
use crate::ws::Opcode;

/// Sends messages that are echoed before, between and behind other answers. Returns the expected output.
fn say_all(rig: &mut Rig, client: usize) -> Vec<Seen> {
    let text = |text: &str| Seen::Text(text.into());
    let mut expected = Vec::new();
    for (said, answer) in [
        ("one", text("one")),
        ("big 300", Seen::Binary(300)),
        ("two", text("two")),
        ("three", text("three")),
        ("big 7000", Seen::Binary(7_000)),
        ("", text("")),
    ] {
        rig.send_text(client, said);
        expected.push(answer);
    }
    for len in [125, 126, 127, 9_000] {
        rig.send_frame(client, Opcode::Binary, &vec![1; len]);
        expected.push(Seen::Binary(len));
    }
    rig.send_frame(client, Opcode::Ping, b"?");
    expected.push(Seen::Pong(b"?".to_vec()));
    expected
}

#[test]
fn they_keep_their_place_among_other_replies() {
    play(limits(), |rig| {
        let client = rig.open();
        let expected = say_all(rig, client);
        let before = rig.sends(client);
        rig.settle();
        assert_eq!(rig.frames(client), expected);
        assert_eq!(rig.sends(client) - before, 1);
        for len in [65_535, 65_536] {
            rig.send_frame(client, Opcode::Binary, &vec![1; len]);
            rig.settle();
            assert_eq!(rig.frames(client), [Seen::Binary(len)]);
        }
    });
}

#[test]
fn what_the_kernel_does_not_take_of_them_follows() {
    play(limits(), |rig| {
        for room in (1..1_000).chain((1_000..18_000).step_by(97)) {
            let client = rig.open();
            rig.world().set_room(client, room);
            let expected = say_all(rig, client);
            rig.settle();
            rig.world().set_room(client, 1 << 20);
            rig.settle();
            assert_eq!(rig.frames(client), expected, "after {room} bytes");
            assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
        }
    });
}

#[test]
fn the_memory_they_landed_in_is_given_back() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.send_frame(client, Opcode::Binary, &vec![1; 3 * RECEIVE_KEEP]);
        rig.settle();
        assert!(rig.worker.sessions.streams.receive_buffer.can_trim(RECEIVE_KEEP));
        rig.run_for(secs(5));
        assert!(!rig.worker.sessions.streams.receive_buffer.can_trim(0));
    });
}
