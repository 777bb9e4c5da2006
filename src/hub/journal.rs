//! A journal of the owners' decisions, in order. The simulation checks it against its model.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::broker::messages::Subscribed;
use super::name::TopicName;
use super::outcome::{PublishError, Published};
use super::position::Position;
use crate::worker::PreparedMessage;

/// One decision of an owner.
#[derive(Debug, Clone)]
pub(crate) struct JournalEntry {
    pub(crate) topic: TopicName,
    /// The owner's clock at the decision.
    pub(crate) now: Duration,
    pub(crate) decision: OwnerDecision,
}

impl JournalEntry {
    pub(crate) fn published(
        topic: &TopicName,
        now: Duration,
        message: PreparedMessage,
        result: &Result<Published, PublishError>,
    ) -> Self {
        let place = |published: &Published| {
            let Published { offset, epoch, subscribers } = *published;
            (Position { offset, epoch }, subscribers)
        };
        let result = result.as_ref().map(place).map_err(|error| *error);
        Self { topic: TopicName::clone(topic), now, decision: OwnerDecision::Published { message, result } }
    }

    pub(crate) fn subscribed(
        topic: &TopicName,
        now: Duration,
        since: Option<Position>,
        result: &Result<Subscribed, PublishError>,
    ) -> Self {
        let message = |subscribed: &Subscribed| SubscribedOffsets {
            from: subscribed.from,
            recovered: subscribed.recovered,
            missed: subscribed.missed.iter().map(|publication| publication.offset).collect(),
            has_more: subscribed.has_more,
            latest: subscribed.latest,
        };
        let result = result.as_ref().map(message).map_err(|error| *error);
        Self { topic: TopicName::clone(topic), now, decision: OwnerDecision::Subscribed { since, result } }
    }
}

/// The kind and the result of a decision.
#[derive(Debug, Clone)]
pub(crate) enum OwnerDecision {
    /// A message was published, with the position assigned to it and the topic's number of subscribers, or refused.
    Published { message: PreparedMessage, result: Result<(Position, u64), PublishError> },
    /// A worker asked for the topic's messages, for a client that has received all messages up to `since`.
    Subscribed { since: Option<Position>, result: Result<SubscribedOffsets, PublishError> },
}

/// The answer to a new subscriber.
#[derive(Debug, Clone)]
pub(crate) struct SubscribedOffsets {
    pub(crate) from: Position,
    pub(crate) recovered: Option<bool>,
    /// Offsets of the missed messages in the answer.
    pub(crate) missed: Vec<u64>,
    pub(crate) has_more: bool,
    pub(crate) latest: u64,
}

/// The decisions that the simulation has not read yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<JournalEntry>>>);

impl Journal {
    pub(crate) fn record(&self, entry: JournalEntry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Takes the decisions since the last call.
    pub(crate) fn take(&self) -> Vec<JournalEntry> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
