//! Tests of batches pushed to connections of clients that read, and of clients that do not.

use super::deflating::{Deflating, ReceivedMessage, text};
use super::rig::{Rig, Seen, limits, play, secs};
use crate::worker::table::REFERENCE_OVERHEAD;
use crate::worker::{Batch, ConnIndex, Deflation, Flush, Limits, PreparedMessage, Pushed, SlowPolicy};
use crate::ws::deflate::ContextTakeover;
use crate::ws::{Message, Opcode};

fn batch(policy: SlowPolicy, key: u32, texts: &[&str]) -> Batch {
    let mut batch = Batch::new(key, policy);
    texts.iter().for_each(|text| batch.add(PreparedMessage::new(Message::Text(text))));
    batch
}

fn push(rig: &mut Rig, policy: SlowPolicy, key: u32, texts: &[&str]) -> Pushed {
    let mut batch = batch(policy, key, texts);
    rig.turn(move |connections| connections.push(ConnIndex::new(0), &mut batch, Flush::Now))
}

fn taken(taken: u32) -> Pushed {
    Pushed { taken, ..Pushed::default() }
}

fn texts_seen(texts: &[&str]) -> Vec<Seen> {
    texts.iter().map(|&text| Seen::Text(text.into())).collect()
}

/// The size of a frame; an outbox holds three of them.
const FRAME: usize = 104;

fn narrow() -> Limits {
    Limits { outbox: 3 * (FRAME + REFERENCE_OVERHEAD), ..limits() }
}

fn long(number: usize) -> String {
    format!("{number:>102}")
}

#[test]
fn a_batch_leaves_in_one_call_for_each_connection() {
    play(limits(), |rig| {
        let clients = [rig.open(), rig.open(), rig.open()];
        let before = clients.map(|client| rig.sends(client));
        let mut batch = batch(SlowPolicy::Close, 0, &["one", "two", "three"]);
        assert_eq!((batch.len(), batch.is_empty(), batch.bytes()), (3, false, 3 * 2 + 11));
        let pushed = rig.turn(move |connections| {
            [0, 1, 2, 3].map(|index| connections.push(ConnIndex::new(index), &mut batch, Flush::Now))
        });
        let gone = Pushed { undelivered: 3, ..Pushed::default() };
        assert_eq!(pushed, [taken(3), taken(3), taken(3), gone]);
        for (client, before) in clients.into_iter().zip(before) {
            assert_eq!(rig.sends(client) - before, 1);
            assert_eq!(rig.frames(client), texts_seen(&["one", "two", "three"]));
        }
        assert_eq!(rig.counters().messages_out.get(), 9);
        assert_eq!(push(rig, SlowPolicy::Close, 0, &[]), Pushed::default());
    });
}

#[test]
fn batches_for_later_leave_together() {
    play(limits(), |rig| {
        let client = rig.open();
        let before = rig.sends(client);
        let mut batches =
            [batch(SlowPolicy::Close, 0, &["one"]), batch(SlowPolicy::Close, 1, &["two", "three"])];
        rig.turn(move |connections| {
            batches.iter_mut().for_each(|batch| {
                assert!(connections.push(ConnIndex::new(0), batch, Flush::Later).taken > 0)
            });
        });
        assert_eq!(rig.frames(client), texts_seen(&["one", "two", "three"]));
        assert_eq!(rig.sends(client) - before, 1);
        assert_eq!(rig.worker.sessions.streams.pool.backlog(), 0);
    });
}

#[test]
fn what_the_kernel_does_not_take_follows_in_order_wherever_it_stopped() {
    for room in 0..3 * 7 {
        play(limits(), |rig| {
            let client = rig.open();
            rig.world().set_room(client, room);
            assert_eq!(push(rig, SlowPolicy::DropOldest, 0, &["first", "secnd", "third"]), taken(3));
            assert_eq!(push(rig, SlowPolicy::DropOldest, 0, &["forth"]), taken(1));
            rig.world().set_room(client, usize::MAX);
            rig.settle();
            assert_eq!(rig.frames(client), texts_seen(&["first", "secnd", "third", "forth"]));
            assert_eq!(
                (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.pool.backlog()),
                (0, 0)
            );
        });
    }
}

/// Pushes five long messages one by one to a client with so much room. Returns their results, and the messages that the client gets.
fn overfill(policy: SlowPolicy, room: usize, keys: [u32; 5]) -> ([Pushed; 5], Vec<Seen>) {
    let mut outcome = None;
    play(narrow(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, room);
        let pushed = [0, 1, 2, 3, 4].map(|number| push(rig, policy, keys[number], &[&long(number)]));
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        outcome = Some((pushed, rig.frames(client)));
    });
    outcome.unwrap()
}

#[test]
fn close_ends_the_connection_at_the_first_message_that_does_not_fit() {
    let (pushed, seen) = overfill(SlowPolicy::Close, 0, [0; 5]);
    let gone = Pushed { undelivered: 1, ..Pushed::default() };
    assert_eq!(pushed, [taken(1), taken(1), taken(1), gone, gone]);
    assert_eq!(seen, [Seen::Text(long(0)), Seen::Text(long(1)), Seen::Text(long(2)), Seen::Close(1008)]);
}

#[test]
fn drop_newest_drops_what_does_not_fit() {
    let (pushed, seen) = overfill(SlowPolicy::DropNewest, 0, [0; 5]);
    let dropped = Pushed { dropped: 1, ..Pushed::default() };
    assert_eq!(pushed, [taken(1), taken(1), taken(1), dropped, dropped]);
    assert_eq!(seen, [0, 1, 2].map(|number| Seen::Text(long(number))));
}

#[test]
fn drop_oldest_makes_room_but_never_from_what_is_partly_out() {
    let made_room = Pushed { taken: 1, displaced: 1, ..Pushed::default() };
    let (pushed, seen) = overfill(SlowPolicy::DropOldest, 0, [0; 5]);
    assert_eq!(pushed, [taken(1), taken(1), taken(1), made_room, made_room]);
    assert_eq!(seen, [2, 3, 4].map(|number| Seen::Text(long(number))));
    let (pushed, seen) = overfill(SlowPolicy::DropOldest, 1, [0; 5]);
    assert_eq!(pushed, [taken(1), taken(1), taken(1), made_room, made_room]);
    assert_eq!(seen, [0, 3, 4].map(|number| Seen::Text(long(number))));
}

#[test]
fn conflate_keeps_the_latest_of_each_key() {
    let made_room = Pushed { taken: 1, displaced: 1, ..Pushed::default() };
    let (pushed, seen) = overfill(SlowPolicy::Conflate, 0, [0, 1, 0, 0, 1]);
    assert_eq!(pushed, [taken(1), taken(1), made_room, made_room, made_room]);
    assert_eq!(seen, [3, 4].map(|number| Seen::Text(long(number))));
    // Each message has its own key, until there is no room.
    let (pushed, seen) = overfill(SlowPolicy::Conflate, 1, [0, 1, 2, 3, 4]);
    assert_eq!(pushed, [taken(1), taken(1), taken(1), made_room, made_room]);
    assert_eq!(seen, [0, 3, 4].map(|number| Seen::Text(long(number))));
}

#[test]
fn pongs_and_closes_get_through_a_full_outbox() {
    play(narrow(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 0);
        (0..5).for_each(|number| _ = push(rig, SlowPolicy::DropNewest, 0, &[&long(number)]));
        rig.turn(|connections| connections.close(ConnIndex::new(0), crate::ws::CloseCode::NORMAL, "enough"));
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        let seen = rig.frames(client);
        assert_eq!((seen.len(), seen.last()), (4, Some(&Seen::Close(1000))));
    });
    play(narrow(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 0);
        rig.send_frame(client, Opcode::Ping, b"?");
        (0..3).for_each(|number| _ = push(rig, SlowPolicy::DropOldest, 0, &[&long(number)]));
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client).first(), Some(&Seen::Pong(b"?".to_vec())));
    });
}

#[test]
fn what_waits_for_all_connections_is_bounded_and_comes_back() {
    play(Limits { backlog: 4 * (FRAME + REFERENCE_OVERHEAD), ..narrow() }, |rig| {
        let clients = [rig.open(), rig.open()];
        clients.iter().for_each(|&client| rig.world().set_room(client, 0));
        let dropped = Pushed { dropped: 1, ..Pushed::default() };
        for (number, expected) in [taken(1), taken(1), taken(1), dropped].into_iter().enumerate() {
            assert_eq!(push(rig, SlowPolicy::DropNewest, 0, &[&long(number)]), expected);
        }
        let mut more = batch(SlowPolicy::DropNewest, 0, &[&long(0), &long(1)]);
        let pushed = rig.turn(move |connections| connections.push(ConnIndex::new(1), &mut more, Flush::Now));
        assert_eq!(pushed, Pushed { taken: 1, dropped: 1, ..Pushed::default() });
        assert_eq!(rig.worker.sessions.streams.pool.backlog(), 4 * (FRAME + REFERENCE_OVERHEAD));
        rig.world().client_resets(clients[0]);
        rig.settle();
        assert_eq!(rig.worker.sessions.streams.pool.backlog(), FRAME + REFERENCE_OVERHEAD);
        rig.world().set_room(clients[1], usize::MAX);
        rig.settle();
        assert_eq!(rig.worker.sessions.streams.pool.backlog(), 0);
    });
}

#[test]
fn without_memory_to_wait_in_a_message_leaves_at_once_if_the_kernel_takes_it() {
    for policy in [SlowPolicy::Close, SlowPolicy::DropNewest, SlowPolicy::DropOldest, SlowPolicy::Conflate] {
        play(Limits { backlog: 0, ..limits() }, |rig| {
            let client = rig.open();
            let (before, mut later) = (rig.sends(client), batch(policy, 7, &["one", "two"]));
            let pushed =
                rig.turn(move |connections| connections.push(ConnIndex::new(0), &mut later, Flush::Later));
            assert_eq!((pushed, rig.sends(client) - before), (taken(2), 2));
            assert_eq!(rig.frames(client), texts_seen(&["one", "two"]));
            // A rest that has to follow waits all the same; nothing joins it.
            rig.world().set_room(client, 3);
            let pushed = push(rig, policy, 7, &["three", "four"]);
            let (undelivered, dropped) = if policy == SlowPolicy::Close { (1, 0) } else { (0, 1) };
            assert_eq!(pushed, Pushed { taken: 1, dropped, displaced: 0, undelivered });
            rig.world().set_room(client, usize::MAX);
            rig.settle();
            assert_eq!(rig.frames(client)[..1], texts_seen(&["three"]));
        });
    }
}

#[test]
fn who_is_lost_while_pushing_is_told_once() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().client_resets(client);
        let mut batch = batch(SlowPolicy::Close, 0, &["one"]);
        let pushed = rig.turn(move |connections| {
            let first = connections.push(ConnIndex::new(0), &mut batch, Flush::Now);
            (
                first,
                connections.push(ConnIndex::new(0), &mut batch, Flush::Now),
                connections.id(ConnIndex::new(0)),
            )
        });
        let gone = Pushed { undelivered: 1, ..Pushed::default() };
        assert_eq!((pushed.1, pushed.2), (gone, None));
        assert_eq!(pushed.0, gone);
        assert_eq!(rig.log().closed.len(), 1);
    });
}

fn deflating(context: ContextTakeover) -> Limits {
    Limits {
        deflation: Some(Deflation { context, level: 1, threshold: 256 }),
        ping_interval: Some(secs(30)),
        ..limits()
    }
}

#[test]
fn batches_are_compressed_once_and_read_by_everybody() {
    let offers = [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover",
    ];
    for context in [ContextTakeover::Off, ContextTakeover::Window(11)] {
        for policy in [SlowPolicy::Close, SlowPolicy::Conflate] {
            play(deflating(context), |rig| {
                let mut peers: Vec<Deflating> =
                    offers.iter().map(|offer| Deflating::open(rig, offer)).collect();
                let plain = rig.open();
                for round in 0..3 {
                    let texts = [text(round, 400), text(round, 20), text(round + 1, 300)];
                    let mut batch = batch(policy, 0, &texts.each_ref().map(String::as_str));
                    let pushed = rig.turn(move |connections| {
                        [0, 1, 2, 3].map(|index| {
                            connections.push(
                                ConnIndex::new(index),
                                &mut batch,
                                if round == 2 { Flush::Later } else { Flush::Now },
                            )
                        })
                    });
                    assert_eq!(pushed, [taken(3); 4]);
                    for peer in &mut peers {
                        let received: Vec<String> = peer
                            .receive(rig)
                            .into_iter()
                            .map(|received| match received {
                                ReceivedMessage::Text(text, _) => text,
                                other => panic!("{other:?}"),
                            })
                            .collect();
                        assert_eq!(received, texts, "{}", peer.agreed);
                    }
                    assert_eq!(rig.frames(plain), texts_seen(&texts.each_ref().map(String::as_str)));
                }
                assert!(rig.counters().compressed_out.get() > 0);
            });
        }
    }
}

#[test]
fn a_batch_that_says_so_is_not_compressed() {
    play(deflating(ContextTakeover::Off), |rig| {
        let mut peer = Deflating::open(rig, "permessage-deflate");
        let text = text(1, 500);
        let mut batch = batch(SlowPolicy::Close, 0, &[&text]).uncompressed();
        rig.turn(move |connections| connections.push(ConnIndex::new(0), &mut batch, Flush::Now));
        assert_eq!(peer.receive(rig), [ReceivedMessage::Text(text, false)]);
    });
}

/// Returns a length that exceeds an outbox with these limits.
fn longer(limits: &Limits) -> usize {
    2 * limits.outbox
}

#[test]
fn two_messages_longer_than_an_outbox_reach_who_reads_at_once() {
    for policy in [SlowPolicy::Close, SlowPolicy::DropNewest, SlowPolicy::DropOldest] {
        for room in [0, 1, 100] {
            play(narrow(), |rig| {
                let client = rig.open();
                rig.world().set_room(client, room);
                let texts = [0, 1].map(|number| format!("{number:>len$}", len = longer(&narrow())));
                assert_eq!(push(rig, policy, 0, &[&texts[0]]), taken(1));
                assert_eq!(push(rig, policy, 0, &[&texts[1]]), taken(1));
                rig.world().set_room(client, usize::MAX);
                rig.settle();
                assert_eq!(rig.frames(client), texts_seen(&[&texts[0], &texts[1]]));
                assert_eq!(
                    (
                        rig.worker.sessions.streams.table.sides_len(),
                        rig.worker.sessions.streams.pool.backlog()
                    ),
                    (0, 0)
                );
            });
        }
    }
}

#[test]
fn what_a_long_message_finds_room_beside_has_an_edge() {
    let limits = narrow();
    let len = longer(&limits);
    let text = format!("{:>len$}", "");
    // Behind a message of the same length and half an outbox of messages that fit by themselves, it still fits.
    let most = limits.outbox / 2;
    for (others, fits) in [(most, true), (most + 1, false)] {
        play(limits.clone(), |rig| {
            let client = rig.open();
            rig.world().set_room(client, 0);
            let frame = others - REFERENCE_OVERHEAD;
            assert_eq!(
                push(rig, SlowPolicy::DropNewest, 0, &[&format!("{:>pad$}", "", pad = frame - 4)]),
                taken(1)
            );
            assert_eq!(push(rig, SlowPolicy::DropNewest, 0, &[&text]), taken(1));
            let expected = if fits { taken(1) } else { Pushed { dropped: 1, ..Pushed::default() } };
            assert_eq!(push(rig, SlowPolicy::DropNewest, 0, &[&text]), expected, "{others}");
        });
    }
}

#[test]
fn what_waits_for_the_end_of_the_iteration_makes_nobody_slow() {
    for policy in [SlowPolicy::Close, SlowPolicy::DropNewest, SlowPolicy::DropOldest, SlowPolicy::Conflate] {
        play(narrow(), |rig| {
            let client = rig.open();
            let texts: Vec<String> = (0..20).map(long).collect();
            let mut batches: Vec<Batch> = texts
                .chunks(5)
                .map(|texts| batch(policy, 0, &[&texts[0], &texts[1], &texts[2], &texts[3], &texts[4]]))
                .collect();
            let pushed = rig.turn(move |connections| {
                batches
                    .iter_mut()
                    .map(|batch| connections.push(ConnIndex::new(0), batch, Flush::Later))
                    .collect::<Vec<_>>()
            });
            assert_eq!(pushed, [taken(5); 4]);
            assert_eq!(rig.frames(client), texts.into_iter().map(Seen::Text).collect::<Vec<_>>());
        });
    }
}

#[test]
fn answers_find_room_beside_a_message_that_waits() {
    play(narrow(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 0);
        let text = format!("{:>len$}", "", len = longer(&narrow()));
        assert_eq!(push(rig, SlowPolicy::Close, 0, &[&text]), taken(1));
        let half = narrow().outbox / 2;
        let answer = "x".repeat(half - 4);
        let [fits, more] = rig.turn({
            let answer = answer.clone();
            move |connections| {
                [answer.as_str(), "y"]
                    .map(|text| connections.send(ConnIndex::new(0), Message::Text(text)).is_ok())
            }
        });
        assert_eq!((fits, more), (true, false));
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client), texts_seen(&[&text, &answer]));
    });
}
