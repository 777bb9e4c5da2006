//! Results of publishing and of questions.

use std::fmt;

use super::name::TopicNameError;
use super::position::Epoch;
use crate::worker::ConnId;

/// The position of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The message's offset in its topic.
    pub offset: u64,
    /// The topic's epoch.
    pub epoch: Epoch,
    /// Number of the topic's subscribers when the owner accepted the message.
    pub subscribers: u64,
}

/// The state of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// The topic's name.
    pub topic: String,
    /// Number of subscribers.
    pub subscribers: u64,
    /// The offset of the topic's latest message.
    pub offset: u64,
    /// The topic's epoch.
    pub epoch: Epoch,
    /// Number of messages in the topic's history.
    pub history_messages: usize,
    /// Bytes of the payloads of the messages in the topic's history.
    pub history_bytes: usize,
}

/// A client with unwritten bytes in its outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowClient {
    /// The client's connection.
    pub connection: ConnId,
    /// Bytes that wait in the outbox, with the cost of keeping them.
    pub bytes: usize,
}

/// Why a message was not published, or a question was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic's name is not valid.
    Name(TopicNameError),
    /// Messages are published faster than they are delivered: try again later.
    Busy,
    /// The payload has more bytes than the server's [`max_message`](crate::Config::max_message), so that clients may be unable to receive
    /// it.
    TooLarge,
    /// The number of topics has reached [`max_topics`](crate::hub::HubConfig::max_topics).
    TooManyTopics,
    /// The client was the first to publish to [`max_client_topics`](crate::hub::HubConfig::max_client_topics) topics with a history. Only
    /// clients get this error.
    TooManyCreated,
    /// The server has not started or has ended.
    NotRunning,
    /// The broker, which assigns offsets and keeps histories, is not available or cannot answer now: try again later. The message was not
    /// published. The broker of one machine, which a [`Hub`](super::Hub) uses, is always available.
    Unavailable,
}

impl From<TopicNameError> for PublishError {
    fn from(error: TopicNameError) -> Self {
        Self::Name(error)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Busy => {
                f.write_str("messages are published faster than they are delivered: try again later")
            }
            Self::TooLarge => f.write_str("the payload is longer than max-message"),
            Self::TooManyTopics => f.write_str("there are as many topics as there may be"),
            Self::TooManyCreated => f.write_str(
                "there are as many topics as there may be that this client was the first to publish to",
            ),
            Self::NotRunning => f.write_str("the server is not running"),
            Self::Unavailable => f.write_str("the broker is not available: try again later"),
        }
    }
}

impl std::error::Error for PublishError {}
