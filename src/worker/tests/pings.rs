//! Tests of Pings, Pongs and their deadlines, to the tick.

use std::time::Duration;

use super::rig::{Client, Rig, Seen, limits, millis, play, secs};
use crate::budget::LATE_FROM;
use crate::worker::session::ping::PING_PAYLOAD;
use crate::worker::{Budgets, ConnIndex, Limits, Notice, PingPolicy};
use crate::ws::{Opcode, encode};

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
fn first_pings_are_spread_evenly_from_half_an_interval_on_though_all_came_at_once() {
    play(pinging(PingPolicy::Always), |rig| {
        let clients: Vec<Client> = (0..600).map(|_| rig.open()).collect();
        let mut pinged = Vec::new();
        rig.run_for(secs(15));
        assert_eq!(rig.counters().pings_sent.get(), 0);
        for _ in 0..24 {
            rig.run_for(millis(2_500));
            let gone: Vec<_> = clients
                .iter()
                .filter(|&&at| !rig.world().connections[at].outbound.is_empty())
                .copied()
                .collect();
            pinged.push(gone.len());
            for client in gone {
                let [Seen::Ping(payload)] = &rig.frames(client)[..] else { panic!("no Ping") };
                rig.send_frame(client, Opcode::Pong, payload);
            }
        }
        // About fifty in every twelfth of both intervals.
        assert!(pinged.iter().all(|count| (46..=54).contains(count)), "{pinged:?}");
        rig.settle();
        assert_eq!(rig.counters().pings_sent.get(), 1_200, "one an interval");
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
                rig.send_text(client, "quiet");
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
            rig.send_text(client, "quiet");
            rig.run_for(secs(10));
        }
        assert_eq!(rig.counters().pings_sent.get(), 0);
        // The first Ping follows half an interval to one and a half after the last traffic, which was ten seconds ago.
        let (after, _) = next_ping(rig, client);
        assert!(after > secs(5) && after <= millis(35_200), "{after:?}");
    });
}

#[test]
fn any_bytes_answer_the_ping_of_an_idle_policy_but_only_a_pong_that_of_always() {
    for (policy, open) in [(PingPolicy::WhenIdle, 1), (PingPolicy::Always, 0)] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            next_ping(rig, client);
            rig.send_text(client, "quiet");
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

/// Output behind a Ping is not in front of it: a reply to what the final read found gave the Pong two more deadlines.
#[test]
fn a_reply_that_waits_behind_a_ping_gives_its_pong_no_more_time() {
    let budgets = Budgets { events: 1, ..Budgets::default() };
    play(Limits { budgets, ..pinging(PingPolicy::Always) }, |rig| {
        let clients = [rig.open(), rig.open()];
        // The process was stopped, so that the Pings leave within a tick, not at its beginning.
        rig.world().now += secs(60) + millis(50);
        rig.settle();
        assert_eq!(rig.counters().pings_sent.get(), 2);
        // It was stopped again. It hears of the first client's message, and finds that of the second with the final read.
        rig.world().now += secs(60);
        for client in clients {
            rig.send_text(client, "no Pong");
        }
        rig.settle();
        assert_eq!((rig.counters().open.get(), rig.counters().pong_timeouts.get()), (0, 2));
    });
}

#[test]
fn a_pong_that_has_arrived_counts_however_late_it_is_read() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = rig.open();
            let (_, payload) = next_ping(rig, client);
            // The process was stopped: the Pong has arrived, and its deadline has long passed.
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
        for pong in [&b""[..], b"12345678", b"1234567812345678", &payload] {
            rig.send_frame(client, Opcode::Pong, pong);
        }
        rig.run_for(millis(10_300));
        assert_eq!((rig.counters().pongs_received.get(), rig.counters().pong_timeouts.get()), (0, 1));
    });
}

#[test]
fn the_pong_of_an_earlier_ping_answers_no_later_one() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        let (_, earlier) = next_ping(rig, client);
        rig.send_frame(client, Opcode::Pong, &earlier);
        rig.settle();
        let (_, later) = next_ping(rig, client);
        rig.send_frame(client, Opcode::Pong, &earlier);
        rig.settle();
        assert_eq!(rig.counters().pongs_received.get(), 1);
        for _ in 0..3 {
            rig.send_frame(client, Opcode::Pong, &later);
        }
        rig.settle();
        assert_eq!(rig.counters().pongs_received.get(), 2, "each Ping has one answer");
        rig.send_frame(client, Opcode::Pong, &earlier);
        next_ping(rig, client);
        rig.send_frame(client, Opcode::Pong, &later);
        rig.run_for(millis(10_300));
        assert_eq!(rig.log().last_close(), "pong timeout");
    });
}

#[test]
fn the_pong_to_another_connection_answers_nothing() {
    play(pinging(PingPolicy::Always), |rig| {
        let (one, other) = (rig.open(), rig.open());
        let (_, payload) = next_ping(rig, one);
        rig.send_frame(other, Opcode::Pong, &payload);
        rig.settle();
        assert_eq!(rig.counters().pongs_received.get(), 0);
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
        rig.send_text(client, "big 100000");
        rig.settle();
        // The Ping is stuck behind the output, which takes a hundred seconds.
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
            rig.send_text(client, "big 100000");
            while rig.counters().pings_sent.get() == 0 {
                rig.run_for(millis(100));
            }
            rig.run_for(millis(9_900));
            assert_eq!(rig.counters().open.get(), 1);
            rig.run_for(millis(400));
            assert_eq!(rig.log().last_close(), "pong timeout");
            assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
        });
    }
}

/// Opens a client with a system that takes 200,000 bytes, half of which precede its first Ping. The client then reads so many bytes a
/// second.
fn read_slowly(rig: &mut Rig, each_second: usize) -> Client {
    let client = rig.open();
    rig.world().connections[client].send_buffer = 200_000;
    rig.world().set_room(client, 200_000);
    rig.send_text(client, "big 100000");
    rig.settle();
    assert_eq!(rig.worker.inventory().sides, 0, "all of it is in the kernel");
    for _ in 0..99 {
        rig.run_for(secs(1));
        rig.world().client_reads(client, each_second);
    }
    client
}

#[test]
fn a_slow_reader_whose_ping_is_behind_output_in_the_kernel_is_no_pong_timeout() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(pinging(policy), |rig| {
            let client = read_slowly(rig, 1_000);
            assert_eq!((rig.counters().open.get(), rig.counters().pings_sent.get()), (1, 1), "{policy:?}");
            let in_front = rig.world().connections[client].outbound.len() - encode::frame_len(PING_PAYLOAD);
            rig.world().client_reads(client, in_front);
            let [Seen::Ping(payload)] = &rig.frames(client)[..] else { panic!("no Ping") };
            rig.send_frame(client, Opcode::Pong, payload);
            rig.run_for(secs(9));
            assert_eq!((rig.counters().open.get(), rig.counters().pongs_received.get()), (1, 1));
        });
    }
}

#[test]
fn a_reader_that_takes_a_byte_now_and_then_is_a_pong_timeout() {
    for each_second in [0, 1, 899] {
        play(pinging(PingPolicy::WhenIdle), |rig| {
            read_slowly(rig, each_second);
            assert_eq!(rig.log().last_close(), "pong timeout", "{each_second}");
        });
    }
}

#[test]
fn a_reader_that_never_answers_is_a_pong_timeout_once_it_has_its_ping() {
    play(pinging(PingPolicy::WhenIdle), |rig| {
        let client = read_slowly(rig, 1_000);
        for _ in 0..40 {
            rig.run_for(secs(1));
            rig.world().client_reads(client, 1_000);
        }
        assert_eq!(rig.log().last_close(), "pong timeout");
    });
}

#[test]
fn a_ping_that_was_stuck_behind_output_has_its_time_from_when_it_leaves() {
    play(pinging(PingPolicy::Always), |rig| {
        let client = rig.open();
        rig.world().set_room(client, 1_000);
        rig.send_text(client, "big 50000");
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

#[test]
fn after_a_late_pong_the_next_ping_comes_in_its_time() {
    for policy in [PingPolicy::WhenIdle, PingPolicy::Always] {
        play(impatient(policy), |rig| {
            let client = rig.open();
            rig.world().connections[client].send_buffer = 3_000;
            rig.world().set_room(client, 3_000);
            rig.send_text(client, "big 50000");
            rig.settle();
            for _ in 0..40 {
                rig.run_for(secs(1));
                rig.world().client_reads(client, 1_000);
            }
            assert_eq!(rig.counters().pings_sent.get(), 1, "{policy:?}");
            while rig.worker.sessions.streams.outbox_len(ConnIndex::new(0)) > 0 {
                rig.world().client_reads(client, 3_000);
                rig.settle();
            }
            let in_front = rig.world().connections[client].outbound.len() - encode::frame_len(PING_PAYLOAD);
            rig.world().client_reads(client, in_front);
            rig.run_for(millis(300));
            let [Seen::Ping(pong)] = &rig.frames(client)[..] else { panic!("no Ping") };
            rig.send_frame(client, Opcode::Pong, pong);
            rig.settle();
            assert_eq!(rig.counters().pongs_received.get(), 1);
            // The next Ping follows earlier than the deadline of ten seconds.
            rig.run_for(millis(4_700));
            assert_eq!(rig.counters().pings_sent.get(), 2, "{policy:?}");
        });
    }
}

#[test]
fn a_worker_that_is_late_has_the_log_say_so_once() {
    let patient = Limits { ping_interval: Some(secs(2)), pong_timeout: secs(60), ..limits() };
    play(patient, |rig| {
        let notices = rig.handle.shared.common.notices.open().unwrap();
        (0..200).for_each(|_| _ = rig.open());
        for _ in 0..40 {
            rig.world().now += millis(400);
            rig.iterate();
        }
        assert!(rig.counters().pings_put_off.get() > 0);
        let seen: Vec<_> = notices.try_iter().collect();
        assert!(
            matches!(seen[..], [Notice::PostponesPings { worker: 0, late_by }] if late_by >= LATE_FROM),
            "{seen:?}"
        );
    });
}
