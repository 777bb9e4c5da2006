//! Tests of replies that wait for those of other connections.

use super::rig::{Client, Rig, Seen, limits, play};
use crate::budget::{MAX_DEFERRED, MAX_DEFERRED_LEN};
use crate::worker::session::sessions::Flow;
use crate::ws::{CloseCode, Opcode, encode};

/// Visits one connection, as after a readiness event, without the rest of an iteration. Clients were opened in the order of their numbers.
fn visit(rig: &mut Rig, client: Client) -> Flow {
    let id = rig.log().opened[client];
    let index = rig.worker.sessions.streams.table.find(id).unwrap();
    rig.worker.sessions.visit_ready(index, false)
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

#[test]
fn several_are_read_from_before_several_are_written_to() {
    play(limits(), |rig| {
        let clients = [(); 3].map(|()| rig.open());
        let before = clients.map(|client| rig.sends(client));
        for (client, text) in clients.into_iter().zip(["one", "big 100", "three"]) {
            rig.send_text(client, text);
            assert_eq!(visit(rig, client), Flow::Alive);
        }
        assert_eq!(clients.map(|client| rig.sends(client)), before);
        rig.worker.sessions.write_deferred();
        assert_eq!(clients.map(|client| rig.sends(client)), before.map(|sends| sends + 1));
        let expected = [text("one"), Seen::Binary(100), text("three")];
        for (client, seen) in clients.into_iter().zip(expected) {
            assert_eq!(rig.frames(client), [seen]);
        }
    });
}

#[test]
fn no_more_are_held_than_may_be() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..=MAX_DEFERRED).map(|_| rig.open()).collect();
        for &client in &clients {
            rig.send_text(client, "hello");
            assert_eq!(visit(rig, client), Flow::Alive);
        }
        let (last, others) = clients.split_last().unwrap();
        for &client in others {
            assert_eq!(rig.frames(client), [text("hello")]);
        }
        assert_eq!(rig.frames(*last), []);
        rig.worker.sessions.write_deferred();
        assert_eq!(rig.frames(*last), [text("hello")]);
    });
}

#[test]
fn those_of_many_connections_leave_in_one_iteration() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..3 * MAX_DEFERRED + 1).map(|_| rig.open()).collect();
        for &client in &clients {
            rig.send_text(client, &format!("I am {client}"));
        }
        rig.iterate();
        for &client in &clients {
            assert_eq!(rig.frames(client), [text(&format!("I am {client}"))]);
        }
    });
}

#[test]
fn longer_ones_leave_at_once() {
    play(limits(), |rig| {
        let client = rig.open();
        for (len, held) in [(MAX_DEFERRED_LEN, true), (MAX_DEFERRED_LEN + 1, false)] {
            let payload = vec![1; len - encode::header_len(len)];
            rig.send_frame(client, Opcode::Binary, &payload);
            assert_eq!(visit(rig, client), Flow::Alive);
            assert_eq!(rig.frames(client).is_empty(), held, "{len} bytes");
            rig.worker.sessions.write_deferred();
        }
        rig.frames(client);
    });
}

#[test]
fn what_the_kernel_does_not_take_of_them_follows() {
    play(limits(), |rig| {
        for room in 1..120 {
            let clients = [(); 3].map(|()| rig.open());
            rig.world().set_room(clients[1], room);
            for client in clients {
                for text in ["first", "big 70", "last"] {
                    rig.send_text(client, text);
                }
                rig.send_text(client, &"x".repeat(20));
            }
            rig.settle();
            rig.world().set_room(clients[1], 1 << 20);
            rig.send_text(clients[1], "and more");
            rig.settle();
            let mut expected = vec![text("first"), Seen::Binary(70), text("last"), text(&"x".repeat(20))];
            assert_eq!(rig.frames(clients[0]), expected);
            assert_eq!(rig.frames(clients[2]), expected);
            expected.push(text("and more"));
            assert_eq!(rig.frames(clients[1]), expected, "after {room} bytes");
        }
    });
}

#[test]
fn those_of_a_connection_that_has_ended_are_forgotten() {
    play(limits(), |rig| {
        let clients = [(); 3].map(|()| rig.open());
        for client in clients {
            rig.send_text(client, "hello");
            assert_eq!(visit(rig, client), Flow::Alive);
        }
        // One connection ends here, and the peer of another has reset it before it is written to.
        let index = rig.worker.sessions.streams.table.find(rig.log().opened[clients[0]]).unwrap();
        assert_eq!(rig.worker.sessions.drop_lost(index), Flow::Gone);
        rig.world().client_resets(clients[1]);
        rig.worker.sessions.write_deferred();
        rig.settle();
        assert_eq!(rig.log().closed.len(), 2);
        assert_eq!(rig.frames(clients[2]), [text("hello")]);
        rig.send_text(clients[2], "still here");
        rig.settle();
        assert_eq!(rig.frames(clients[2]), [text("still here")]);
    });
}

#[test]
fn a_connection_that_is_reported_twice_gets_its_replies_in_order() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[client];
        rig.send_text(client, "one");
        assert_eq!(visit(rig, client), Flow::Alive);
        rig.worker.sessions.write_deferred_to(id);
        rig.send_close(client, CloseCode::NORMAL);
        assert_eq!(visit(rig, client), Flow::Gone);
        rig.worker.sessions.write_deferred();
        assert_eq!(rig.frames(client), [text("one"), Seen::Close(1000)]);
    });
}
