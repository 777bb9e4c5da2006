//! Tests of messages from other threads: their order, their budget, and ids of connections that are gone.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::deflating::{Deflating, ReceivedMessage, text};
use super::rig::{Client, Seen, limits, millis, play, play_with, request, secs};
use crate::budget::{MAILBOX, SLICE_PER_ITERATION};
use crate::worker::{ConnId, Deflation, Limits, SendError};
use crate::ws::deflate::ContextTakeover;
use crate::ws::{CloseCode, Message, encode};

#[test]
fn a_broadcast_goes_out_in_slices_and_later_mail_waits_for_it() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..SLICE_PER_ITERATION + 100).map(|_| rig.connect()).collect();
        for &client in &clients {
            rig.send(client, request("/").as_bytes());
        }
        rig.settle();
        let (first, last) = (clients[0], clients[clients.len() - 1]);
        let id = rig.log().opened[0];
        for &client in &clients {
            rig.world().client_takes(client);
        }
        rig.handle.send(id, Message::Text("before")).unwrap();
        rig.handle.broadcast(Message::Text("all")).unwrap();
        rig.handle.send(id, Message::Text("after")).unwrap();
        let texts_seen =
            |texts: &[&str]| texts.iter().map(|&text| Seen::Text(text.into())).collect::<Vec<_>>();

        // Sockets are handled between the slices.
        rig.iterate();
        assert_eq!((rig.frames(first), rig.frames(last)), (texts_seen(&["before", "all"]), texts_seen(&[])));
        rig.send_text(last, "quiet");
        rig.iterate();
        assert_eq!(rig.log().messages, ["quiet"]);
        rig.settle();
        assert_eq!((rig.frames(first), rig.frames(last)), (texts_seen(&["after"]), texts_seen(&["all"])));
        for &client in &clients[1..clients.len() - 1] {
            assert_eq!(rig.frames(client), texts_seen(&["all"]));
        }
    });
}

#[test]
fn a_broadcast_passes_over_those_that_are_not_open() {
    play(limits(), |rig| {
        let (open, closing) = (rig.open(), rig.open());
        let shaking = rig.connect();
        rig.send_text(closing, "close");
        rig.settle();
        rig.frames(closing);
        rig.handle.broadcast(Message::Text("all")).unwrap();
        rig.settle();
        assert_eq!(rig.frames(open), [Seen::Text("all".into())]);
        assert_eq!((rig.frames(closing), rig.frames(shaking)), (vec![], vec![]));
    });
}

#[test]
fn a_broadcast_to_a_blocked_peer_is_a_reference() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 0);
        rig.handle.broadcast(Message::Binary(&[1; 5_000])).unwrap();
        rig.settle();
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Binary(5_000)]);
    });
}

#[test]
fn the_id_of_one_that_has_gone_is_nobodys() {
    play(limits(), |rig| {
        let first = rig.open();
        let old = rig.log().opened[0];
        rig.world().client_resets(first);
        rig.settle();
        let second = rig.open();
        let new = rig.log().opened[1];
        assert_eq!((new.index(), new.worker()), (old.index(), old.worker()), "the slot is used again");
        rig.handle.send(old, Message::Text("for the first")).unwrap();
        rig.handle.close(old, CloseCode::NORMAL, "").unwrap();
        rig.handle.send(ConnId::new(0, 5, 1 << 20), Message::Text("for nobody")).unwrap();
        rig.settle();
        assert_eq!((rig.frames(second), rig.counters().messages_to_nobody.get()), (vec![], 2));
        rig.handle.send(new, Message::Text("for the second")).unwrap();
        rig.settle();
        assert_eq!(rig.frames(second), [Seen::Text("for the second".into())]);
        let elsewhere = ConnId::new(1, 0, 0);
        assert_eq!(rig.handle.send(elsewhere, Message::Text("")), Err(SendError::Gone));
    });
}

#[test]
fn an_event_of_one_that_has_gone_is_nobodys() {
    play(limits(), |rig| {
        let (first, second) = (rig.open(), rig.open());
        let id = rig.log().opened[1];
        // Both events are from one wait, and mail has closed the second connection before its event is handled.
        rig.handle.close(id, CloseCode::NORMAL, "").unwrap();
        rig.send_text(first, "hi");
        rig.world().client_resets(second);
        rig.settle();
        let third = rig.open();
        rig.send_text(third, "hi");
        rig.settle();
        assert_eq!(rig.frames(third), [Seen::Text("hi".into())]);
        assert_eq!(rig.log().last_close(), "by us 1000");
    });
}

#[test]
fn messages_sent_before_a_close_leave_first() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        rig.handle.send(id, Message::Text("bye")).unwrap();
        rig.handle.close(id, CloseCode::SERVICE_RESTART, &"long ".repeat(100)).unwrap();
        rig.handle.send(id, Message::Text("too late")).unwrap();
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Text("bye".into()), Seen::Close(1012)]);
        assert_eq!(rig.counters().messages_to_nobody.get(), 1);
    });
}

#[test]
fn a_full_mailbox_refuses_and_loses_nothing() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        let sent = (0..MAILBOX + 10).filter(|_| rig.handle.send(id, Message::Text("x")).is_ok()).count();
        assert_eq!(sent, MAILBOX);
        assert_eq!(rig.handle.broadcast(Message::Text("x")), Err(SendError::MailboxFull));
        rig.settle();
        assert_eq!(rig.frames(client).len(), MAILBOX);
        rig.handle.send(id, Message::Text("x")).unwrap();
    });
}

#[test]
fn many_posts_are_one_wake_up() {
    play(limits(), |rig| {
        rig.open();
        let before = rig.wakes.asked.load(Ordering::Relaxed);
        for _ in 0..10 {
            rig.handle.broadcast(Message::Text("x")).unwrap();
        }
        assert_eq!(rig.wakes.asked.load(Ordering::Relaxed) - before, 1);
        rig.settle();
    });
}

#[test]
fn the_applications_tick_keeps_its_pace() {
    play_with(limits(), Some(millis(250)), |rig| {
        rig.run_for(millis(10_100));
        assert_eq!(rig.log().ticks, 40);
        // After a stop the ticks that were missed are not made up for.
        rig.world().now += millis(60_000);
        rig.run_for(millis(500));
        assert!((42..=44).contains(&rig.log().ticks), "{}", rig.log().ticks);
    });
}

#[test]
fn many_small_broadcasts_to_a_blocked_peer_are_counted() {
    play(limits(), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 0);
        for number in 1000..6000 {
            rig.handle.broadcast(Message::Text(&number.to_string())).unwrap();
            rig.settle();
        }
        // A reference takes more memory than these frames of six bytes do.
        let used = rig.worker.sessions.streams.pool.used();
        assert!((5_000 * 6 - 100..5_000 * 6 + 2_048).contains(&used), "{used}");
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        let expected: Vec<Seen> = (1000..6000).map(|number| Seen::Text(number.to_string())).collect();
        assert_eq!(rig.frames(client), expected);
    });
}

#[test]
fn ticks_of_no_time_leave_time_to_wait_and_endless_ones_do_not_overflow() {
    for (interval, most) in [(Duration::ZERO, 1_100), (Duration::MAX, 0)] {
        play_with(limits(), Some(interval), |rig| {
            rig.run_for(secs(1));
            let ticks = rig.log().ticks;
            assert!(ticks <= most, "{ticks} in a second, every {interval:?}");
        });
    }
}

#[test]
fn messages_to_all_and_to_one_reach_who_reads_at_once_however_much_waits_for_others() {
    play(Limits { backlog: 100_000, ..limits() }, |rig| {
        let (stuck, prompt) = (rig.open(), rig.open());
        let id = rig.log().opened[1];
        rig.world().set_room(stuck, 0);
        rig.handle.broadcast(Message::Binary(&[1; 90_000])).unwrap();
        rig.settle();
        assert_eq!(rig.frames(prompt), [Seen::Binary(90_000)]);
        // The limit of the backlog of all connections is reached.
        rig.handle.broadcast(Message::Binary(&[2; 50_000])).unwrap();
        rig.settle();
        rig.handle.send(id, Message::Binary(&[3; 50_000])).unwrap();
        rig.handle.send(id, Message::Binary(&[4; 50_000])).unwrap();
        rig.handle.broadcast(Message::Binary(&[5; 50_000])).unwrap();
        rig.settle();
        assert_eq!(rig.frames(prompt), [50_000; 4].map(Seen::Binary));
        assert_eq!((rig.counters().open.get(), rig.log().last_close()), (1, "outbox overflow"));
    });
}

#[test]
fn long_messages_of_one_iteration_reach_who_reads_at_once() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        for len in [100_000, 120_000, 100_000] {
            rig.handle.send(id, Message::Binary(&vec![1; len])).unwrap();
        }
        rig.settle();
        assert_eq!(rig.frames(client), [100_000, 120_000, 100_000].map(Seen::Binary));
        // A peer that takes the longest messages in a few steps has room for two of them, too.
        rig.world().set_room(client, 30_000);
        for _ in 0..2 {
            rig.handle.send(id, Message::Binary(&[2; 131_000])).unwrap();
        }
        rig.settle();
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.frames(client), [131_000; 2].map(Seen::Binary));
        assert_eq!(rig.counters().open.get(), 1);
    });
}

#[test]
fn a_message_longer_than_an_outbox_is_refused_where_it_is_sent() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        let outbox = limits().outbox;
        let longest = vec![0; outbox - encode::header_len(outbox)];
        rig.handle.send(id, Message::Binary(&longest)).unwrap();
        rig.handle.broadcast(Message::Binary(&longest)).unwrap();
        rig.settle();
        assert_eq!(rig.frames(client), [longest.len(); 2].map(Seen::Binary));
        let longer = [&longest[..], &[0]].concat();
        assert!(rig.handle.send(id, Message::Binary(&longer)).is_err());
        assert!(rig.handle.broadcast(Message::Binary(&longer)).is_err());
        rig.settle();
        assert_eq!((rig.frames(client), rig.counters().open.get()), (vec![], 1));
    });
}

#[test]
fn a_mailbox_full_of_bytes_refuses_and_loses_nothing() {
    play(limits(), |rig| {
        let client = rig.open();
        let id = rig.log().opened[0];
        let message = vec![0; 100_000];
        let sent = (0..1_000).filter(|_| rig.handle.send(id, Message::Binary(&message)).is_ok()).count();
        assert!((100..200).contains(&sent), "{sent} of 100,000 bytes");
        rig.settle();
        assert_eq!(rig.frames(client), vec![Seen::Binary(message.len()); sent]);
        rig.handle.broadcast(Message::Binary(&message)).unwrap();
        rig.settle();
        assert_eq!(rig.frames(client), [Seen::Binary(message.len())]);
    });
}

#[test]
fn mail_that_takes_long_leaves_sockets_their_time() {
    let deflation = Some(Deflation { context: ContextTakeover::Off, level: 6, threshold: 256 });
    play(Limits { deflation, ..limits() }, |rig| {
        let (mut deflating, other) = (Deflating::open(rig, "permessage-deflate"), rig.open());
        let id = rig.log().opened[0];
        let text = text(1, 20_000);
        let mut sent = 0;
        for _ in 0..10 {
            rig.send_text(other, "quiet");
            // This is more than an iteration has time for.
            sent += (0..100).filter(|_| rig.handle.send(id, Message::Text(&text)).is_ok()).count();
            rig.iterate();
        }
        assert!(rig.log().messages.len() >= 9, "{} of 10 were heard", rig.log().messages.len());
        rig.settle();
        assert_eq!(deflating.receive(rig), vec![ReceivedMessage::Text(text, true); sent]);
    });
}

#[test]
fn a_broadcast_of_many_bytes_goes_out_in_more_slices() {
    play(limits(), |rig| {
        let clients: Vec<Client> = (0..500).map(|_| rig.open()).collect();
        rig.handle.broadcast(Message::Binary(&[1; 100_000])).unwrap();
        rig.iterate();
        let first = clients.iter().filter(|&&client| !rig.frames(client).is_empty()).count();
        assert!((100..300).contains(&first), "{first} of 500 at a time");
        rig.settle();
        assert_eq!(rig.counters().messages_out.get(), 500);
    });
}
