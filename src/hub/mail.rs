//! What the workers' hubs, and other threads, want of each other.
//!
//! A topic has one home, the worker that the hash of its name says. Requests go there; what comes of them goes to the workers that
//! have subscribers, as deliveries. Handling a delivery never posts another delivery, so that those queues always empty and nobody can
//! wait for each other in a circle.

use std::sync::Arc;

use super::dialect::v1::Id;
use super::freight::Freight;
use super::indices::JoinId;
use super::message::Item;
use super::name::Name;
use super::outcome::{PublishError, Published};
use super::position::Position;
use super::reply::Reply;
use crate::worker::{ConnId, PreparedMessage};

/// Who is told what became of a message.
#[derive(Debug)]
pub(crate) enum Asker {
    Nobody,
    Thread(Reply<Published>),
    Client(ConnId, Id),
}

impl Asker {
    /// The client that has published it; `None` for a thread of the operator's.
    pub(crate) const fn client(&self) -> Option<ConnId> {
        match self {
            Self::Client(client, _) => Some(*client),
            Self::Nobody | Self::Thread(_) => None,
        }
    }

    /// Tells nobody.
    pub(crate) fn cancel(self) {
        if let Self::Thread(reply) = self {
            reply.cancel();
        }
    }
}

/// To a topic's home.
#[derive(Debug)]
pub(crate) enum Request {
    Publish {
        topic: Name,
        hash: u64,
        message: PreparedMessage,
        freight: Freight,
        asker: Asker,
    },
    Join(Join),
    /// So many subscribers the topic has on this worker now.
    Count {
        worker: usize,
        topic: Name,
        hash: u64,
        count: u32,
    },
    /// Nobody on this worker is a subscriber or wants to be: it gets no more messages.
    Leave {
        worker: usize,
        topic: Name,
        hash: u64,
    },
}

/// A client wants to be a subscriber.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) topic: Name,
    pub(crate) hash: u64,
    pub(crate) who: Joiner,
    /// What it has seen, if it wants all behind that.
    pub(crate) since: Option<Position>,
    /// It is in the middle of being given what it has missed.
    pub(crate) goes_on: bool,
}

/// The client that wants to be a subscriber.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    pub(crate) conn: ConnId,
    pub(crate) join: JoinId,
    pub(crate) id: Id,
}

/// To a worker with subscribers.
#[derive(Debug)]
pub(crate) enum Delivery {
    Item(Arc<Item>),
    Joined(Box<Joined>),
    Published(Box<ToClient>),
}

/// What a client is told of the message that it has published.
#[derive(Debug)]
pub(crate) struct ToClient {
    pub(crate) conn: ConnId,
    pub(crate) id: Id,
    pub(crate) topic: Name,
    pub(crate) result: Result<Published, PublishError>,
}

/// A home's answer to [`Join`]. Messages that it delivers after this come behind those in here.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) topic: Name,
    pub(crate) hash: u64,
    pub(crate) who: Joiner,
    pub(crate) goes_on: bool,
    pub(crate) result: Result<Welcome, PublishError>,
}

/// Where a new subscriber stands.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// The position in front of all that follows.
    pub(crate) from: Position,
    /// Whether nothing is missing between what the client has seen and `from`; `None` if it did not ask.
    pub(crate) recovered: Option<bool>,
    /// What it has missed, in order, or the beginning of that.
    pub(crate) missed: Vec<Arc<Item>>,
    /// There is more of it, for which the home has to be asked again.
    pub(crate) more: bool,
    /// The topic's latest message.
    pub(crate) latest: u64,
}

impl Welcome {
    /// What it takes to make it, in small messages: each of those missed is a few blocks of memory, and its bytes are looked at.
    pub(crate) fn cost(&self) -> usize {
        let bytes: usize = self.missed.iter().map(|item| item.bytes()).sum();
        self.missed.len() / 4 + bytes / 4096
    }
}
