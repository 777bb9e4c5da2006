//! Tests of shares of the worker's time: how much input of one client is handled before others, and how much of all clients in an
//! iteration.

use super::deflating::Deflating;
use super::rig::{Client, Rig, Seen, limits, millis, play, request, secs};
use crate::base::meter::Allowance;
use crate::budget::LIST_KEEP;
use crate::budget::{
    READ_BUFFER, READ_COSTLY, WORK_OF_MESSAGE, WORK_PER_FIRST, WORK_PER_ITERATION, WORK_PER_VISIT,
};
use crate::worker::{Deflation, Limits, PingPolicy};
use crate::ws::deflate::ContextTakeover;
use crate::ws::{CloseCode, Opcode, encode};

fn messages(opcode: Opcode, payload: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..count).for_each(|_| encode::frame(&mut bytes, opcode, payload, Some([1; 4])));
    bytes
}

/// Iterates until all messages of a client have been handled, while another client sends one in each iteration and is answered at once.
/// Returns the most messages that the handler got in one iteration, and the number of iterations.
fn most_at_a_time(rig: &mut Rig, quiet: Client, total: usize) -> (usize, usize) {
    let (mut most, mut seen, mut iterations) = (0, 0, 0);
    let before = rig.log().messages.len();
    while seen < total {
        rig.send_text(quiet, "hi");
        rig.iterate();
        iterations += 1;
        assert_eq!(rig.frames(quiet), [Seen::Text("hi".into())], "iteration {iterations}");
        let now = rig.log().messages.len() - before - iterations;
        assert!(now > seen, "nobody has gone on in iteration {iterations}");
        most = most.max(now - seen);
        seen = now;
    }
    rig.settle();
    (most, iterations)
}

#[test]
fn a_client_with_many_small_messages_has_its_turn_among_the_others() {
    play(limits(), |rig| {
        let (loud, quiet) = (rig.open(), rig.open());
        let total = 20_000;
        rig.send(loud, &messages(Opcode::Text, b"quiet", total));
        let (most, iterations) = most_at_a_time(rig, quiet, total);
        // The worker visits it twice: when it becomes ready, and in the revisits.
        assert!(most <= 2 * (WORK_PER_VISIT / WORK_OF_MESSAGE + 1), "{most}");
        assert!(iterations >= 4, "{iterations}");
        assert_eq!(
            (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.pool.used()),
            (0, 0)
        );
    });
}

#[test]
fn what_a_handler_charges_counts() {
    play(limits(), |rig| {
        let (loud, quiet) = (rig.open(), rig.open());
        let total = 100;
        rig.send(loud, &messages(Opcode::Text, format!("costs {}", WORK_PER_VISIT / 2).as_bytes(), total));
        let (most, iterations) = most_at_a_time(rig, quiet, total);
        assert_eq!(most, 3, "one when it is ready, and two when it is visited again");
        assert!(iterations >= 33, "{iterations}");
        // A message that costs more than an iteration may is handled, too.
        rig.send(loud, &messages(Opcode::Text, format!("costs {}", 3 * WORK_PER_ITERATION).as_bytes(), 5));
        let before = rig.log().messages.len();
        while rig.log().messages.len() - before < 5 {
            let seen = rig.log().messages.len();
            rig.iterate();
            assert!(
                (1..=2).contains(&(rig.log().messages.len() - seen)),
                "when it is ready, and when it is visited"
            );
        }
    });
}

#[test]
fn an_iteration_is_bounded_over_all_connections_and_each_has_its_turn() {
    play(limits(), |rig| {
        let quiet = rig.open();
        let loud: Vec<Client> = (0..200).map(|_| rig.open()).collect();
        let (each, cost) = (40, 10_000);
        for &client in &loud {
            rig.send(client, &messages(Opcode::Text, format!("costs {cost}").as_bytes(), each));
        }
        // All of them become ready together, and even a first visit to each is more work than one iteration may do.
        let mut waited = 0;
        rig.send_text(quiet, "hi");
        while rig.frames(quiet).is_empty() {
            rig.iterate();
            waited += 1;
        }
        assert!(
            waited <= loud.len() * (WORK_PER_FIRST + cost) / (WORK_PER_ITERATION * 3 / 4) + 1,
            "{waited}"
        );
        let seen = rig.log().messages.iter().filter(|message| *message != "hi").count();
        let (most, iterations) = most_at_a_time(rig, quiet, each * loud.len() - seen);
        let allowed = WORK_PER_ITERATION / cost + loud.len();
        assert!(most <= allowed, "{most} of {allowed}");
        assert!(iterations + waited >= each * loud.len() * cost / WORK_PER_ITERATION, "{iterations}");
    });
}

#[test]
fn who_waits_goes_on_however_many_come() {
    play(limits(), |rig| {
        let waiting = rig.open();
        rig.send(waiting, &messages(Opcode::Text, format!("costs {}", WORK_PER_VISIT).as_bytes(), 50));
        for _ in 0..60 {
            // New connections use up more than an iteration each time.
            for _ in 0..20 {
                let client = rig.open();
                rig.send(
                    client,
                    &messages(Opcode::Text, format!("costs {}", 2 * WORK_PER_VISIT).as_bytes(), 1),
                );
            }
            rig.iterate();
        }
        let costs = format!("costs {WORK_PER_VISIT}");
        assert_eq!(rig.log().messages.iter().filter(|message| **message == costs).count(), 50);
    });
}

/// Each message has few bytes, or is not the kind of message that it seems to be.
#[test]
fn whatever_is_small_and_costs_much_is_bounded() {
    let empty_fragments = {
        let mut bytes = Vec::new();
        encode::fragment(&mut bytes, encode::Fin::Clear, Opcode::Text, b"", Some([1; 4]));
        (0..60).for_each(|_| {
            encode::fragment(&mut bytes, encode::Fin::Clear, Opcode::Continuation, b"", Some([1; 4]))
        });
        encode::frame(&mut bytes, Opcode::Continuation, b"quiet", Some([1; 4]));
        bytes.repeat(300)
    };
    for (what, flood, frames) in [
        ("Pings", messages(Opcode::Ping, b"", 20_000), 20_000),
        ("Pongs", messages(Opcode::Pong, b"", 20_000), 20_000),
        ("empty messages", messages(Opcode::Binary, b"", 20_000), 20_000),
        ("empty fragments", empty_fragments, 300 * 62),
    ] {
        play(limits(), |rig| {
            let (loud, quiet) = (rig.open(), rig.open());
            rig.send(loud, &flood);
            let mut iterations = 0;
            while !rig.world().connections[loud].inbound.is_empty()
                || rig.worker.sessions.streams.table.sides_len() > 0
            {
                rig.send_text(quiet, "hi");
                rig.iterate();
                assert_eq!(rig.frames(quiet), [Seen::Text("hi".into())]);
                iterations += 1;
            }
            let least = frames * WORK_OF_MESSAGE / (2 * WORK_PER_VISIT);
            assert!(iterations >= least, "{what}: {iterations} iterations, {least} at the least");
            rig.settle();
            assert_eq!(
                (rig.counters().open.get(), rig.worker.sessions.streams.pool.used()),
                (2, 0),
                "{what}"
            );
        });
    }
}

#[test]
fn compressed_messages_that_come_to_nothing_take_their_turn() {
    let deflation = Some(Deflation { context: ContextTakeover::Window(15), level: 1, threshold: 1 << 20 });
    play(Limits { deflation, ..limits() }, |rig| {
        let mut loud = Deflating::open(rig, "permessage-deflate; client_max_window_bits");
        let quiet = rig.open();
        // The context that each empty message begins with.
        let context = loud.frame(Opcode::Binary, &super::deflating::noise(1 << 15));
        rig.send(loud.client, &context);
        rig.settle();
        loud.receive(rig);
        let mut bytes = Vec::new();
        (0..1_000).for_each(|_| encode::compressed_frame(&mut bytes, Opcode::Binary, &[0], Some([1; 4])));
        rig.send(loud.client, &bytes);
        let mut iterations = 0;
        while rig.counters().compressed_in.get() < 1_001 {
            let before = rig.counters().compressed_in.get();
            rig.send_text(quiet, "hi");
            rig.iterate();
            assert_eq!(rig.frames(quiet), [Seen::Text("hi".into())]);
            let most = 2 * (WORK_PER_VISIT as u64 / (1 << 15) + 1);
            assert!(rig.counters().compressed_in.get() - before <= most);
            iterations += 1;
        }
        assert!(iterations > 50, "{iterations}");
    });
}

#[test]
fn messages_that_come_whole_pass_without_a_buffer_and_are_read_in_parts() {
    play(Limits { buffers: 1024, ..limits() }, |rig| {
        let client = rig.open();
        let total = 3 * READ_BUFFER / 11;
        rig.send(client, &messages(Opcode::Text, b"quiet", total));
        rig.settle();
        // A read that ends inside a message needs a buffer.
        assert_eq!((rig.log().messages.len(), rig.counters().open.get()), (total, 1));
        assert_eq!(rig.worker.sessions.streams.pool.used(), 0);
    });
}

#[test]
fn what_waits_of_a_flood_is_dealt_with_in_order_and_forgotten_with_its_end() {
    let allowance = Allowance { first: 100, visit: 500, iteration: 100_000 };
    play(Limits { work: allowance, ..limits() }, |rig| {
        let client = rig.open();
        for number in 0..3_000 {
            rig.send_text(client, &format!("{number}"));
        }
        rig.send_close(client, CloseCode::NORMAL);
        rig.settle();
        let expected: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
        assert_eq!(rig.log().messages, expected);
        assert_eq!(rig.log().last_close(), "by peer 1000");
        let frames = rig.frames(client);
        assert_eq!((frames.len(), frames.last()), (3_001, Some(&Seen::Close(1000))));

        for end in [Rig::reset as fn(&mut Rig, Client), Rig::break_rules] {
            let client = rig.open();
            rig.send(client, &messages(Opcode::Text, b"quiet", 3_000));
            end(rig, client);
            rig.settle();
            assert_eq!(
                (rig.worker.sessions.streams.table.sides_len(), rig.worker.sessions.streams.pool.used()),
                (0, 0)
            );
        }
    });
}

impl Rig {
    /// Resets the connection after a part of its input was read.
    fn reset(&mut self, client: Client) {
        self.iterate();
        self.iterate();
        assert!(self.worker.sessions.streams.pool.used() > READ_COSTLY / 4);
        self.world().client_resets(client);
    }

    /// Sends a protocol error behind earlier input.
    fn break_rules(&mut self, client: Client) {
        self.send(client, &[0xff; 64]);
        self.send(client, &messages(Opcode::Text, b"quiet", 3_000));
    }
}

#[test]
fn lists_of_connections_that_wait_keep_no_memory() {
    play(Limits { work: Allowance { first: 1, visit: 1, iteration: 4 }, ..limits() }, |rig| {
        let clients: Vec<Client> = (0..5_000).map(|_| rig.connect()).collect();
        for &client in &clients {
            rig.send(client, request("/").as_bytes());
        }
        rig.settle();
        for &client in &clients {
            rig.send(client, &messages(Opcode::Text, b"quiet", 2));
        }
        rig.settle();
        assert_eq!(rig.log().messages.len(), 10_000);
        let kept = [
            rig.worker.sessions.visits.postponed.capacity(),
            rig.worker.sessions.visits.revisit.capacity(),
            rig.worker.sessions.streams.dirty.capacity(),
        ];
        assert!(kept.iter().all(|&kept| kept <= LIST_KEEP), "{kept:?} places");
    });
}

#[test]
fn an_iteration_judges_no_more_deadlines_than_it_has_time_for() {
    let work = Allowance { first: 2_000, visit: 20_000, iteration: 40_000 };
    let pinging = Limits { ping_interval: Some(secs(2)), ping_policy: PingPolicy::Always, ..limits() };
    play(Limits { work, ..pinging }, |rig| {
        let clients: Vec<Client> = (0..40).map(|_| rig.open()).collect();
        while rig.counters().pings_sent.get() < 40 {
            rig.run_for(millis(100));
        }
        for &client in &clients {
            let Some(Seen::Ping(payload)) = rig.frames(client).pop() else { panic!("no Ping") };
            rig.send(client, &messages(Opcode::Text, b"quiet", 150));
            rig.send_frame(client, Opcode::Pong, &payload);
        }
        // No socket is ready in the wait during which all deadlines pass.
        rig.world().now += secs(60);
        rig.world().signals = 1;
        rig.iterate();
        let received = rig.log().messages.len();
        assert!((150..3_000).contains(&received), "{received} of 6,000 at a time");
        rig.settle();
        assert_eq!((rig.log().messages.len(), rig.counters().open.get()), (6_000, 40));
    });
}
