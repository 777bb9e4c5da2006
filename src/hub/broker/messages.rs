//! What a worker's hub asks of its broker, and what it is delivered.

use std::sync::Arc;

use crate::hub::answer_sender::AnswerSender;
use crate::hub::in_flight::Reservation;
use crate::hub::indices::SubscribeId;
use crate::hub::name::Name;
use crate::hub::outcome::{PublishError, Published};
use crate::hub::position::Position;
use crate::hub::publication::Publication;
use crate::hub::request_id::RequestId;
use crate::worker::{ConnId, PreparedMessage};

/// A message to publish.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) topic: Name,
    /// The name's hash.
    pub(crate) hash: u64,
    pub(crate) message: PreparedMessage,
    /// What it counts among the messages under way.
    pub(crate) reservation: Reservation,
    pub(crate) reply_to: ReplyTo,
}

/// Where the answer to a published message goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Nobody,
    Thread(AnswerSender<Published>),
    Client(ConnId, RequestId),
}

impl ReplyTo {
    /// The client that has published the message; `None` for a thread of the operator's.
    pub(crate) const fn client(&self) -> Option<ConnId> {
        match self {
            Self::Client(client, _) => Some(*client),
            Self::Nobody | Self::Thread(_) => None,
        }
    }

    /// Answers nobody: the caller gets the error.
    pub(crate) fn cancel(self) {
        if let Self::Thread(reply) = self {
            reply.cancel();
        }
    }

    /// Answers a thread. For a client, returns what has to be delivered to its worker.
    pub(crate) fn answer(self, topic: Name, result: Result<Published, PublishError>) -> Option<PublishReply> {
        match self {
            Self::Nobody => None,
            Self::Thread(reply) => {
                reply.settle(result);
                None
            }
            Self::Client(conn, id) => Some(PublishReply { conn, id, topic, result }),
        }
    }
}

/// A client's subscription to begin, or the next part of what it has missed.
#[derive(Debug)]
pub(crate) struct Subscribe {
    pub(crate) topic: Name,
    /// The name's hash.
    pub(crate) hash: u64,
    pub(crate) requester: Requester,
    /// The position behind which the client wants all messages.
    pub(crate) since: Option<Position>,
    /// The client has got a part of what it has missed, and this asks for the next.
    pub(crate) is_continued: bool,
}

/// The client that subscribes.
#[derive(Debug, Clone)]
pub(crate) struct Requester {
    pub(crate) conn: ConnId,
    pub(crate) subscribe_id: SubscribeId,
    pub(crate) id: RequestId,
}

/// To a worker.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A message of a topic that the worker has subscribed to.
    Publication(Arc<Publication>),
    /// The answer to [`Broker::subscribe`](super::Broker::subscribe).
    Subscribed(Box<SubscribeReply>),
    /// The answer to [`Broker::try_publish`](super::Broker::try_publish).
    Published(Box<PublishReply>),
}

/// The answer to a message that a client has published.
#[derive(Debug)]
pub(crate) struct PublishReply {
    pub(crate) conn: ConnId,
    pub(crate) id: RequestId,
    pub(crate) topic: Name,
    pub(crate) result: Result<Published, PublishError>,
}

/// The answer to [`Subscribe`]. Publications that are delivered after it come behind those in it.
#[derive(Debug)]
pub(crate) struct SubscribeReply {
    pub(crate) topic: Name,
    pub(crate) hash: u64,
    pub(crate) requester: Requester,
    pub(crate) is_continued: bool,
    pub(crate) result: Result<Subscribed, PublishError>,
}

/// Where a new subscriber begins.
#[derive(Debug)]
pub(crate) struct Subscribed {
    /// The position in front of all that follows.
    pub(crate) from: Position,
    /// Whether nothing is missing between what the client has seen and `from`; `None` if it did not ask.
    pub(crate) recovered: Option<bool>,
    /// What it has missed, in order, or the beginning of that.
    pub(crate) missed: Vec<Arc<Publication>>,
    /// There is more of it, for which the broker has to be asked again.
    pub(crate) more: bool,
    /// The topic's latest message.
    pub(crate) latest: u64,
}

impl Subscribed {
    /// What it takes to make it, in small messages: each of those missed is a few blocks of memory, and its bytes are looked at.
    pub(crate) fn cost(&self) -> usize {
        let bytes: usize = self.missed.iter().map(|publication| publication.bytes()).sum();
        self.missed.len() / 4 + bytes / 4096
    }
}
