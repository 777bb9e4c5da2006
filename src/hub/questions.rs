//! What other threads ask, what is answered, and where that goes.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::outcome::{PublishError, Published, TopicInfo};
use crate::worker::ConnId;
use crate::ws::Message;

/// Something to [`ask`](super::Publisher::ask).
#[derive(Debug, Clone, Copy)]
pub enum Question<'a> {
    /// Publish this, and tell its place: one [`Answer::Published`] or [`Answer::Refused`].
    Publish {
        /// The topic.
        topic: &'a str,
        /// The message.
        message: Message<'a>,
    },
    /// What is there of this topic: one [`Answer::Topic`].
    Topic(&'a str),
    /// The topics whose names begin so: an [`Answer::Topics`] by each worker, each with at most `limit`, in the order of
    /// their names.
    Topics {
        /// How the names begin.
        prefix: &'a str,
        /// Most topics of each worker.
        limit: usize,
    },
    /// The clients for which most bytes wait: an [`Answer::Slowest`] by each worker, each with at most `limit`.
    Slowest {
        /// Most clients of each worker.
        limit: usize,
    },
    /// Send this to all clients: an [`Answer::Broadcast`] by each worker.
    Broadcast(Message<'a>),
}

/// What comes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The message has its place, and is under way to its subscribers.
    Published(Published),
    /// What there is of the topic, if it exists.
    Topic(Option<TopicInfo>),
    /// Topics of one worker.
    Topics(Vec<TopicInfo>),
    /// Clients of one worker, with the bytes that wait for each and what keeping them costs, most first.
    Slowest(Vec<(ConnId, usize)>),
    /// How many clients of one worker the message is under way to.
    Broadcast {
        /// Connections.
        connections: u64,
    },
    /// The message was not published, or a worker could not take the question.
    Refused(PublishError),
}

/// Where the answers to a question go: each is sent with the question's token, and then the bell is rung.
///
/// The bell is called on a worker's thread. In a server with private descriptor tables it must not use descriptors that were made
/// after the server had started.
#[derive(Clone)]
pub struct Reply {
    to: Sender<(u64, Answer)>,
    token: u64,
    bell: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Reply {
    /// Answers go to `to` with `token`; `bell` is called after each.
    #[must_use]
    pub fn new(to: Sender<(u64, Answer)>, token: u64, bell: Option<Arc<dyn Fn() + Send + Sync>>) -> Self {
        Self { to, token, bell }
    }

    pub(super) fn give(&self, answer: Answer) {
        // Whoever asked may have stopped waiting.
        if self.to.send((self.token, answer)).is_ok()
            && let Some(bell) = &self.bell
        {
            bell();
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("token", &self.token).finish_non_exhaustive()
    }
}
