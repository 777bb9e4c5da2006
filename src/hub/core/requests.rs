//! Requests of clients, in their URLs and in `throng.v1`.

use super::client_state::ClientState;
use super::replies::reply;
use super::subscription_table::SubscriptionStart;
use super::worker_hub::WorkerHub;
use crate::budget::{WORK_OF_REQUEST, WORK_PER_PARSED};
use crate::hub::broker::Broker;
use crate::hub::broker::messages::{ReplyTo, Requester, Subscribe};
use crate::hub::dialect::ServerMessage;
use crate::hub::dialect::v1::{self, ClientRequest, ErrorCode, ParseRequestError};
use crate::hub::name::{MAX_TOPIC_NAME, TopicName, check_topic_name};
use crate::hub::outcome::PublishError;
use crate::hub::position::Position;
use crate::hub::request_id::RequestId;
use crate::worker::{Conn, ConnId, PreparedMessage};
use crate::ws::{CloseCode, Message};

impl<B: Broker> WorkerHub<B> {
    /// Begins a subscription, and answers the client now or after the broker has answered.
    pub(super) fn subscribe(
        &mut self,
        conn: &mut Conn<'_, ClientState>,
        topic: TopicName,
        since: Option<Position>,
        id: RequestId,
    ) {
        let hash = self.shared.hasher.hash(&topic);
        // The replies to a URL with many topics may not fit the outbox. So once it is half full, further subscriptions wait for the
        // broker's answers, which spread the replies over time.
        let is_outbox_half_full =
            conn.data().dialect().has_requests() && conn.buffered() > conn.outbox_limit() / 2;
        let from_broker = since.is_some() || is_outbox_half_full;
        let (start, topic) = self.table.subscribe(
            topic,
            hash,
            conn.id().index(),
            conn.data_mut(),
            from_broker,
            self.broker.run(),
        );
        match start {
            SubscriptionStart::Immediate(position) => {
                reply(
                    conn,
                    &ServerMessage::Subscribed { topic: &topic, from: position, recovered: None, id: &id },
                );
            }
            SubscriptionStart::Pending(subscribe_id) => {
                self.clients.pending_subscriptions.add(conn.id());
                let requester = Requester { conn: conn.id(), subscribe_id, request_id: id };
                self.broker.subscribe(Subscribe { topic, hash, requester, since, is_continuation: false });
            }
        }
    }

    /// Executes a request of `throng.v1`.
    pub(super) fn handle_request(&mut self, conn: &mut Conn<'_, ClientState>, text: &str) {
        conn.charge(WORK_OF_REQUEST + WORK_PER_PARSED * text.len());
        let index = conn.id().index();
        let request = match v1::parse(text) {
            Ok(request) => request,
            Err(ParseRequestError { id, why }) => {
                self.inbox.counters.bad_requests.add(1);
                reply(
                    conn,
                    &ServerMessage::Refused { code: ErrorCode::BadRequest, why: &why, topic: None, id: &id },
                );
                if self.clients.bad_requests.add(index) {
                    conn.close(
                        CloseCode::POLICY_VIOLATION,
                        "too many messages in a row are not valid requests",
                    );
                }
                return;
            }
        };
        self.clients.bad_requests.reset(index);
        match request {
            (id, ClientRequest::Ping) => reply(conn, &ServerMessage::Pong { id: &id }),
            (id, ClientRequest::Subscribe { topic, since }) => {
                match self.may_subscribe(conn.id(), *conn.data(), &topic) {
                    Ok(()) => self.subscribe(conn, topic.into(), since, id),
                    Err((code, why)) => reply(
                        conn,
                        &ServerMessage::Refused { code, why, topic: topic_for_error(&topic), id: &id },
                    ),
                }
            }
            (id, ClientRequest::Unsubscribe { topic }) => self.unsubscribe(conn, &topic, &id),
            (id, ClientRequest::Publish { topic, data }) => {
                if let Err((code, why)) = self.publish(conn, &topic, data.as_message(), id.clone()) {
                    reply(
                        conn,
                        &ServerMessage::Refused { code, why, topic: topic_for_error(&topic), id: &id },
                    );
                }
            }
        }
    }

    fn may_subscribe(
        &self,
        client: ConnId,
        state: ClientState,
        topic: &str,
    ) -> Result<(), (ErrorCode, &'static str)> {
        check_topic_name(topic).map_err(|error| (ErrorCode::BadTopic, error.describe()))?;
        let config = &self.shared.config;
        if !config.rules.of(topic).subscribe.allows_clients() {
            return Err((ErrorCode::Forbidden, "no client may subscribe to this topic"));
        }
        let found = self.table.find(topic, self.shared.hasher.hash(topic));
        if found.is_some_and(|at| self.table.subscription(state, at).is_some()) {
            return Err((ErrorCode::AlreadySubscribed, "the client is subscribed to this topic already"));
        }
        if self.table.count(state) >= config.max_subscriptions {
            self.inbox.counters.refused_at_limit.add(1);
            return Err((
                ErrorCode::TooManySubscriptions,
                "the client has as many subscriptions as it may have",
            ));
        }
        if !self
            .clients
            .pending_subscriptions
            .may_add(client, config.max_subscriptions.max(config.sizes.pending_subscriptions))
        {
            let why = "too many subscriptions of this client are pending: wait for replies, and try again";
            return Err((ErrorCode::Busy, why));
        }
        // Requests in messages may use half of the limit. The other half is reserved for clients that connect with topics in their URLs:
        // they cannot try again on the same connection.
        if self.broker.unsent_requests() >= config.sizes.unsent_requests.div_ceil(2) {
            return Err((ErrorCode::Busy, "too many requests wait at the moment: try again later"));
        }
        Ok(())
    }

    fn unsubscribe(&mut self, conn: &mut Conn<'_, ClientState>, topic: &str, id: &RequestId) {
        let found = self.table.find(topic, self.shared.hasher.hash(topic));
        let subscription = found.and_then(|at| self.table.subscription(*conn.data(), at));
        let Some(subscription) = subscription else {
            let why = "the client is not subscribed to this topic";
            return reply(
                conn,
                &ServerMessage::Refused {
                    code: ErrorCode::NotSubscribed,
                    why,
                    topic: topic_for_error(topic),
                    id,
                },
            );
        };
        self.end_subscription(conn.data_mut(), subscription);
        reply(conn, &ServerMessage::Unsubscribed { topic, id });
    }

    fn publish(
        &mut self,
        conn: &Conn<'_, ClientState>,
        topic: &str,
        message: Message<'_>,
        id: RequestId,
    ) -> Result<(), (ErrorCode, &'static str)> {
        check_topic_name(topic).map_err(|error| (ErrorCode::BadTopic, error.describe()))?;
        let counters = &self.inbox.counters;
        if !self.shared.config.rules.of(topic).publish.allows_clients() {
            counters.publish_forbidden.add(1);
            return Err((ErrorCode::Forbidden, "no client may publish to this topic"));
        }
        if message.as_bytes().len() > self.shared.max_message() {
            return Err((ErrorCode::TooLarge, "the payload is longer than the server's max-message"));
        }
        let reply_to = ReplyTo::Client(conn.id(), id);
        let prepared = self.shared.prepare_publish(topic, PreparedMessage::new(message), reply_to);
        let accepted = prepared.and_then(|publish| self.broker.try_publish(publish));
        accepted.map_err(|error| match error {
            PublishError::Unavailable => {
                (ErrorCode::Unavailable, "the broker is not available: try again later")
            }
            _ => {
                self.inbox.counters.publish_busy.add(1);
                (ErrorCode::Busy, "messages are published faster than they are delivered: try again later")
            }
        })
    }
}

/// Returns the topic to name in an error; `None` for a text that is too long to be a topic, so that the error does not repeat it.
fn topic_for_error(topic: &str) -> Option<&str> {
    Some(topic).filter(|topic| topic.len() <= MAX_TOPIC_NAME)
}

impl ErrorCode {
    pub(super) const fn of(error: PublishError) -> Self {
        match error {
            PublishError::Name(_) => Self::BadTopic,
            PublishError::TooLarge => Self::TooLarge,
            PublishError::TooManyTopics | PublishError::TooManyCreated => Self::TooManyTopics,
            PublishError::Busy | PublishError::NotRunning => Self::Busy,
            PublishError::Unavailable => Self::Unavailable,
        }
    }
}
