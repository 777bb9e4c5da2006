//! Scripted tests of bugs that the simulation has found in the hub.

use std::time::Duration;

use super::run::Run;
use super::setup::{LONGEST, Setup, Subject, rules};
use super::steps::ELSEWHERE;
use crate::budget::LEAST_OUTBOX;
use crate::hub::{HistoryRule, Sizes};
use crate::simulation::choices::Choices;
use crate::worker::SlowPolicy;
use crate::ws::Opcode;

/// Makes a run of two workers and the topic 0, `news`, in which only the script's steps happen.
pub(super) fn run(change: impl FnOnce(&mut Setup)) -> Run {
    let nothing = Choices::of_bytes(b"");
    let mut setup = Setup::draw(&nothing);
    setup.config.sizes = Sizes::default();
    setup.config.max_subscriptions = 10;
    setup.config.queue_limit = 64 << 20;
    setup.limits.outbox = 3_000;
    setup.limits.deflation = None;
    setup.most_clients = 100;
    change(&mut setup);
    setup.config.rules = rules(&setup.subjects);
    Run::new(setup, &nothing)
}

impl Run {
    /// Opens a WebSocket of a client on worker 0.
    pub(super) fn open(&mut self, is_v1: bool, target: &str) -> usize {
        let asked = if target == "/" { &[][..] } else { &[0] };
        let number = self.admit(0, is_v1, asked, target).unwrap();
        self.send(number, usize::MAX);
        self.rest().unwrap();
        number
    }

    fn unsubscribe(&mut self, number: usize) {
        let request = self.clients[number].view.requests.unsubscribe(0, &self.setup);
        self.clients[number].queue_message(Opcode::Text, request.as_bytes());
    }

    fn publish_and_settle(&mut self, messages: usize, len: usize) {
        (0..messages).for_each(|_| self.publish(0, len, false, false).unwrap());
        self.settle().unwrap();
    }
}

#[test]
fn a_worker_that_waits_for_an_owner_stays_known_to_it_when_its_last_subscriber_leaves() {
    let mut run = run(|_| {});
    let first = run.open(true, "/topics/news");
    let second = run.open(true, "/");
    run.send_subscribe(second, 0, Some(ELSEWHERE));
    run.unsubscribe(first);
    run.send(second, usize::MAX);
    run.send(first, usize::MAX);
    run.rest().unwrap();
    run.publish_and_settle(3, 10);
    run.rest().unwrap();
    assert_eq!(run.clients[second].view.received, 3);
}

#[test]
fn messages_that_must_not_be_dropped_are_not_displaced_by_others() {
    let mut run = run(|setup| setup.subjects[0].rule.slow = SlowPolicy::DropOldest);
    let client = run.open(false, "/topics/news");
    run.narrow(client, 10);
    run.publish_and_settle(1, 100);
    run.announce();
    run.publish_and_settle(20, 1_000);
    assert!(run.nodes.hub.stats().displaced > 0);
    run.rest().unwrap();
}

#[test]
fn a_subscriber_that_is_lost_during_its_replay_does_not_become_a_member() {
    let keeps = HistoryRule { messages: 50, bytes: 1 << 20, age: Duration::from_secs(60) };
    let mut run = run(|setup| {
        (setup.workers, setup.limits.outbox) = (1, 1 << 20);
        setup.subjects[0].rule.history = keeps;
    });
    // In JSON the message is longer than the bytes that are queued before a write.
    run.publish(0, LONGEST, true, false).unwrap();
    run.settle().unwrap();
    let client = run.open(true, "/");
    run.send_subscribe(client, 0, Some(ELSEWHERE));
    run.send(client, usize::MAX);
    // The reset follows the request, and the worker has not noticed it: the replay meets it when enough is queued to be written.
    run.nodes.nodes[0].world.borrow_mut().connections[0].client_reset = true;
    run.settle().unwrap();
    assert_eq!(run.describe_topic(0).unwrap().unwrap().subscribers, 0);
}

#[test]
fn a_message_longer_than_an_outbox_is_replayed_to_who_reads() {
    let keeps = HistoryRule { messages: 50, bytes: 1 << 20, age: Duration::from_secs(60) };
    let mut run = run(|setup| setup.subjects[0].rule.history = keeps);
    run.publish_and_settle(3, 4_000);
    let client = run.open(true, "/");
    run.narrow(client, 10);
    run.send_subscribe(client, 0, Some(ELSEWHERE));
    run.send(client, usize::MAX);
    run.rest().unwrap();
    assert_eq!((run.clients[client].got_close, run.clients[client].view.received), (None, 3));
}

/// docs/HUB.md promises this.
#[test]
fn a_third_long_message_finds_room_when_all_but_half_an_outbox_of_the_first_is_out() {
    const OUTBOX: usize = LEAST_OUTBOX;
    // "p0:", a header, and a reference.
    let needed = LONGEST + 3 + 4 + 64;
    for (taken, closed) in [(needed - OUTBOX / 2, None), (needed - OUTBOX / 2 - 1, Some(1008))] {
        let mut run = run(|setup| (setup.workers, setup.limits.outbox) = (1, OUTBOX));
        let client = run.open(false, "/topics/news");
        run.narrow(client, taken);
        run.publish_and_settle(3, LONGEST);
        run.rest().unwrap();
        let client = &run.clients[client];
        assert_eq!((client.got_close, client.view.received), (closed, if closed.is_none() { 3 } else { 2 }));
    }
}

#[test]
fn the_place_of_a_subscriber_that_is_closed_in_a_round_is_not_given_to_it_again() {
    let mut run = run(|setup| (setup.workers, setup.config.sizes.vacant_places) = (1, 0));
    let [first, other, slow] = [0; 3].map(|_| run.open(false, "/topics/news"));
    run.narrow(slow, 10);
    (0..9).for_each(|_| run.publish(0, 1_000, false, false).unwrap());
    // These messages reach the subscribers in the turn in which the first subscriber has left its slot.
    run.disconnect(first, super::wire::Disconnect::Vanish);
    run.rest().unwrap();
    run.publish_and_settle(1, 10);
    run.rest().unwrap();
    let closed = run.clients[slow].got_close;
    assert_eq!((closed, run.clients[other].view.received), (Some(1008), 10));
}

#[test]
fn what_a_close_in_a_turn_brings_about_does_not_wait_for_another_wake_up() {
    let mut run = run(|setup| setup.workers = 1);
    let [_, slow] = [0; 2].map(|_| run.open(false, "/topics/news"));
    run.narrow(slow, 10);
    run.publish_and_settle(9, 1_000);
    assert_eq!(run.describe_topic(0).unwrap().unwrap().subscribers, 1);
}

#[test]
fn what_a_loss_in_writing_brings_about_does_not_wait_for_another_wake_up() {
    let mut run = run(|setup| {
        setup.workers = 1;
        setup.subjects.push(Subject { name: "other".into(), rule: setup.subjects[0].rule });
    });
    let [client, _] = [0; 2].map(|_| run.open(true, "/topics/news"));
    let Run { clients, model, setup, choices, .. } = &mut run;
    let request = clients[client].view.requests.publish(1, client + 1, model, setup, choices);
    clients[client].queue_message(Opcode::Text, request.as_bytes());
    run.send(client, usize::MAX);
    // The reset follows the request, and the worker has not noticed it: the answer meets it when it is written at the end of an iteration.
    run.nodes.nodes[0].world.borrow_mut().connections[0].client_reset = true;
    run.settle().unwrap();
    assert_eq!(run.describe_topic(0).unwrap().unwrap().subscribers, 1);
}
