//! Tests of accepting connections: the budget, the limits, and a system without free resources.

use super::rig::{Client, Seen, limits, millis, play, request, secs};
use crate::budget::{ACCEPTS_PER_ITERATION, REFUSALS};
use crate::simulation::connection::Ending;
use crate::worker::core::acceptor::ListenerSlot;
use crate::worker::stream::ListenerOptions;
use crate::worker::{ConnIndex, Limits};
use crate::ws::Message;

#[test]
fn a_storm_of_connections_is_taken_in_slices() {
    play(limits(), |rig| {
        let client = rig.open();
        for _ in 0..3 * ACCEPTS_PER_ITERATION {
            rig.connect();
        }
        for slice in 1..=3 {
            rig.send_text(client, "hi");
            rig.iterate();
            assert_eq!(rig.counters().accepted.get(), (1 + slice * ACCEPTS_PER_ITERATION) as u64);
            assert_eq!(rig.frames(client), [Seen::Text("hi".into())]);
        }
    });
}

#[test]
fn connections_that_died_in_the_queue_are_passed_over() {
    play(limits(), |rig| {
        rig.world().accept_errors.extend([libc::ECONNABORTED, libc::EPROTO, libc::ENETDOWN]);
        rig.open();
        assert_eq!(rig.counters().accept_exhausted.get(), 0);
    });
}

/// `EINVAL` has no meaning for a listener, so that nothing is known about how long it lasts.
#[test]
fn an_error_that_lasts_makes_accepting_pause() {
    play(limits(), |rig| {
        let client = rig.connect();
        rig.send(client, request("/").as_bytes());
        rig.world().accept_errors.extend(std::iter::repeat_n(libc::EINVAL, 100_000));
        let waits = rig.run_for(secs(1));
        assert!(waits <= 13, "{waits} waits in a second");
        let failures = rig.counters().accept_exhausted.get();
        assert!((10..=11).contains(&failures), "{failures}");
        rig.world().accept_errors.clear();
        rig.run_for(millis(100));
        assert!(rig.response(client).starts_with("HTTP/1.1 101 "));
    });
}

#[test]
fn a_record_knows_the_listener_of_its_connection() {
    play(limits(), |rig| {
        rig.open();
        let second = ListenerSlot::new(rig.world().add_listener(), None);
        rig.worker.acceptor.listeners.push(ListenerSlot { ready: true, ..second });
        rig.worker.sessions.streams.listeners.push(ListenerOptions::PLAIN);
        let client = rig.connect();
        {
            let mut world = rig.world();
            let queued = world.listeners[0].queue.pop_back();
            world.listeners[1].queue.extend(queued);
        }
        rig.send(client, request("/").as_bytes());
        // No event reports the second listener: the first iteration finds it ready.
        rig.iterate();
        rig.settle();
        assert!(rig.response(client).starts_with("HTTP/1.1 101 "));
        let table = &rig.worker.sessions.streams.table;
        let listeners = [0, 1].map(|index| table.get(ConnIndex::new(index)).unwrap().listener().index());
        assert_eq!(listeners, [0, 1]);
    });
}

#[test]
fn a_connection_that_cannot_be_watched_is_dropped() {
    play(limits(), |rig| {
        rig.world().fail_watch = true;
        let client = rig.connect();
        rig.settle();
        assert_eq!((rig.ending(client), rig.world().held()), (Ending::Clean, 0));
        rig.world().fail_watch = false;
        rig.open();
    });
}

#[test]
fn over_the_servers_limit_there_is_a_clean_503() {
    play(Limits { server_connections: 3, ..limits() }, |rig| {
        let inside: Vec<Client> = (0..3).map(|_| rig.open()).collect();
        let outside = rig.connect();
        rig.send(outside, request("/").as_bytes());
        rig.settle();
        let response = rig.response(outside);
        assert!(
            response.starts_with("HTTP/1.1 503 ") && response.contains("\r\nRetry-After: "),
            "{response}"
        );
        assert_eq!((rig.ending(outside), rig.counters().refused_at_limit.get()), (Ending::Clean, 1));
        rig.world().client_ends(outside);
        // One connection ends, so that another is accepted.
        rig.world().client_ends(inside[0]);
        rig.settle();
        rig.open();
        assert_eq!(rig.counters().open.get(), 3);
    });
}

#[test]
fn refusals_have_a_limit_too() {
    play(Limits { server_connections: 1, ..limits() }, |rig| {
        let inside = rig.open();
        let outside: Vec<Client> = (0..REFUSALS + 50).map(|_| rig.connect()).collect();
        rig.settle();
        assert_eq!(rig.counters().dropped_at_limit.get(), 50);
        assert_eq!(rig.world().held(), 1 + REFUSALS);
        for &client in &outside[..REFUSALS] {
            rig.send(client, request("/").as_bytes());
        }
        rig.settle();
        assert_eq!(rig.counters().refused_at_limit.get(), REFUSALS as u64);
        // Refused connections that stay are dropped, which makes room to refuse others.
        rig.run_for(millis(2_200));
        assert_eq!(rig.world().held(), 1);
        let late = rig.connect();
        rig.send(late, request("/").as_bytes());
        rig.settle();
        assert!(rig.response(late).starts_with("HTTP/1.1 503 "));
        rig.send_text(inside, "all the while");
        rig.settle();
        assert_eq!(rig.frames(inside), [Seen::Text("all the while".into())]);
    });
}

#[test]
fn without_any_descriptor_accepting_rests_and_does_not_spin() {
    play(limits(), |rig| {
        rig.open();
        rig.world().free_descriptors = 0;
        rig.world().has_reserve = false;
        let waiting: Vec<Client> = (0..10).map(|_| rig.connect()).collect();
        let waits = rig.run_for(secs(10));
        assert!(waits <= 110, "ten tries a second: {waits}");
        for &client in &waiting {
            rig.send(client, request("/").as_bytes());
        }
        // No event reports that descriptors are free again.
        rig.world().free_descriptors = 11;
        rig.run_for(millis(200));
        assert_eq!(rig.counters().open.get(), 11);
        assert!(rig.world().has_reserve);
    });
}

#[test]
fn a_full_worker_leaves_the_group_and_comes_back() {
    play(Limits { worker_connections: 32, ..limits() }, |rig| {
        // Another worker listens, too.
        rig.worker.sessions.common.join_group();
        let mut clients: Vec<Client> = (0..31).map(|_| rig.open()).collect();
        // The second connection is in the queue when the first makes the worker full.
        clients.push(rig.connect());
        let late = rig.connect();
        rig.send(late, request("/").as_bytes());
        rig.settle();
        assert!(rig.response(late).starts_with("HTTP/1.1 503 "));
        assert_eq!((rig.world().listening(), rig.counters().left_group.get()), (0, 1));
        rig.world().client_ends(late);
        rig.world().client_ends(clients[0]);
        rig.settle();
        assert_eq!(rig.world().listening(), 0, "a sixteenth must be free");
        rig.world().client_ends(clients[1]);
        rig.world().client_ends(clients[2]);
        rig.settle();
        assert_eq!(rig.world().listening(), 1);
        rig.open();
    });
}

#[test]
fn the_last_of_the_group_stays_and_refuses() {
    play(Limits { worker_connections: 4, ..limits() }, |rig| {
        for _ in 0..4 {
            rig.open();
        }
        for _ in 0..3 {
            let late = rig.connect();
            rig.send(late, request("/").as_bytes());
            rig.settle();
            assert!(rig.response(late).starts_with("HTTP/1.1 503 "));
        }
        assert_eq!((rig.world().listening(), rig.counters().left_group.get()), (1, 0));
    });
}

#[test]
fn a_worker_that_cannot_listen_again_retries_by_the_clock() {
    play(Limits { worker_connections: 4, ..limits() }, |rig| {
        rig.worker.sessions.common.join_group();
        let clients: Vec<Client> = (0..4).map(|_| rig.open()).collect();
        rig.run_for(millis(100));
        assert_eq!(rig.world().listening(), 0);
        rig.world().fail_listen = true;
        rig.world().client_ends(clients[0]);
        let waits = rig.run_for(secs(10));
        assert!(waits <= 110, "{waits}");
        rig.world().fail_listen = false;
        rig.run_for(millis(200));
        assert_eq!(rig.world().listening(), 1);
        rig.open();
    });
}

#[test]
fn a_worker_out_of_the_group_serves_those_it_has() {
    play(Limits { worker_connections: 2, ..limits() }, |rig| {
        rig.worker.sessions.common.join_group();
        let clients = [rig.open(), rig.open()];
        rig.settle();
        assert_eq!(rig.world().listening(), 0);
        rig.handle.broadcast(Message::Text("still here")).unwrap();
        let waits = rig.run_for(secs(60));
        assert!(waits < 10, "{waits}");
        for client in clients {
            assert_eq!(rig.frames(client), [Seen::Text("still here".into())]);
        }
    });
}

#[test]
fn without_descriptors_the_one_in_reserve_refuses() {
    play(limits(), |rig| {
        let inside = rig.open();
        rig.world().free_descriptors = 0;
        let outside: Vec<Client> = (0..200).map(|_| rig.connect()).collect();
        rig.settle();
        for client in outside {
            assert!(rig.response(client).starts_with("HTTP/1.1 503 "));
            assert_eq!(rig.ending(client), Ending::Clean);
        }
        assert_eq!((rig.counters().refused_at_limit.get(), rig.world().held()), (200, 1));
        let head = rig.connect();
        rig.send(head, b"HEAD / HTTP/1.1\r\n");
        rig.settle();
        let response = rig.response(head);
        assert!(response.starts_with("HTTP/1.1 503 ") && response.ends_with("\r\n\r\n"), "{response}");
        rig.send_text(inside, "hi");
        rig.settle();
        assert_eq!(rig.frames(inside), [Seen::Text("hi".into())]);
        rig.world().free_descriptors = 10;
        rig.open();
    });
}

#[test]
fn an_empty_queue_without_descriptors_is_not_retried() {
    play(limits(), |rig| {
        rig.open();
        rig.world().free_descriptors = 0;
        let client = rig.connect();
        rig.settle();
        assert!(rig.response(client).starts_with("HTTP/1.1 503 "));
        let waits = rig.run_for(secs(60));
        assert!(waits <= 2, "the kernel says EMFILE before it looks at the queue: {waits}");
    });
}
