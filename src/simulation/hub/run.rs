//! A run: several workers with one hub, their clients, and the model.

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::model::{HubModel, PublishState};
use super::nodes::Nodes;
use super::setup::Setup;
use super::wire::Client;
use crate::hub::in_flight::MESSAGE_COST;
use crate::hub::questions::DescribeTopic;
use crate::hub::{AnswerSender, PublishError, Published, Publisher};
use crate::simulation::choices::Choices;
use crate::simulation::run::Violation;

/// The most iterations between two idle checks: far more than any work takes.
const MOST_ITERATIONS: usize = 50_000;
/// The number of trace lines that are kept.
const LINES: usize = 60;

/// An answer to a publishing thread, with the number of the message or the announcement.
#[derive(Debug)]
enum Answer {
    Published(usize, Result<Published, PublishError>),
    Announced(usize, Result<u64, PublishError>),
}

/// A run in progress.
pub(crate) struct Run {
    pub(crate) choices: Choices,
    pub(crate) setup: Setup,
    pub(crate) nodes: Nodes,
    pub(crate) publisher: Publisher,
    pub(crate) model: HubModel,
    pub(crate) clients: Vec<Client>,
    /// The numbers of the clients that take part.
    pub(crate) live: Vec<usize>,
    pub(crate) announcements: usize,
    replies: Sender<Answer>,
    answers: Receiver<Answer>,
    /// Whether the counts of sent messages can no longer be checked exactly.
    pub(crate) is_inexact: bool,
    /// Whether clients only receive the messages that they have missed, for which no client may be closed.
    pub(crate) is_quiet: bool,
    pub(crate) idle_checks: u64,
    trace: VecDeque<String>,
}

impl Run {
    pub(crate) fn new(setup: Setup, choices: &Choices) -> Self {
        let nodes = Nodes::new(&setup, choices);
        let (replies, answers) = channel();
        Self {
            choices: choices.clone(),
            publisher: nodes.hub.publisher(),
            model: HubModel::new(&setup),
            nodes,
            setup,
            clients: Vec::new(),
            live: Vec::new(),
            announcements: 0,
            replies,
            answers,
            is_inexact: false,
            is_quiet: false,
            idle_checks: 0,
            trace: VecDeque::new(),
        }
    }

    pub(crate) fn note(&mut self, line: impl fmt::Display) {
        if self.trace.len() == LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:?} {line}", self.nodes.now));
    }

    pub(crate) fn tail(&self) -> String {
        self.trace.iter().fold(format!("{:?}\n", self.setup), |text, line| text + line + "\n")
    }

    /// Runs one iteration of a worker and checks the decisions of the owners in it.
    pub(crate) fn iterate(&mut self, at: usize) -> Result<(), Violation> {
        self.nodes.iterate(at)?;
        self.check_queued(at)?;
        self.handle_reports()
    }

    /// Checks that the messages in entries on their way to a worker's clients do not exceed the limit of bytes.
    fn check_queued(&self, at: usize) -> Result<(), Violation> {
        let totals = self.nodes.inventory(at).unwrap_or_default().messages;
        let most = self.setup.config.queue_limit;
        if totals.messages <= 1 || totals.bytes <= most {
            return Ok(());
        }
        Err(format!("{totals:?} are under way on worker {at}, of at most {most} bytes"))
    }

    fn handle_reports(&mut self) -> Result<(), Violation> {
        for entry in self.setup.journal.take() {
            let what = format!("{:?}", entry.decision);
            self.note(format_args!("owner of {}: {:.250}", entry.topic, what));
            self.model.take(&entry, &self.setup)?;
        }
        while let Ok(answer) = self.answers.try_recv() {
            self.receive_answer(&answer)?;
        }
        Ok(())
    }

    /// Runs the workers in any order until they have nothing left to do.
    pub(crate) fn settle(&mut self) -> Result<(), Violation> {
        for _ in 0..MOST_ITERATIONS {
            let due = self.nodes.due();
            if due.is_empty() {
                return Ok(());
            }
            self.iterate(self.choices.pick(&due))?;
        }
        Err("the workers do not come to rest".into())
    }

    /// Advances the clock by `time`; workers wake up at their own deadlines.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        let until = self.nodes.now + time;
        for _ in 0..MOST_ITERATIONS {
            self.settle()?;
            match self.nodes.next_wait() {
                Some(wait) if self.nodes.now + wait <= until => self.nodes.advance(wait),
                _ => {
                    self.nodes.advance(until - self.nodes.now);
                    return self.settle();
                }
            }
        }
        Err(format!("the workers wake up too often within {time:?}"))
    }

    /// Has a client read, and checks the messages that it receives. Returns whether anything has changed.
    pub(crate) fn read(&mut self, number: usize, all: bool) -> Result<bool, Violation> {
        let Self { clients, nodes, model, setup, choices, .. } = self;
        let client = &mut clients[number];
        let mut world = nodes.nodes[client.node].world.borrow_mut();
        let before = (client.status, client.got_close, client.has_left);
        let messages = client.read(&mut world, all, choices);
        let messages = messages.map_err(|violation| format!("client {number}: {violation}"))?;
        drop(world);
        let moved = !messages.is_empty() || before != (client.status, client.got_close, client.has_left);
        for (opcode, payload) in messages {
            let outcome = client.view.receive(opcode, &payload, model, setup);
            outcome.map_err(|violation| format!("client {number}: {violation}"))?;
        }
        for message in std::mem::take(&mut client.view.requests.refused) {
            match std::mem::replace(&mut model.sent[message].state, PublishState::Refused) {
                PublishState::Pending | PublishState::Refused => {}
                state => return Err(format!("message {message} was refused, and is {state:?}")),
            }
        }
        let (status, close) = (client.status, client.got_close);
        if before.0 != status || before.1 != close {
            self.check_turn(number)?;
            self.note(format_args!("client {number} has status {status:?}, Close {close:?}"));
        }
        Ok(moved)
    }

    /// Checks the status of the response to a client, and the code of the Close that the client received.
    fn check_turn(&self, number: usize) -> Result<(), Violation> {
        let (client, setup) = (&self.clients[number], &self.setup);
        let sizes = &setup.config.sizes;
        let is_draining = self.nodes.handle.shared.common.stage() != crate::worker::Stage::Running;
        let status = match client.status {
            Some(503) => is_draining || sizes.unsent_requests < 1_000,
            Some(status) => status == client.deserves,
            None => true,
        };
        let close = match client.got_close {
            None => true,
            // The client reads too slowly, or it has sent a message although it may only listen.
            Some(1008) => (!setup.has_large_outboxes && !self.is_quiet) || client.has_erred,
            Some(1013) => setup.has_few_topics && !client.view.is_v1,
            Some(1001) => {
                is_draining && (!client.view.is_v1 || client.view.has_reconnect || !setup.has_large_outboxes)
            }
            Some(1003) => client.has_erred && client.view.is_v1,
            Some(1000) => client.sent_close,
            Some(_) => false,
        };
        if status && close {
            return Ok(());
        }
        Err(format!("client {number} got {:?} and Close {:?}", client.status, client.got_close))
    }

    /// Has another thread publish a message.
    pub(crate) fn publish(
        &mut self,
        subject: usize,
        len: usize,
        is_binary: bool,
        asks: bool,
    ) -> Result<(), Violation> {
        let is_due = self.is_due(len);
        let number = self.model.compose(subject, len, is_binary, 0);
        let sent = &mut self.model.sent[number];
        let topic = &*self.setup.subjects[subject].name.clone();
        let result = if asks {
            let replies = self.replies.clone();
            let reply = AnswerSender::new(move |result| _ = replies.send(Answer::Published(number, result)));
            self.publisher.publish_with_reply(topic, sent.message(), reply)
        } else {
            self.publisher.publish(topic, sent.message())
        };
        sent.state = if result.is_ok() { PublishState::Queued } else { PublishState::Refused };
        self.model.note_taken(number, &self.setup)?;
        if result.is_err() && is_due {
            return Err(format!(
                "message {number} to {topic} was refused, and there was no other of the operator's"
            ));
        }
        self.note(format_args!("message {number} of {len} bytes to {topic}: {result:?}"));
        Ok(())
    }

    /// Returns whether a message of the operator must be accepted, whatever clients do.
    fn is_due(&self, len: usize) -> bool {
        let (config, in_flight) = (&self.setup.config, self.nodes.hub.in_flight());
        let most = config.queue_limit / 8;
        in_flight.of_operator == 0
            && in_flight.bytes <= 3 * most
            && len + 2 * MESSAGE_COST <= most
            && config.sizes.topic_messages >= 4
            && self.nodes.handle.shared.common.stage() == crate::worker::Stage::Running
    }

    /// Has another thread send an announcement to all clients.
    pub(crate) fn announce(&mut self) {
        let number = self.announcements;
        self.announcements += 1;
        let text = super::view::announcement(number);
        let replies = self.replies.clone();
        let answers = move |result| _ = replies.send(Answer::Announced(number, result));
        let taken = self.publisher.broadcast(crate::ws::Message::Text(&text), answers);
        self.note(format_args!("announcement {number}: {taken:?}"));
        if taken.is_ok() {
            for &client in &self.live {
                let client = &mut self.clients[client];
                if client.is_open() {
                    client.view.due.insert(number);
                }
            }
        }
    }

    fn receive_answer(&mut self, answer: &Answer) -> Result<(), Violation> {
        let is_right = match *answer {
            Answer::Announced(number, Err(PublishError::Busy)) => {
                // One of the workers has refused the announcement, so no client has to receive it.
                self.clients.iter_mut().for_each(|client| _ = client.view.due.remove(&number));
                true
            }
            Answer::Announced(_, Ok(connections)) => connections <= self.clients.len() as u64,
            Answer::Published(number, Ok(published)) => matches!(
                self.model.sent[number].state,
                PublishState::Placed(position) if (position.offset, position.epoch) == (published.offset, published.epoch)
            ),
            Answer::Published(number, Err(PublishError::TooManyTopics)) => {
                self.model.sent[number].state == PublishState::Refused
            }
            Answer::Published(..) | Answer::Announced(..) => false,
        };
        if is_right { Ok(()) } else { Err(format!("a wrong answer: {answer:?}")) }
    }

    /// Asks a topic's owner for a description of the topic.
    pub(crate) fn describe_topic(
        &mut self,
        subject: usize,
    ) -> Result<Option<crate::hub::TopicInfo>, Violation> {
        let (to, from) = channel();
        let question = DescribeTopic(self.setup.subjects[subject].name.to_string());
        let asked = self.publisher.ask(question, move |info| _ = to.send(info));
        asked.map_err(|error| format!("a topic cannot be looked at: {error}"))?;
        self.settle()?;
        match from.try_recv() {
            Ok(Ok(info)) => Ok(info),
            other => Err(format!("a look at topic {subject} gave {other:?}")),
        }
    }
}
