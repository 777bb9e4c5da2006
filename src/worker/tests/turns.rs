//! Tests of the application's turn: when it runs, and what it may do.

use super::rig::{Seen, limits, millis, play};
use crate::budget::LIST_KEEP;
use crate::worker::{ConnIndex, SendError, Turn};
use crate::ws::{CloseCode, Message};

#[test]
fn a_turn_comes_with_each_iteration_and_when_it_was_asked_for() {
    play(limits(), |rig| {
        rig.turn_ends(Turn::Idle);
        assert_eq!(rig.worker.timeout(), None);
        rig.turn_ends(Turn::Within(millis(30)));
        assert_eq!(rig.worker.timeout(), Some(millis(30)));
        let start = rig.world().now;
        rig.run_for(millis(31));
        assert!(rig.world().now >= start + millis(30));
        assert_eq!(rig.worker.timeout(), None, "it has had its turn");
        rig.turn_ends(Turn::Again);
        assert_eq!(rig.worker.timeout(), Some(millis(0)));
        rig.settle();
        assert_eq!(rig.worker.timeout(), None);
    });
}

#[test]
fn open_connections_are_found_by_their_index_and_others_are_not() {
    play(limits(), |rig| {
        let (open, closing) = (rig.open(), rig.open());
        rig.connect();
        rig.send_text(closing, "close");
        rig.settle();
        rig.frames(closing);
        let ids = rig.log().opened.clone();
        let seen = rig.turn(|connections| {
            (0..connections.end())
                .filter_map(|index| {
                    Some((
                        connections.id(ConnIndex::new(index))?,
                        *connections.data_mut(ConnIndex::new(index))?,
                    ))
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(seen, [(ids[0], 1)]);
        assert_eq!(rig.frames(open), []);
    });
}

#[test]
fn what_is_said_in_a_turn_leaves_in_one_call_before_the_next_wait() {
    play(limits(), |rig| {
        let client = rig.open();
        let before = rig.sends(client);
        rig.turn(|connections| {
            connections.send(ConnIndex::new(0), Message::Text("one")).unwrap();
            connections.send(ConnIndex::new(0), Message::Text("two")).unwrap();
            assert_eq!(connections.send(ConnIndex::new(77), Message::Text("nobody")), Err(SendError::Gone));
        });
        assert_eq!(rig.frames(client), ["one", "two"].map(|text| Seen::Text(text.into())));
        assert_eq!(rig.sends(client) - before, 1);
        let full =
            rig.turn(|connections| connections.send(ConnIndex::new(0), Message::Binary(&[0; 200_000])));
        assert_eq!(full, Err(SendError::OutboxFull));
        assert_eq!(rig.frames(client), []);
    });
}

#[test]
fn closes_are_told_when_the_turn_is_over() {
    play(limits(), |rig| {
        let (first, lost) = (rig.open(), rig.open());
        rig.world().client_resets(lost);
        rig.turn(|connections| {
            connections.close(ConnIndex::new(0), CloseCode::GOING_AWAY, "bye");
            connections.close(ConnIndex::new(0), CloseCode::NORMAL, "again");
            assert_eq!(
                (connections.id(ConnIndex::new(0)), connections.data_mut(ConnIndex::new(0))),
                (None, None)
            );
            assert_eq!(connections.send(ConnIndex::new(0), Message::Text("late")), Err(SendError::Gone));
        });
        assert_eq!(rig.frames(first), [Seen::Close(1001)]);
        rig.settle();
        let log = rig.log();
        let why: Vec<&str> = log.closed.iter().map(|(_, why)| &**why).collect();
        assert_eq!(why.len(), 2);
        assert!(why.contains(&"by us 1001") && why.contains(&"lost"), "{why:?}");
    });
}

#[test]
fn a_turn_wanted_at_the_end_of_time_comes_with_the_next_iteration() {
    play(limits(), |rig| {
        rig.turn_ends(Turn::Within(std::time::Duration::MAX));
        rig.turn_ends(Turn::Idle);
        rig.settle();
        assert_eq!(rig.worker.timeout(), None);
    });
}

#[test]
fn a_list_of_connections_that_end_in_a_turn_keeps_no_memory() {
    play(limits(), |rig| {
        let count = 5_000;
        (0..count).for_each(|_| _ = rig.open());
        rig.turn(move |connections| {
            (0..count)
                .for_each(|index| connections.close(ConnIndex::new(index), CloseCode::NORMAL, "all of you"));
        });
        assert_eq!(rig.counters().closed_by_us.get(), u64::from(count));
        let kept = rig.worker.sessions.app.pending_closes.capacity();
        assert!(kept <= LIST_KEEP, "{kept} places");
    });
}
