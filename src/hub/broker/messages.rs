//! Requests of a worker's hub to its broker, and the broker's deliveries.

use std::sync::Arc;

use crate::hub::answer_sender::AnswerSender;
use crate::hub::in_flight::Reservation;
use crate::hub::indices::SubscribeId;
use crate::hub::name::TopicName;
use crate::hub::outcome::{PublishError, Published};
use crate::hub::position::Position;
use crate::hub::publication::Publication;
use crate::hub::request_id::RequestId;
use crate::worker::{ConnId, PreparedMessage};

/// A message to publish.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) topic: TopicName,
    /// The hash of the topic's name.
    pub(crate) hash: u64,
    pub(crate) message: PreparedMessage,
    /// The message's share of the limit of messages under way.
    pub(crate) reservation: Reservation,
    pub(crate) reply_to: ReplyTo,
}

/// Where the result of publishing a message goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    /// The result is discarded.
    Discard,
    Thread(AnswerSender<Published>),
    Client(ConnId, RequestId),
}

impl ReplyTo {
    /// Returns the client that has published the message; `None` for the operator.
    pub(crate) const fn client(&self) -> Option<ConnId> {
        match self {
            Self::Client(client, _) => Some(*client),
            Self::Discard | Self::Thread(_) => None,
        }
    }

    /// Drops the reply without an answer: the caller gets the error.
    pub(crate) fn cancel(self) {
        if let Self::Thread(reply) = self {
            reply.cancel();
        }
    }

    /// Sends the result to a thread. For a client, returns the reply to deliver to its worker.
    pub(crate) fn answer(
        self,
        topic: TopicName,
        result: Result<Published, PublishError>,
    ) -> Option<PublishReply> {
        match self {
            Self::Discard => None,
            Self::Thread(reply) => {
                reply.send_result(result);
                None
            }
            Self::Client(conn, request_id) => Some(PublishReply { conn, request_id, topic, result }),
        }
    }
}

/// A request to begin a client's subscription, or for the next part of its recovery.
#[derive(Debug)]
pub(crate) struct Subscribe {
    pub(crate) topic: TopicName,
    /// The hash of the topic's name.
    pub(crate) hash: u64,
    pub(crate) requester: Requester,
    /// The position after which the client needs all messages.
    pub(crate) since: Option<Position>,
    /// The client has got a part of its missed messages, and this asks for the next part.
    pub(crate) is_continuation: bool,
}

/// The client that subscribes, with the ids of its subscription and its request.
#[derive(Debug, Clone)]
pub(crate) struct Requester {
    pub(crate) conn: ConnId,
    pub(crate) subscribe_id: SubscribeId,
    pub(crate) request_id: RequestId,
}

/// A delivery of the broker to a worker.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A message of a topic that the worker has subscribed to.
    Publication(Arc<Publication>),
    /// The answer to [`Broker::subscribe`](super::Broker::subscribe).
    Subscribed(Box<SubscribeReply>),
    /// The answer to [`Broker::try_publish`](super::Broker::try_publish).
    Published(Box<PublishReply>),
}

/// The result of a client's request to publish a message.
#[derive(Debug)]
pub(crate) struct PublishReply {
    pub(crate) conn: ConnId,
    pub(crate) request_id: RequestId,
    pub(crate) topic: TopicName,
    pub(crate) result: Result<Published, PublishError>,
}

/// The answer to [`Subscribe`]. Publications that are delivered later have higher offsets than those in it.
#[derive(Debug)]
pub(crate) struct SubscribeReply {
    pub(crate) topic: TopicName,
    pub(crate) hash: u64,
    pub(crate) requester: Requester,
    pub(crate) is_continuation: bool,
    pub(crate) result: Result<Subscribed, PublishError>,
}

/// The start of a subscription, or the next part of its recovery.
#[derive(Debug)]
pub(crate) struct Subscribed {
    /// The position before all messages that follow.
    pub(crate) from: Position,
    /// Whether no message is missing between the client's position and `from`; `None` if the client did not give a position.
    pub(crate) recovered: Option<bool>,
    /// The client's missed messages, in order, or the first part of them.
    pub(crate) missed: Vec<Arc<Publication>>,
    /// There are more missed messages, for which the worker has to ask again.
    pub(crate) has_more: bool,
    /// The offset of the topic's latest message.
    pub(crate) latest: u64,
}

impl Subscribed {
    /// Returns the cost of making this answer, in small messages: each missed message takes a few blocks of memory, and its bytes are read.
    pub(crate) fn cost(&self) -> usize {
        let bytes: usize = self.missed.iter().map(|publication| publication.bytes()).sum();
        self.missed.len() / 4 + bytes / 4096
    }
}
