//! How subscriptions begin once the broker has answered, and how subscribers recover what they have missed, at their own pace.
//!
//! Missed messages are put into an empty outbox only, so that no client is closed for them. Where there is no room, the broker's answer is
//! dropped, and the broker is asked again when there is. Later messages of the topic wait in the history meanwhile. A client that recovers
//! several topics gets a part of each in turn.

use std::time::Duration;

use super::client_state::ClientState;
use super::fan_out_pass::batch;
use super::recoveries::Recovery;
use super::replies::tell_later;
use super::topic::Queued;
use super::worker_hub::WorkerHub;
use crate::base::bug;
use crate::budget::ENVELOPED_BYTE;
use crate::hub::broker::Broker;
use crate::hub::broker::messages::{PublishReply, Requester, Subscribe, SubscribeReply, Subscribed};
use crate::hub::dialect::ServerMessage;
use crate::hub::dialect::v1::Code;
use crate::hub::indices::TopicIndex;
use crate::hub::name::Name;
use crate::hub::outcome::PublishError;
use crate::hub::position::Position;
use crate::worker::{ConnId, Connections, Flush, SlowPolicy};
use crate::ws::CloseCode;

/// Subscribers looked at in a turn.
const LOOKS_PER_TURN: usize = 256;
/// When they are looked at again.
const LOOK: Duration = Duration::from_millis(10);

impl<B: Broker> WorkerHub<B> {
    /// Takes the broker's answer to a subscription. Publications in the topic's queue go out before it. Returns what was pushed at once, in small messages.
    pub(super) fn take_reply(
        &mut self,
        reply: Box<SubscribeReply>,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let Some(at) = self.table.find(&reply.topic, reply.hash) else {
            bug::survived("a topic has gone while the broker was asked");
            self.note_answer(reply.requester.conn, reply.is_continued);
            return 0;
        };
        if let Some(topic) = self.table.get_mut(at)
            && topic
                .fan_out
                .as_ref()
                .is_some_and(|fan_out| !fan_out.queue.is_empty() || fan_out.pass.is_some())
        {
            topic.fan_out_mut().queue.push_back(Queued::Reply(reply));
            self.waiting += 1;
            self.activate(at);
            return 0;
        }
        self.finish_subscribe(at, *reply, connections)
    }

    /// Makes a subscriber of the client that the broker has answered. Returns what was pushed to it, in small messages.
    pub(super) fn finish_subscribe(
        &mut self,
        at: TopicIndex,
        reply: SubscribeReply,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let SubscribeReply { topic, hash, requester, is_continued, mut result } = reply;
        self.note_answer(requester.conn, is_continued);
        let (mut lacks, mut cost) = (0, 1);
        if let Ok(subscribed) = &mut result {
            let needed =
                subscribed.missed.iter().map(|publication| ENVELOPED_BYTE * publication.measure()).sum();
            if !self.has_room(requester.conn.index(), needed, connections) {
                subscribed.more |= !subscribed.missed.is_empty();
                subscribed.missed.clear();
                lacks = needed;
            }
        }
        let index = requester.conn.index();
        let state = state_of(connections, requester.conn);
        let is_answered = state.is_some_and(|state| state.dialect().has_requests());
        let state = state.filter(|state| self.table.is_pending(*state, at, requester.subscribe_id));
        if let (Ok(subscribed), Some(local)) = (&result, self.table.get_mut(at)) {
            local.set_subscribed(Position { offset: subscribed.latest, ..subscribed.from });
        }
        let more = match (state, result) {
            (None, _) => {
                // Every request is answered.
                if is_answered && !is_continued && requester.id.is_some() {
                    let why = "the subscription was ended before it had begun";
                    let message = ServerMessage::Refused {
                        code: Code::Cancelled,
                        why,
                        topic: Some(&topic),
                        id: &requester.id,
                    };
                    tell_later(connections, index, &message);
                }
                None
            }
            (Some(state), Err(error)) => {
                self.refuse(at, state, &topic, &requester, error, connections);
                None
            }
            (Some(state), Ok(subscribed)) => {
                cost += self.start(at, state, &topic, &requester, is_continued, &subscribed, connections);
                let from =
                    subscribed.missed.last().map_or(subscribed.from.offset, |publication| publication.offset);
                let seen = Position { offset: from, ..subscribed.from };
                subscribed.more.then_some(Recovery { topic, hash, requester, seen, lacks })
            }
        };
        match more {
            // The topic goes on to count as asked for.
            Some(recovery) => self.recoveries.queue.push_back(recovery),
            None => {
                self.table.settle(at);
                self.remove_if_unused(at);
            }
        }
        cost
    }

    /// Counts an answer to a client's subscription.
    fn note_answer(&mut self, client: ConnId, is_continued: bool) {
        if is_continued {
            self.recoveries.pending.remove(&client);
        } else {
            self.clients.pending.remove(client);
        }
    }

    /// Tells a client where it stands, and gives it what it has missed; at the end of that it becomes a subscriber. Returns what was pushed.
    #[expect(clippy::too_many_arguments, reason = "all of one client")]
    fn start(
        &mut self,
        at: TopicIndex,
        state: ClientState,
        topic: &Name,
        requester: &Requester,
        is_continued: bool,
        subscribed: &Subscribed,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let (index, mut cost) = (requester.conn.index(), 0);
        let counters = &self.inbox.counters;
        let has_gap = subscribed.recovered == Some(false);
        if !is_continued || has_gap {
            match subscribed.recovered {
                Some(true) => counters.recovered.add(1),
                Some(false) => counters.gaps.add(1),
                None => {}
            }
            let (from, recovered) = (subscribed.from, subscribed.recovered);
            tell_later(
                connections,
                index,
                &ServerMessage::Subscribed { topic, from, recovered, id: &requester.id },
            );
        }
        if !subscribed.missed.is_empty() {
            // All of it, or nothing: what is missed now would be missed for good.
            let mut batch = batch(at, self.shared.config.rules.of(topic)).with_policy(SlowPolicy::Close);
            subscribed
                .missed
                .iter()
                .for_each(|publication| batch.add(publication.encoded(state.dialect()).clone()));
            let pushed = connections.push(index, &mut batch, Flush::Later);
            cost = super::fan_out_pass::cost(&batch, pushed);
            counters.count(pushed);
            counters.replayed.add(u64::from(pushed.taken));
            self.recoveries.has_moved = true;
        }
        // It may have been lost.
        if !subscribed.more
            && let Some(mut state) = state_of(connections, requester.conn)
        {
            self.table.admit(at, index, &mut state, requester.subscribe_id);
            self.put_state(index, state, connections);
        }
        cost
    }

    /// Whether a client may be given so many bytes of messages: it has read what was sent to it, and its worker may keep them.
    fn has_room(&self, index: u32, needed: usize, connections: &Connections<'_, ClientState>) -> bool {
        let low = self.shared.config.sizes.replay_low.min(connections.outbox_limit() / 8);
        connections.backlog(index) < low.max(1) && needed <= connections.spare_backlog()
    }

    fn refuse(
        &mut self,
        at: TopicIndex,
        mut state: ClientState,
        topic: &Name,
        requester: &Requester,
        error: PublishError,
        connections: &mut Connections<'_, ClientState>,
    ) {
        let index = requester.conn.index();
        if let Some(subscription) = self.table.subscription(state, at) {
            self.table.leave(&mut state, subscription);
            self.put_state(index, state, connections);
        }
        if state.dialect().has_requests() {
            let (code, why) = (Code::of(error), &error.to_string());
            tell_later(
                connections,
                index,
                &ServerMessage::Refused { code, why, topic: Some(topic), id: &requester.id },
            );
        } else {
            let reason = match error {
                PublishError::TooManyTopics => "there are too many topics".into(),
                other => other.to_string(),
            };
            connections.close(index, CloseCode::TRY_AGAIN_LATER, &reason);
        }
    }

    fn put_state(&self, index: u32, state: ClientState, connections: &mut Connections<'_, ClientState>) {
        match connections.data_mut(index) {
            Some(place) => *place = state,
            None => bug::survived("a connection went while it was looked at"),
        }
    }

    /// Gives more to those that have room for it. Returns when to look again.
    pub(super) fn continue_recoveries(
        &mut self,
        connections: &mut Connections<'_, ClientState>,
    ) -> Option<Duration> {
        // No client is refused for what is asked here.
        let most_held = self.shared.config.sizes.held.div_ceil(2);
        for _ in 0..self.recoveries.queue.len().min(LOOKS_PER_TURN) {
            let Some(recovery) = self.recoveries.queue.pop_front() else { break };
            let index = recovery.requester.conn.index();
            let Some(at) = self.table.find(&recovery.topic, recovery.hash) else { continue };
            let state = state_of(connections, recovery.requester.conn);
            if !state.is_some_and(|state| self.table.is_pending(state, at, recovery.requester.subscribe_id)) {
                self.table.settle(at);
                self.remove_if_unused(at);
            } else if self.broker.unsent_requests() < most_held
                && self.has_room(index, recovery.lacks, connections)
                && self.recoveries.pending.insert(recovery.requester.conn)
            {
                let Recovery { topic, hash, requester, seen, .. } = recovery;
                let since = Some(seen);
                self.broker.subscribe(Subscribe { topic, hash, requester, since, is_continued: true });
            } else {
                self.recoveries.queue.push_back(recovery);
            }
        }
        self.recoveries.give_back();
        let look = if std::mem::take(&mut self.recoveries.has_moved) { Duration::ZERO } else { LOOK };
        (!self.recoveries.queue.is_empty()).then_some(look)
    }

    /// The broker has taken a client's message, or refused it.
    pub(super) fn tell_published(&self, note: &PublishReply, connections: &mut Connections<'_, ClientState>) {
        let index = note.conn.index();
        if connections.id(index) != Some(note.conn) {
            return;
        }
        match note.result {
            Ok(published) if note.id.is_some() => {
                let message = ServerMessage::Published { topic: &note.topic, published, id: &note.id };
                tell_later(connections, index, &message);
            }
            Ok(_) => {}
            Err(error) => {
                let (code, why) = (Code::of(error), &error.to_string());
                let message = ServerMessage::Refused { code, why, topic: Some(&note.topic), id: &note.id };
                tell_later(connections, index, &message);
            }
        }
    }
}

/// The state of a connection, if it is still open.
fn state_of(connections: &mut Connections<'_, ClientState>, conn: ConnId) -> Option<ClientState> {
    let is_there = connections.id(conn.index()) == Some(conn);
    connections.data_mut(conn.index()).filter(|_| is_there).copied()
}
