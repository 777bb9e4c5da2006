//! What comes of what is published and asked.

use std::fmt;

use super::name::NameError;
use super::position::Epoch;
use crate::worker::ConnId;

/// A published message's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its offset.
    pub offset: u64,
    /// Its topic's epoch.
    pub epoch: Epoch,
    /// Subscribers of the topic when its owner took the message.
    pub subscribers: u64,
}

/// What there is of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub topic: String,
    /// How many subscribe to it.
    pub subscribers: u64,
    /// The offset of its latest message.
    pub offset: u64,
    /// Its epoch.
    pub epoch: Epoch,
    /// Messages in its history.
    pub history_messages: usize,
    /// Bytes of their payloads.
    pub history_bytes: usize,
}

/// A client for which bytes wait to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowClient {
    /// Its connection.
    pub connection: ConnId,
    /// Bytes that wait, and what keeping them costs.
    pub bytes: usize,
}

/// Why a message was not published, or a question not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic's name is none.
    Name(NameError),
    /// More is published than goes out: try again later.
    Busy,
    /// The payload has more bytes than the server's [`max_message`](crate::Config::max_message), so that its clients may not get it.
    TooLarge,
    /// There are as many topics as there may be.
    TooManyTopics,
    /// The client has created as many topics as it may: only clients get this error.
    TooManyCreated,
    /// The server has not started, or has ended.
    NotRunning,
}

impl From<NameError> for PublishError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Busy => f.write_str("more is published than goes out: try again later"),
            Self::TooLarge => f.write_str("the payload is longer than max-message"),
            Self::TooManyTopics => f.write_str("there are as many topics as there may be"),
            Self::TooManyCreated => f.write_str(
                "there are as many topics as there may be that this client was the first to publish to",
            ),
            Self::NotRunning => f.write_str("the server is not running"),
        }
    }
}

impl std::error::Error for PublishError {}
