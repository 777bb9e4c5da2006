//! The built-in questions. Each question is a type that defines the type of its answer and how a worker answers it.

use std::sync::Arc;

use super::answer_sender::AnswerSender;
use super::hub_view::HubView;
use super::outcome::{SlowClient, TopicInfo};
use super::publication::BroadcastMessage;
use super::question::{Question, Recipients};

/// Asks for the state of the topic with this name. The answer is `None` if the topic does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTopic(pub String);

impl Question for DescribeTopic {
    type Answer = Option<TopicInfo>;

    fn recipients(&self) -> Recipients<'_> {
        Recipients::OwnerOf(&self.0)
    }

    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>) {
        worker.broker.describe(&self.0, reply);
    }
}

/// Asks for a list of topics. Each worker answers with the topics that it owns, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTopics {
    /// The prefix of the topics' names.
    pub prefix: String,
    /// Most topics in one worker's answer.
    pub limit: usize,
}

impl Question for ListTopics {
    type Answer = Vec<TopicInfo>;

    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>) {
        worker.broker.list(self.prefix.into(), self.limit, reply);
    }
}

/// Asks for the clients with the most unwritten bytes. Each worker answers with its own clients, most bytes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindSlowest {
    /// Most clients in one worker's answer.
    pub limit: usize,
}

impl Question for FindSlowest {
    type Answer = Vec<SlowClient>;

    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>) {
        let slowest = worker.connections.slowest(self.limit).into_iter();
        reply.send(slowest.map(|(connection, bytes)| SlowClient { connection, bytes }).collect());
    }
}

/// Sends a message to all clients. Each worker answers with the number of its open connections.
#[derive(Debug, Clone)]
pub(super) struct SendBroadcast(pub(super) Arc<BroadcastMessage>);

impl Question for SendBroadcast {
    type Answer = u64;

    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>) {
        worker.broadcasts.add(self.0);
        reply.send(worker.open_connections());
    }
}
