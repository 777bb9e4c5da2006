//! The fan-out: the delivery of publications to the subscribers of their topics on this worker, in slices.

use std::sync::Arc;

use super::client_state::{ClientState, ClientSubscriptions};
use super::topic::QueueEntry;
use super::topic_pass::{TopicPass, push_cost, topic_batch};
use super::worker_hub::WorkerHub;
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::hub::broker::Broker;
use crate::hub::indices::{SubscriberIndex, TopicIndex};
use crate::hub::publication::Publication;
use crate::worker::{ConnIndex, Connections, Flush, Pushed, SliceBudget};

impl<B: Broker> WorkerHub<B> {
    /// Handles a publication that the broker has delivered. Returns the cost of the messages pushed at once, in small messages.
    pub(super) fn handle_publication(
        &mut self,
        publication: Arc<Publication>,
        connections: &mut Connections<'_, ClientState>,
    ) -> usize {
        let Some(at) = self.table.find(&publication.topic, publication.hash) else { return 0 };
        let Some(topic) = self.table.get_mut(at).filter(|topic| topic.is_subscribed) else { return 0 };
        if topic.fan_out.is_some() {
            topic.fan_out_mut().queue.push_back(QueueEntry::Publication(publication));
            self.queue_entries += 1;
            self.schedule(at);
            return 0;
        }
        topic.offset = publication.offset;
        if let Some(only) = topic.only() {
            let rule = self.shared.config.rules.of(&publication.topic);
            let mut batch = topic_batch(at, rule);
            batch.add(publication.encoded(only.dialect()).clone());
            let flush =
                if has_several_subscriptions(connections, only.index()) { Flush::Later } else { Flush::Now };
            let pushed = connections.push(only.index(), &mut batch, flush);
            self.inbox.counters.count_push(pushed);
            return push_cost(&batch, pushed);
        }
        0
    }

    /// Adds a topic to the list of topics with work to do.
    pub(super) fn schedule(&mut self, at: TopicIndex) {
        if let Some(topic) = self.table.get_mut(at)
            && !std::mem::replace(&mut topic.is_scheduled, true)
        {
            self.scheduled.push_back(at);
        }
    }

    /// Serves the scheduled topics, in turn, until the budget is used up.
    pub(super) fn fan_out(
        &mut self,
        connections: &mut Connections<'_, ClientState>,
        budget: &mut SliceBudget,
    ) {
        while !budget.is_spent() {
            let Some(at) = self.scheduled.pop_front() else {
                return free_spare(&mut self.scheduled, LIST_KEEP);
            };
            if self.serve_topic(at, connections, budget) {
                self.scheduled.push_back(at);
            }
        }
    }

    /// Does the work of one topic. Returns `true` where there is more.
    fn serve_topic(
        &mut self,
        at: TopicIndex,
        connections: &mut Connections<'_, ClientState>,
        budget: &mut SliceBudget,
    ) -> bool {
        loop {
            if budget.is_spent() {
                return true;
            }
            let Some(topic) = self.table.get_mut(at) else { return false };
            let Some(fan_out) = &mut topic.fan_out else {
                topic.is_scheduled = false;
                return false;
            };
            if let Some(mut pass) = fan_out.pass.take() {
                let is_over = self.continue_pass(at, &mut pass, connections, budget);
                let Some(topic) = self.table.get_mut(at) else { return false };
                if is_over {
                    topic.fan_out_mut().end_pass(pass.messages);
                    self.queue_entries -= pass.messages;
                } else {
                    topic.fan_out_mut().pass = Some(pass);
                }
            } else if let Some(QueueEntry::Reply(_)) = fan_out.queue.front() {
                if let Some(QueueEntry::Reply(reply)) = fan_out.queue.pop_front() {
                    self.queue_entries -= 1;
                    budget.spend(self.finish_subscribe(at, *reply, connections));
                }
            } else if fan_out.queue.is_empty() {
                return self.compact(at, connections, budget);
            } else {
                let rule = self.shared.config.rules.of(&topic.name);
                if let Some(last) = fan_out.begin_pass(at, rule, &self.shared.config.sizes) {
                    topic.offset = last;
                }
            }
        }
    }

    /// Continues a pass. Returns `true` at its end.
    fn continue_pass(
        &mut self,
        at: TopicIndex,
        pass: &mut TopicPass,
        connections: &mut Connections<'_, ClientState>,
        budget: &mut SliceBudget,
    ) -> bool {
        let Some(fan_out) = self.table.get(at).and_then(|topic| topic.fan_out.as_ref()) else { return true };
        let has_others = !self.scheduled.is_empty();
        let TopicPass { batches, places, .. } = pass;
        let subscribers = fan_out.subscribers.between(places.rest());
        places.advance(subscribers, budget, |subscriber, budget| {
            if subscriber.is_vacant() {
                return budget.step();
            }
            let index = subscriber.index();
            let batch = &mut batches[usize::from(subscriber.dialect().number())];
            let flush = if has_others && has_several_subscriptions(connections, index) {
                Flush::Later
            } else {
                Flush::Now
            };
            let pushed = connections.push(index, batch, flush);
            self.inbox.counters.count_push(pushed);
            budget.spend(push_cost(batch, pushed));
        });
        places.is_at_end()
    }

    /// Frees memory of a topic without messages to send. Returns `true` where there is more to free.
    fn compact(
        &mut self,
        at: TopicIndex,
        connections: &mut Connections<'_, ClientState>,
        budget: &mut SliceBudget,
    ) -> bool {
        let Some(topic) = self.table.get_mut(at) else { return false };
        let (fan_out, sizes) = (topic.fan_out_mut(), self.shared.config.sizes);
        fan_out.shrink();
        if fan_out.subscribers.is_sparse(sizes.vacant_places) {
            let mut moves = Vec::new();
            let is_full = fan_out.subscribers.fill(sizes.fill_steps, |subscriber, place| {
                // A connection that was closed or lost in this turn frees the place in its record at the end of the turn, so the subscriber
                // must not move.
                let is_open = connections.id(subscriber.index()).is_some();
                moves.extend(is_open.then_some((subscriber, place)));
                is_open
            });
            for (subscriber, place) in moves {
                self.move_subscriber(at, subscriber.index(), place, connections);
            }
            budget.spend(sizes.fill_steps.div_ceil(16));
            if !is_full {
                return true;
            }
        }
        let Some(topic) = self.table.get_mut(at) else { return false };
        topic.is_scheduled = false;
        if let Some(only) = topic.collapse() {
            self.move_subscriber(at, only.index(), SubscriberIndex::new(0), connections);
        }
        false
    }

    fn move_subscriber(
        &mut self,
        at: TopicIndex,
        index: ConnIndex,
        place: SubscriberIndex,
        connections: &mut Connections<'_, ClientState>,
    ) {
        if let Some(state) = connections.data_mut(index) {
            self.table.move_subscriber(state, at, place);
        }
    }
}

/// Returns whether a connection has several subscriptions, so that messages of several topics may follow each other.
fn has_several_subscriptions(connections: &mut Connections<'_, ClientState>, index: ConnIndex) -> bool {
    connections
        .data_mut(index)
        .is_some_and(|state| matches!(state.subscriptions(), ClientSubscriptions::Set(_)))
}

impl crate::metrics::HubCounters {
    /// Counts the results of a push.
    pub(super) fn count_push(&self, pushed: Pushed) {
        self.delivered.add(u64::from(pushed.taken));
        if pushed.dropped + pushed.displaced + pushed.undelivered > 0 {
            self.dropped_newest.add(u64::from(pushed.dropped));
            self.displaced.add(u64::from(pushed.displaced));
            self.undelivered.add(u64::from(pushed.undelivered));
        }
    }
}
