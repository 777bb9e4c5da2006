//! Tests of how much a hub does in one turn, however much is pending: sockets are served between turns.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::run::Run;
use super::setup::{Setup, Subject};
use super::steps::ELSEWHERE;
use super::tests::run;
use crate::base::meter::Allowance;
use crate::budget::{RECORDS_PER_PAGE, WORK_PER_FIRST, WORK_PER_ITERATION, WORK_PER_VISIT};
use crate::hub::questions::{DescribeTopic, FindSlowest, ListTopics};
use crate::hub::{AnswerSender, HistoryRule, PublishError};

/// The number of clients that return together.
const MANY: usize = 20;
/// The number of messages that each client has missed, and their bytes.
const MISSED: usize = 50;
const LEN: usize = 1_000;

/// Makes a run with one worker, which has a server's work limits for an iteration and `pushes_per_turn` pushes for a turn.
fn worker(pushes_per_turn: usize, change: impl FnOnce(&mut Setup)) -> Run {
    run(|setup| {
        (setup.workers, setup.limits.outbox, setup.limits.backlog) = (1, 1 << 20, usize::MAX);
        setup.limits.work =
            Allowance { first: WORK_PER_FIRST, visit: WORK_PER_VISIT, iteration: WORK_PER_ITERATION };
        setup.config.sizes.pushes_per_turn = pushes_per_turn;
        setup.subjects[0].rule.history =
            HistoryRule { messages: 1_000, bytes: 1 << 20, age: Duration::from_secs(60) };
        change(setup);
    })
}

impl Run {
    /// Returns the bytes that were sent to all clients and that they have not read.
    fn outbound(&self) -> usize {
        let world = self.nodes.nodes[0].world.borrow();
        world.connections.iter().map(|connection| connection.outbound.len()).sum()
    }

    /// Runs iterations until nothing is left to do, and calls `look` after each. Returns their number.
    fn iterate_all(&mut self, mut look: impl FnMut(&Self)) -> usize {
        let mut iterations = 0;
        while !self.nodes.due().is_empty() {
            self.iterate(0).unwrap();
            look(self);
            iterations += 1;
        }
        iterations
    }

    /// Opens clients without subscriptions.
    fn open_clients(&mut self, count: usize) -> Vec<usize> {
        let open = |run: &mut Self| {
            let number = run.open(true, "/");
            run.narrow(number, usize::MAX);
            number
        };
        (0..count).map(|_| open(self)).collect()
    }

    /// Returns the most bytes sent to clients in one iteration, and the bytes sent in all.
    fn burst(&mut self) -> (usize, usize) {
        let (start, mut before, mut most) = (self.outbound(), self.outbound(), 0);
        self.iterate_all(|run| {
            most = most.max(run.outbound() - before);
            before = run.outbound();
        });
        (most, before - start)
    }
}

#[test]
fn many_that_come_back_together_are_given_what_they_have_missed_a_few_in_a_turn() {
    let mut run = worker(32, |_| {});
    (0..MISSED).for_each(|_| run.publish(0, LEN, false, false).unwrap());
    run.settle().unwrap();
    let clients = run.open_clients(MANY);
    for &client in &clients {
        run.send_subscribe(client, 0, Some(ELSEWHERE));
        run.send(client, usize::MAX);
        run.clients[client].arrive(&mut run.nodes.nodes[0].world.borrow_mut());
    }
    let (most, all) = run.burst();
    assert!(all > MANY * MISSED * LEN, "{all} bytes");
    assert!(most < all / 6, "{most} of {all} bytes in one iteration");
    run.rest().unwrap();
}

#[test]
fn those_that_wait_behind_a_round_are_given_what_they_have_missed_one_in_a_turn() {
    let mut run = worker(1, |_| {});
    (0..MISSED).for_each(|_| run.publish(0, LEN, false, false).unwrap());
    run.settle().unwrap();
    // A fan-out round takes a turn for each of these subscribers.
    (0..2 * MANY).for_each(|_| _ = run.open(false, "/topics/news"));
    let clients = run.open_clients(MANY);
    run.publish(0, 10, false, false).unwrap();
    run.iterate(0).unwrap();
    for &client in &clients {
        run.send_subscribe(client, 0, Some(ELSEWHERE));
        run.send(client, usize::MAX);
        run.clients[client].arrive(&mut run.nodes.nodes[0].world.borrow_mut());
    }
    let (most, all) = run.burst();
    assert!(all > MANY * MISSED * LEN, "{all} bytes");
    assert!(most < all / 6, "{most} of {all} bytes in one iteration");
    run.rest().unwrap();
}

#[test]
fn places_that_nobody_has_are_looked_at_a_few_in_a_turn() {
    let mut run = worker(1, |setup| setup.config.sizes.vacant_places = usize::MAX);
    run.open(false, "/topics/news");
    run.announce();
    let iterations = run.iterate_all(|_| {});
    assert!(iterations >= RECORDS_PER_PAGE / 64, "{RECORDS_PER_PAGE} records in {iterations} iterations");

    run.open(false, "/topics/news");
    let gone: Vec<usize> = (0..700).map(|_| run.open(false, "/topics/news")).collect();
    gone.into_iter().for_each(|client| run.disconnect(client, super::wire::Disconnect::Vanish));
    run.rest().unwrap();
    run.publish(0, 10, false, false).unwrap();
    let iterations = run.iterate_all(|_| {});
    assert!(iterations >= 700 / 64, "700 places in {iterations} iterations");
    run.rest().unwrap();
}

#[test]
fn subscriptions_in_a_url_are_charged_for_as_those_in_band_are() {
    const CLIENTS: usize = 60;
    let mut run = worker(256, |setup| {
        setup.config.max_subscriptions = 100;
        let rule = setup.subjects[0].rule;
        setup.subjects.extend((0..59).map(|at| Subject { name: format!("many/{at:02}").into(), rule }));
    });
    let names: Vec<String> =
        run.setup.subjects.iter().map(|subject| format!("topic={}", subject.name)).collect();
    let (target, asked) = (format!("/?{}", names.join("&")), (0..60).collect::<Vec<_>>());
    let clients: Vec<usize> = (0..CLIENTS).map(|_| run.admit(0, false, &asked, &target).unwrap()).collect();
    for client in clients {
        run.send(client, usize::MAX);
        run.clients[client].arrive(&mut run.nodes.nodes[0].world.borrow_mut());
    }
    let (mut before, mut most) = (0, 0);
    run.iterate_all(|run| {
        let open = run.nodes.inventory(0).unwrap().connections;
        most = most.max(open - before);
        before = open;
    });
    assert_eq!(before, CLIENTS as u64);
    assert!(most * 60 * 2048 <= WORK_PER_ITERATION as u64 + 60 * 2048, "{most} in one iteration");
    run.rest().unwrap();
}

#[test]
fn what_was_asked_of_a_worker_that_ends_is_answered() {
    let (to, answers) = channel();
    let mut run = worker(256, |_| {});
    let publisher = run.publisher.clone();
    let expect_answer = |number: usize| {
        let to = to.clone();
        move |refused: Option<PublishError>| to.send((number, refused)).unwrap()
    };
    let text = crate::ws::Message::Text("x");
    let answered = expect_answer(0);
    publisher
        .publish_with_reply("news", text, AnswerSender::new(move |place| answered(place.err())))
        .unwrap();
    let mut expected = 1;
    let answered = expect_answer(1);
    expected += publisher.broadcast(text, move |count| answered(count.err())).unwrap();
    let answered = expect_answer(2);
    expected += publisher.ask(DescribeTopic("news".into()), move |topic| answered(topic.err())).unwrap();
    let (answered, all) = (expect_answer(3), ListTopics { prefix: String::new(), limit: 1 });
    expected += publisher.ask(all, move |topics| answered(topics.err())).unwrap();
    let answered = expect_answer(4);
    expected += publisher.ask(FindSlowest { limit: 1 }, move |slowest| answered(slowest.err())).unwrap();
    run.nodes.nodes.clear();
    let mut got: Vec<_> = answers.try_iter().collect();
    got.sort_by_key(|(number, _)| *number);
    assert_eq!(got, (0..expected).map(|number| (number, Some(PublishError::NotRunning))).collect::<Vec<_>>());
    // A later request to a worker that has ended is refused, with an answer.
    let answered = expect_answer(9);
    let late = publisher.ask(DescribeTopic("news".into()), move |topic| answered(topic.err()));
    assert_eq!((late, answers.try_recv()), (Ok(1), Ok((9, Some(PublishError::NotRunning)))));
}
