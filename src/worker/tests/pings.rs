//! Pings, Pongs and their deadlines, to the tick.

use std::time::Duration;

use super::rig::{Client, Rig, Seen, limits, millis, play, secs};
use crate::worker::{Limits, PingPolicy};
use crate::ws::Opcode;

fn pinging(ping_policy: PingPolicy) -> Limits {
    Limits { ping_interval: Some(secs(30)), ping_policy, ..limits() }
}

/// Runs until the client gets a Ping and returns how long that took and the Ping's payload.
fn next_ping(rig: &mut Rig, client: Client) -> (Duration, Vec<u8>) {
    let from = rig.world().now;
    for _ in 0..1_000 {
        if let [Seen::Ping(payload)] = &rig.frames(client)[..] {
            return (rig.world().now - from, payload.clone());
        }
        rig.run_for(millis(100));
    }
    panic!("no Ping came");
}

fn answer(rig: &mut Rig, client: Client) -> Duration {
    let (after, payload) = next_ping(rig, client);
    rig.send_frame(client, Opcode::Pong, &payload);
    rig.settle();
    after
}

#[test]
fn first_pings_are_spread_over_the_second_half_of_the_interval() {
    play(pinging(PingPolicy::Always), |rig| {
        let clients: Vec<Client> = (0..600).map(|_| rig.open()).collect();
        let mut pinged = Vec::new();
        rig.run_for(millis(14_900));
        assert_eq!(rig.counters().pings_sent.get(), 0);
        rig.run_for(millis(100));
        for _ in 0..6 {
            rig.run_for(millis(2_500));
            let (gone, left): (Vec<_>, Vec<_>) =
                (0..clients.len()).partition(|&at| !rig.world().connections[clients[at]].outbound.is_empty());
            pinged.push(gone.len());
            assert_eq!(gone.len() + left.len(), 600);
            for at in gone {
                let [Seen::Ping(payload)] = &rig.frames(clients[at])[..] else { panic!("no Ping") };
                rig.send_frame(clients[at], Opcode::Pong, payload);
            }
        }
        // A hundred each on average, with a standard deviation of 9.
        assert!(pinged.iter().all(|count| (60..=140).contains(count)), "{pinged:?}");
        rig.settle();
        assert_eq!(rig.counters().pongs_received.get(), pinged.iter().sum::<usize>() as u64);
    });
}

#[test]
fn always_pings_every_interval_whatever_passes() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        answer(rig, client);
        for _ in 0..5 {
            let from = rig.world().now;
            while rig.world().now - from < millis(29_900) {
                rig.say(client, "quiet");
                rig.run_for(millis(100));
            }
            answer(rig, client);
            assert_eq!(rig.world().now - from, secs(30));
        }
    });
}

#[test]
fn a_late_pong_does_not_move_the_next_ping() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        let (_, payload) = next_ping(rig, client);
        rig.run_for(secs(9));
        rig.send_frame(client, Opcode::Pong, &payload);
        assert_eq!(next_ping(rig, client).0, secs(21));
    });
}

fn impatient(ping_policy: PingPolicy) -> Limits {
    Limits { ping_interval: Some(secs(3)), ping_policy, ..limits() }
}

#[test]
fn pings_keep_their_interval_when_a_pong_may_take_longer_than_it() {
    play(impatient(PingPolicy::Always), |rig| {
        let client = rig.open();
        answer(rig, client);
        for _ in 0..5 {
            assert_eq!(answer(rig, client), secs(3));
        }
    });
}

#[test]
fn a_pong_that_may_take_longer_than_the_interval_has_its_time_and_no_other_ping_meanwhile() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(impatient(policy), |rig| {
            let client = rig.open();
            let (_, payload) = next_ping(rig, client);
            rig.run_for(millis(9_800));
            assert_eq!(rig.frames(client), []);
            rig.send_frame(client, Opcode::Pong, &payload);
            rig.run_for(millis(100));
            next_ping(rig, client);
            rig.run_for(millis(9_999));
            assert_eq!(rig.counters().open.get(), 1);
            rig.run_for(millis(301));
            assert_eq!(rig.log().last_close(), "pong timeout");
        });
    }
}

#[test]
fn traffic_puts_the_ping_of_an_idle_policy_off() {
    play(pinging(PingPolicy::WhenIdle), |rig| {
        let client = rig.open();
        for _ in 0..100 {
            rig.say(client, "quiet");
            rig.run_for(secs(10));
        }
        assert_eq!(rig.counters().pings_sent.get(), 0);
        // Half an interval to a whole one after the last traffic, which was ten seconds ago.
        let (after, _) = next_ping(rig, client);
        assert!(after > secs(5) && after <= millis(20_200), "{after:?}");
    });
}

#[test]
fn any_bytes_answer_the_ping_of_an_idle_policy_but_only_a_pong_that_of_always() {
    for (policy, open) in [(PingPolicy::WhenIdle, 1), (PingPolicy::Always, 0)] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            next_ping(rig, client);
            rig.say(client, "quiet");
            rig.run_for(millis(10_300));
            assert_eq!(rig.counters().open.get(), open, "{policy:?}");
        });
    }
}

#[test]
fn a_pong_has_its_time_and_no_more() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            next_ping(rig, client);
            rig.run_for(millis(9_999));
            assert_eq!(rig.counters().open.get(), 1);
            rig.run_for(millis(301));
            assert_eq!(rig.log().last_close(), "pong timeout");
            assert_eq!((rig.counters().pong_timeouts.get(), rig.world().held()), (1, 0));
        });
    }
}

#[test]
fn a_pong_that_has_arrived_counts_however_late_it_is_read() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            let (_, payload) = next_ping(rig, client);
            // The process was suspended: the Pong waits, and its deadline has long passed.
            rig.world().now += secs(60);
            rig.send_frame(client, Opcode::Pong, &payload);
            rig.settle();
            assert_eq!((rig.counters().open.get(), rig.counters().pongs_received.get()), (1, 1));
        });
    }
}

#[test]
fn made_up_pongs_answer_nothing() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        let (_, mut payload) = next_ping(rig, client);
        payload[0] ^= 1;
        for pong in [&b""[..], b"12345678", &payload] {
            rig.send_frame(client, Opcode::Pong, pong);
        }
        rig.run_for(millis(10_300));
        assert_eq!((rig.counters().pongs_received.get(), rig.counters().pong_timeouts.get()), (0, 1));
    });
}

#[test]
fn without_an_interval_nobody_is_pinged() {
    play(limits(), |rig| {
        rig.open();
        assert_eq!(rig.run_for(secs(86_400)), 1, "nothing is due, so nothing is woken for");
        assert_eq!((rig.counters().open.get(), rig.counters().pings_sent.get()), (1, 0));
    });
}

#[test]
fn a_slow_reader_that_makes_progress_is_no_pong_timeout() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 1_000);
        rig.say(client, "big 100000");
        rig.settle();
        // Its Ping is stuck behind the output, which takes a hundred seconds.
        for _ in 0..99 {
            rig.run_for(secs(1));
            rig.world().set_room(client, 1_000);
            rig.settle();
            assert_eq!(rig.counters().open.get(), 1);
        }
    });
}

#[test]
fn a_reader_that_stops_is_a_pong_timeout() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            rig.world().set_room(client, 1_000);
            rig.say(client, "big 100000");
            rig.run_for(millis(40_400));
            assert_eq!(rig.log().last_close(), "pong timeout");
            assert_eq!(rig.worker.pool.used(), 0);
        });
    }
}

#[test]
fn a_ping_that_was_stuck_behind_output_has_its_time_from_when_it_leaves() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 1_000);
        rig.say(client, "big 50000");
        rig.settle();
        // The Ping joins the queue; the client reads a little each second, and all of it just before the deadline.
        while rig.counters().pings_sent.get() == 0 {
            rig.run_for(millis(100));
        }
        rig.run_for(millis(9_900));
        rig.world().set_room(client, usize::MAX);
        rig.run_for(secs(5));
        assert_eq!(rig.counters().open.get(), 1, "the Ping left five seconds ago");
        let Some(Seen::Ping(payload)) = rig.frames(client).pop() else { panic!("no Ping") };
        rig.send_frame(client, Opcode::Pong, &payload);
        rig.run_for(secs(20));
        assert_eq!(rig.counters().open.get(), 1);
    });
}
