//! The start of subscriptions after the broker's answer, and the recovery of missed messages at the pace of each subscriber.
//!
//! The worker puts missed messages into an almost empty outbox only, so that no client is closed because of them. If the outbox has no
//! room, the worker drops the missed messages and asks the broker again later. Later messages of the topic wait in its history meanwhile. A
//! client that recovers several topics gets a part of each in turn.

use std::time::Duration;

use super::client_state::ClientState;
use super::recovery_queue::Recovery;
use super::replies::reply_in_turn;
use super::topic::QueueEntry;
use super::topic_pass::{push_cost, topic_batch};
use super::worker_hub::WorkerHub;
use crate::base::bug;
use crate::budget::ENVELOPED_BYTE;
use crate::hub::broker::Broker;
use crate::hub::broker::messages::{PublishReply, Requester, Subscribe, SubscribeReply, Subscribed};
use crate::hub::dialect::ServerMessage;
use crate::hub::dialect::v1::ErrorCode;
use crate::hub::indices::TopicIndex;
use crate::hub::name::TopicName;
use crate::hub::outcome::PublishError;
use crate::hub::position::Position;
use crate::worker::{ConnId, ConnIndex, Connections, Flush, SlowPolicy};
use crate::ws::CloseCode;

/// The most recovering subscribers that one turn checks for room in their outboxes.
const CHECKS_PER_TURN: usize = 256;
/// Time until the next check of subscribers that had no room.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

impl<B: Broker> WorkerHub<B> {
    /// Handles the broker's answer to a subscription. Publications that are in the topic's queue are sent before it. Returns the cost of the
    /// messages pushed at once, in small messages.
    pub(super) fn handle_subscribe_reply(
        &mut self,
        reply: Box<SubscribeReply>,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let Some(at) = self.table.find(&reply.topic, reply.hash) else {
            bug::survived("the topic of a pending subscription does not exist");
            self.note_answer(reply.requester.conn, reply.is_continuation);
            return 0;
        };
        if let Some(topic) = self.table.get_mut(at)
            && topic
                .fan_out
                .as_ref()
                .is_some_and(|fan_out| !fan_out.queue.is_empty() || fan_out.pass.is_some())
        {
            topic.fan_out_mut().queue.push_back(QueueEntry::Reply(reply));
            self.queue_entries += 1;
            self.schedule(at);
            return 0;
        }
        self.finish_subscribe(at, *reply, connections)
    }

    /// Turns a pending subscription that the broker has answered into an active one, or begins its recovery. Returns the cost of the
    /// messages pushed, in small messages.
    pub(super) fn finish_subscribe(
        &mut self,
        at: TopicIndex,
        reply: SubscribeReply,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let SubscribeReply { topic, hash, requester, is_continuation, mut result } = reply;
        self.note_answer(requester.conn, is_continuation);
        let (mut needed_room, mut cost) = (0, 1);
        if let Ok(subscribed) = &mut result {
            let needed =
                subscribed.missed.iter().map(|publication| ENVELOPED_BYTE * publication.limit_bytes()).sum();
            if !self.has_room(requester.conn.index(), needed, connections) {
                subscribed.has_more |= !subscribed.missed.is_empty();
                subscribed.missed.clear();
                needed_room = needed;
            }
        }
        let index = requester.conn.index();
        let state = state_of(connections, requester.conn);
        let gets_replies = state.is_some_and(|state| state.dialect().has_requests());
        let state = state.filter(|state| self.table.is_pending(*state, at, requester.subscribe_id));
        if let (Ok(subscribed), Some(local)) = (&result, self.table.get_mut(at)) {
            local.confirm_subscription(Position { offset: subscribed.latest, ..subscribed.from });
        }
        let more = match (state, result) {
            (None, _) => {
                // Every request gets an answer.
                if gets_replies && !is_continuation && requester.request_id.is_some() {
                    let why = "the subscription was ended before it began";
                    let message = ServerMessage::Refused {
                        code: ErrorCode::Cancelled,
                        why,
                        topic: Some(&topic),
                        id: &requester.request_id,
                    };
                    reply_in_turn(connections, index, &message);
                }
                None
            }
            (Some(state), Err(error)) => {
                self.refuse_subscription(at, state, &topic, &requester, error, connections);
                None
            }
            (Some(state), Ok(subscribed)) => {
                cost += self.start_subscription(
                    at,
                    state,
                    &topic,
                    &requester,
                    is_continuation,
                    &subscribed,
                    connections,
                );
                let from =
                    subscribed.missed.last().map_or(subscribed.from.offset, |publication| publication.offset);
                let last_received = Position { offset: from, ..subscribed.from };
                subscribed.has_more.then_some(Recovery { topic, hash, requester, last_received, needed_room })
            }
        };
        match more {
            // The topic keeps its pending subscription.
            Some(recovery) => self.recoveries.queue.push_back(recovery),
            None => {
                self.table.remove_pending(at);
                self.remove_if_unused(at);
            }
        }
        cost
    }

    /// Notes that the broker has answered a request for a client's subscription or for the next part of its recovery.
    fn note_answer(&mut self, client: ConnId, is_continuation: bool) {
        if is_continuation {
            self.recoveries.requested.remove(&client);
        } else {
            self.clients.pending_subscriptions.remove(client);
        }
    }

    /// Sends a client its position and its missed messages. After the last of them the client becomes a subscriber. Returns the cost of the
    /// messages pushed, in small messages.
    #[expect(clippy::too_many_arguments, reason = "all parts of one answer to one client")]
    fn start_subscription(
        &mut self,
        at: TopicIndex,
        state: ClientState,
        topic: &TopicName,
        requester: &Requester,
        is_continuation: bool,
        subscribed: &Subscribed,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let (index, mut cost) = (requester.conn.index(), 0);
        let counters = &self.inbox.counters;
        let has_gap = subscribed.recovered == Some(false);
        if !is_continuation || has_gap {
            match subscribed.recovered {
                Some(true) => counters.recovered.add(1),
                Some(false) => counters.gaps.add(1),
                None => {}
            }
            let (from, recovered) = (subscribed.from, subscribed.recovered);
            reply_in_turn(
                connections,
                index,
                &ServerMessage::Subscribed { topic, from, recovered, id: &requester.request_id },
            );
        }
        if !subscribed.missed.is_empty() {
            // Nothing may be dropped: a message that is dropped here is not sent again.
            let mut batch =
                topic_batch(at, self.shared.config.rules.of(topic)).with_policy(SlowPolicy::Close);
            subscribed
                .missed
                .iter()
                .for_each(|publication| batch.add(publication.encoded(state.dialect()).clone()));
            let pushed = connections.push(index, &mut batch, Flush::Later);
            cost = push_cost(&batch, pushed);
            counters.count_push(pushed);
            counters.replayed.add(u64::from(pushed.taken));
            self.recoveries.has_sent_part = true;
        }
        // Sending may have lost or closed the connection.
        if !subscribed.has_more
            && let Some(mut state) = state_of(connections, requester.conn)
        {
            self.table.activate(at, index, &mut state, requester.subscribe_id);
            self.set_state(index, state, connections);
        }
        cost
    }

    /// Returns whether a client may get `needed` bytes of messages: its outbox is almost empty, and the worker's limit of queued bytes has
    /// room.
    fn has_room(&self, index: ConnIndex, needed: usize, connections: &Connections<'_, ClientState>) -> bool {
        let low_water = self.shared.config.sizes.recovery_low_water.min(connections.outbox_limit() / 8);
        connections.backlog(index) < low_water.max(1) && needed <= connections.spare_backlog()
    }

    fn refuse_subscription(
        &mut self,
        at: TopicIndex,
        mut state: ClientState,
        topic: &TopicName,
        requester: &Requester,
        error: PublishError,
        connections: &mut Connections<'_, ClientState>,
    ) {
        let index = requester.conn.index();
        if let Some(subscription) = self.table.subscription(state, at) {
            self.table.end_subscription(&mut state, subscription);
            self.set_state(index, state, connections);
        }
        if state.dialect().has_requests() {
            let (code, why) = (ErrorCode::of(error), &error.to_string());
            reply_in_turn(
                connections,
                index,
                &ServerMessage::Refused { code, why, topic: Some(topic), id: &requester.request_id },
            );
        } else {
            let reason = match error {
                PublishError::TooManyTopics => "there are too many topics".into(),
                other => other.to_string(),
            };
            connections.close(index, CloseCode::TRY_AGAIN_LATER, &reason);
        }
    }

    fn set_state(
        &self,
        index: ConnIndex,
        state: ClientState,
        connections: &mut Connections<'_, ClientState>,
    ) {
        match connections.data_mut(index) {
            Some(data) => *data = state,
            None => bug::survived("an open connection has no state"),
        }
    }

    /// Asks the broker for the next part of each recovery whose client has room for it. Returns the time until the next check.
    pub(super) fn continue_recoveries(
        &mut self,
        connections: &mut Connections<'_, ClientState>,
    ) -> Option<Duration> {
        // Recoveries add no request while there are half as many unsent requests as the limit allows, so that no client is refused because
        // of recoveries.
        let max_unsent = self.shared.config.sizes.unsent_requests.div_ceil(2);
        for _ in 0..self.recoveries.queue.len().min(CHECKS_PER_TURN) {
            let Some(recovery) = self.recoveries.queue.pop_front() else { break };
            let index = recovery.requester.conn.index();
            let Some(at) = self.table.find(&recovery.topic, recovery.hash) else { continue };
            let state = state_of(connections, recovery.requester.conn);
            if !state.is_some_and(|state| self.table.is_pending(state, at, recovery.requester.subscribe_id)) {
                self.table.remove_pending(at);
                self.remove_if_unused(at);
            } else if self.broker.unsent_requests() < max_unsent
                && self.has_room(index, recovery.needed_room, connections)
                && self.recoveries.requested.insert(recovery.requester.conn)
            {
                let Recovery { topic, hash, requester, last_received, .. } = recovery;
                let since = Some(last_received);
                self.broker.subscribe(Subscribe { topic, hash, requester, since, is_continuation: true });
            } else {
                self.recoveries.queue.push_back(recovery);
            }
        }
        self.recoveries.shrink();
        let wait =
            if std::mem::take(&mut self.recoveries.has_sent_part) { Duration::ZERO } else { CHECK_INTERVAL };
        (!self.recoveries.queue.is_empty()).then_some(wait)
    }

    /// Sends a client the result of publishing a message.
    pub(super) fn send_publish_reply(
        &self,
        reply: &PublishReply,
        connections: &mut Connections<'_, ClientState>,
    ) {
        let index = reply.conn.index();
        if connections.id(index) != Some(reply.conn) {
            return;
        }
        match reply.result {
            Ok(published) if reply.request_id.is_some() => {
                let message =
                    ServerMessage::Published { topic: &reply.topic, published, id: &reply.request_id };
                reply_in_turn(connections, index, &message);
            }
            Ok(_) => {}
            Err(error) => {
                let (code, why) = (ErrorCode::of(error), &error.to_string());
                let message =
                    ServerMessage::Refused { code, why, topic: Some(&reply.topic), id: &reply.request_id };
                reply_in_turn(connections, index, &message);
            }
        }
    }
}

/// Returns the state of a connection that is still open.
fn state_of(connections: &mut Connections<'_, ClientState>, conn: ConnId) -> Option<ClientState> {
    let is_there = connections.id(conn.index()) == Some(conn);
    connections.data_mut(conn.index()).filter(|_| is_there).copied()
}
