//! One worker's hub: a handler whose connections are subscribers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bad_requests::BadRequests;
use super::broadcasts::Broadcasts;
use super::client_state::ClientState;
use super::pending_subscriptions::PendingSubscriptions;
use super::recovery_queue::RecoveryQueue;
use super::replies::reply;
use super::subscription_table::SubscriptionTable;
use super::url::topics_in_url;
use crate::budget::WORK_OF_REQUEST;
use crate::http::{Refusal, Request as HttpRequest, Status};
use crate::hub::broker::messages::Delivery;
use crate::hub::broker::{Broker, Congestion};
use crate::hub::dialect::{Dialect, ServerMessage};
use crate::hub::hub_view::HubView;
use crate::hub::indices::TopicIndex;
use crate::hub::name::TopicName;
use crate::hub::question::QuestionReceiver;
use crate::hub::request_id::RequestId;
use crate::hub::shared::{HubShared, OperatorInbox};
use crate::worker::{
    Accept, Closed, Conn, ConnId, Connecting, Connections, Handler, SliceBudget, Turn, Verdict,
};
use crate::ws::{CloseCode, Message};

/// One worker's hub over a broker.
pub(crate) struct WorkerHub<B> {
    pub(super) shared: Arc<HubShared>,
    pub(super) inbox: OperatorInbox,
    questions: QuestionReceiver,
    pub(super) broker: B,
    pub(super) table: SubscriptionTable,
    /// Topics with work to do on this worker.
    pub(super) scheduled: VecDeque<TopicIndex>,
    /// Topics whose subscriptions ended with their connections, one entry for each subscription. Each turn cleans up a part of them.
    pub(super) cleanup_queue: VecDeque<TopicIndex>,
    /// Entries in the queues of all topics. An entry leaves its queue when its pass is over.
    pub(super) queue_entries: usize,
    pub(super) recoveries: RecoveryQueue,
    pub(super) broadcasts: Broadcasts,
    pub(super) clients: ClientCounters,
    /// Topics in the URL of the connection that is opening.
    requested_topics: Vec<TopicName>,
}

/// Counters of the worker's clients.
#[derive(Default)]
pub(super) struct ClientCounters {
    pub(super) connections: u64,
    pub(super) bad_requests: BadRequests,
    pub(super) pending_subscriptions: PendingSubscriptions,
}

/// How many of the broker's deliveries the worker may still take in this turn.
struct DeliveryBudget {
    deliveries: usize,
    /// Pushes that are left for deliveries that need no queue, in small messages.
    pushes: usize,
}

impl<B: Broker> WorkerHub<B> {
    pub(crate) fn new(
        shared: Arc<HubShared>,
        inbox: OperatorInbox,
        questions: QuestionReceiver,
        broker: B,
    ) -> Self {
        Self {
            shared,
            inbox,
            questions,
            broker,
            table: SubscriptionTable::default(),
            scheduled: VecDeque::new(),
            cleanup_queue: VecDeque::new(),
            queue_entries: 0,
            recoveries: RecoveryQueue::default(),
            broadcasts: Broadcasts::default(),
            clients: ClientCounters::default(),
            requested_topics: Vec::new(),
        }
    }

    /// Takes deliveries from the broker. Returns `true` where there may be more.
    fn handle_deliveries(
        &mut self,
        connections: &mut Connections<'_, ClientState>,
        delivery_budget: &mut DeliveryBudget,
    ) -> bool {
        while delivery_budget.deliveries > 0 {
            if self.queue_entries >= self.shared.config.sizes.topic_queue_entries
                || delivery_budget.pushes == 0
            {
                return true;
            }
            let pushed = match self.broker.next_delivery() {
                None => return false,
                // Pushed messages use up the budget, so that the worker polls its sockets between large messages and slow readers can make
                // room in their outboxes.
                Some(Delivery::Publication(publication)) => self.handle_publication(publication, connections),
                Some(Delivery::Subscribed(reply)) => self.handle_subscribe_reply(reply, connections),
                Some(Delivery::Published(reply)) => {
                    self.send_publish_reply(&reply, connections);
                    0
                }
            };
            delivery_budget.deliveries -= 1;
            delivery_budget.pushes = delivery_budget.pushes.saturating_sub(pushed);
        }
        true
    }

    /// Serves requests to this worker: the messages that the operator publishes, and then the requests of other workers. While the broker
    /// holds deliveries back because queues are full, the operator's messages come last. Returns `true` if there may be more.
    fn serve_requests(&mut self, now: Duration) -> bool {
        if self.broker.congestion() == Congestion::Clear {
            let more = self.publish_operator_messages(now);
            self.broker.serve(now) || more
        } else {
            let more = self.broker.serve(now);
            self.publish_operator_messages(now) || more
        }
    }

    /// Publishes the operator's messages. Returns `true` where there may be more.
    fn publish_operator_messages(&mut self, now: Duration) -> bool {
        for _ in 0..self.shared.config.sizes.entries_per_turn {
            if self.broker.congestion() == Congestion::Full {
                return true;
            }
            let Some(publish) = self.inbox.next_message() else { return false };
            self.broker.publish(*publish, now);
        }
        true
    }

    /// Answers questions of other threads. Returns `true` where there may be more.
    fn answer_questions(&mut self, connections: &Connections<'_, ClientState>) -> bool {
        for _ in 0..self.shared.config.sizes.entries_per_turn {
            let Ok(question) = self.questions.try_recv() else { return false };
            question.answer(&mut HubView {
                connections,
                open_connections: self.clients.connections,
                broker: &mut self.broker,
                broadcasts: &mut self.broadcasts,
            });
        }
        true
    }

    /// Reports changed numbers of subscribers to the broker.
    fn report_subscriber_counts(&mut self) {
        // While the broker's queues are full, a later change of a topic replaces an earlier one.
        while self.broker.unsent_requests() < self.shared.config.sizes.queue
            && let Some((topic, count)) = self.table.take_changed_count()
        {
            let hash = self.shared.hasher.hash(&topic);
            self.broker.set_subscribers(topic, hash, count);
        }
    }

    /// Removes a topic without subscribers and pending subscriptions on this worker, and unsubscribes the worker from it.
    pub(super) fn remove_if_unused(&mut self, topic: TopicIndex) {
        let Self { table, shared, .. } = self;
        if let Some((topic, hash, entries)) = table.remove_if_unused(topic, |name| shared.hasher.hash(name)) {
            self.queue_entries -= entries;
            self.broker.unsubscribe(topic, hash);
        }
    }

    fn update_gauges(&self) {
        let counters = &self.inbox.counters;
        counters.local_topics.set(self.table.topics() as u64);
        counters.subscriptions.set(self.table.subscriptions());
        counters.waiting.set(self.queue_entries as u64);
    }

    /// Accepts a connection if its URL names only topics that it may subscribe to, and the broker has room for its requests.
    fn admit(&mut self, request: &HttpRequest<'_>) -> Result<Accept<ClientState>, Refusal> {
        let config = &self.shared.config;
        let dialect = Dialect::of_request(request);
        let (path, query) = (request.path(), request.query());
        self.requested_topics =
            topics_in_url(path, query, &config.topics_path, dialect, config.max_subscriptions)?;
        let may_subscribe = |topic: &TopicName| config.rules.of(topic).subscribe.allows_clients();
        if !self.requested_topics.iter().all(may_subscribe) {
            return Err(Refusal::new(Status::FORBIDDEN, "no client may subscribe to this topic"));
        }
        if !dialect.has_requests() && self.requested_topics.is_empty() {
            let detail = "name a topic, as in /?topic=NAME, or speak the subprotocol throng.v1";
            return Err(Refusal::new(Status::BAD_REQUEST, detail));
        }
        // A connection without topics in its URL sends no request to the broker.
        if !self.requested_topics.is_empty() && self.broker.unsent_requests() >= config.sizes.unsent_requests
        {
            return Err(Refusal::new(Status::SERVICE_UNAVAILABLE, "too many requests wait at the moment"));
        }
        let accept = Accept::new(ClientState::new(dialect));
        Ok(match dialect.subprotocol() {
            Some(name) => accept.subprotocol(name).enveloped(),
            None => accept,
        })
    }
}

impl<B: Broker> Handler for WorkerHub<B> {
    type Data = ClientState;

    const ENVELOPES: bool = true;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<ClientState> {
        self.admit(&connecting.request()).into()
    }

    fn open(&mut self, conn: &mut Conn<'_, ClientState>, _: &HttpRequest<'_>) {
        self.clients.connections += 1;
        reply(conn, &ServerMessage::Welcome { max_message: self.shared.max_message() });
        let topics = std::mem::take(&mut self.requested_topics);
        // Each topic costs as much work as a request to subscribe.
        conn.charge(WORK_OF_REQUEST * topics.len());
        for topic in topics {
            self.subscribe(conn, topic, None, RequestId::NONE);
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, ClientState>, message: Message<'_>) {
        match message {
            Message::Text(text) if conn.data().dialect() == Dialect::ThrongV1 => {
                self.handle_request(conn, text)
            }
            Message::Binary(_) if conn.data().dialect() == Dialect::ThrongV1 => {
                conn.close(CloseCode::UNSUPPORTED_DATA, "throng.v1 is spoken in text messages");
            }
            // Some clients keep their connections alive with empty messages.
            empty if empty.as_bytes().is_empty() => {}
            _ => conn.close(
                CloseCode::POLICY_VIOLATION,
                "this connection only receives messages: speak throng.v1 to send requests",
            ),
        }
    }

    fn going_away(&mut self, conn: &mut Conn<'_, ClientState>) {
        let message = ServerMessage::Reconnect { within: self.shared.config.reconnect_within };
        if let Some(text) = conn.data().dialect().encode_server_message(&message) {
            // A client without room for the message reads too slowly. It reconnects at a time of its own choice.
            let _ = conn.send(Message::Text(&text));
        }
    }

    fn close(&mut self, id: ConnId, state: ClientState, _: Closed<'_>) {
        self.clients.connections -= 1;
        self.clients.bad_requests.reset(id.index());
        self.end_all_subscriptions(state);
    }

    fn turn(&mut self, connections: &mut Connections<'_, ClientState>) -> Turn {
        let now = connections.now();
        let sizes = &self.shared.config.sizes;
        let mut budget = SliceBudget::of_messages(sizes.pushes_per_turn);
        let mut delivery_budget =
            DeliveryBudget { deliveries: sizes.entries_per_turn, pushes: sizes.pushes_per_turn };
        self.broker.begin_turn(connections.outbox_limit());
        let mut more = self.handle_deliveries(connections, &mut delivery_budget);
        more |= self.serve_requests(now);
        more |= self.answer_questions(connections);
        self.broker.flush();
        // The worker may have delivered messages to itself meanwhile.
        more |= self.handle_deliveries(connections, &mut delivery_budget);
        // Broadcasts have their own share, so that busy topics do not delay them.
        let mut share = budget.take_quarter();
        self.broadcasts.continue_sending(connections, &mut share, &self.inbox.counters);
        budget.put_back(share);
        self.fan_out(connections, &mut budget);
        self.broadcasts.continue_sending(connections, &mut budget, &self.inbox.counters);
        let recovery_wait = self.continue_recoveries(connections);
        self.continue_cleanup();
        self.report_subscriber_counts();
        let broker_turn = self.broker.end_turn(now);
        self.update_gauges();
        // While its queues are full, the broker determines when the next turn is due.
        let is_blocked = self.broker.unsent_requests() > 0 || self.broker.congestion() != Congestion::Clear;
        more |= !self.cleanup_queue.is_empty();
        if !self.scheduled.is_empty()
            || !self.broadcasts.is_empty()
            || (more && !is_blocked)
            || broker_turn == Turn::Again
        {
            return Turn::Again;
        }
        match (broker_turn, recovery_wait) {
            (Turn::Within(first), Some(second)) => Turn::Within(first.min(second)),
            (broker_turn, None) => broker_turn,
            (_, Some(time)) => Turn::Within(time),
        }
    }
}

impl<B> fmt::Debug for WorkerHub<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerHub").field("connections", &self.clients.connections).finish_non_exhaustive()
    }
}
