//! The subscriptions of one worker's connections, by topic and by connection.

use super::client_state::{
    ClientState, ClientSubscriptions, MAX_SUBSCRIBE_ID, Subscription, SubscriptionStage,
};
use super::subscriber_list::Subscriber;
use super::subscription_set::SubscriptionSet;
use super::topic::LocalTopic;
use crate::base::bug;
use crate::base::pages::PagedSlab;
use crate::base::spare::free_spare;
use crate::budget::LIST_KEEP;
use crate::hub::indices::{SetIndex, SubscribeId, SubscriberIndex, TopicIndex};
use crate::hub::name::TopicName;
use crate::hub::position::Position;
use crate::hub::topic_lookup::TopicLookup;
use crate::worker::ConnIndex;

const TOPICS_PER_PAGE: usize = 256;
const SETS_PER_PAGE: usize = 64;

/// The subscriptions of one worker's connections, by topic and by connection.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionTable {
    topics: PagedSlab<LocalTopic, TOPICS_PER_PAGE>,
    lookup: TopicLookup,
    /// Sets of subscriptions of connections with several.
    sets: PagedSlab<SubscriptionSet, SETS_PER_PAGE>,
    /// Topics whose number of subscribers has changed.
    changed_counts: Vec<TopicIndex>,
    subscriptions: u64,
    next_subscribe_id: u32,
}

/// When a subscription begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionStart {
    /// At once. Messages after this position follow.
    Immediate(Position),
    /// When the broker has answered the request with this number.
    Pending(SubscribeId),
}

impl SubscriptionTable {
    pub(crate) const fn subscriptions(&self) -> u64 {
        self.subscriptions
    }

    pub(crate) fn topics(&self) -> usize {
        self.lookup.len()
    }

    /// Returns the fan-outs of all topics that have one.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn fan_outs(&self) -> impl Iterator<Item = &super::topic::FanOut> {
        (0..self.topics.end()).filter_map(|at| self.topics.get(at)?.fan_out.as_deref())
    }

    /// Returns the number of connections with several subscriptions.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) const fn sets(&self) -> usize {
        self.sets.len()
    }

    pub(crate) fn find(&self, name: &str, hash: u64) -> Option<TopicIndex> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &LocalTopic| *topic.name == *name);
        self.lookup.find(hash, is_it).map(TopicIndex::new)
    }

    pub(crate) fn get(&self, topic: TopicIndex) -> Option<&LocalTopic> {
        self.topics.get(topic.entry())
    }

    pub(crate) fn get_mut(&mut self, topic: TopicIndex) -> Option<&mut LocalTopic> {
        self.topics.get_mut(topic.entry())
    }

    /// Returns the subscription of a connection to a topic.
    pub(crate) fn subscription(&self, state: ClientState, topic: TopicIndex) -> Option<Subscription> {
        match state.subscriptions() {
            ClientSubscriptions::None => None,
            ClientSubscriptions::One(subscription) => {
                Some(subscription).filter(|subscription| subscription.topic == topic)
            }
            ClientSubscriptions::Set(set) => self.sets.get(set.entry())?.get(topic),
        }
    }

    /// Returns the number of subscriptions of a connection.
    pub(crate) fn count(&self, state: ClientState) -> usize {
        match state.subscriptions() {
            ClientSubscriptions::None => 0,
            ClientSubscriptions::One(_) => 1,
            ClientSubscriptions::Set(set) => self.sets.get(set.entry()).map_or(0, SubscriptionSet::len),
        }
    }

    /// Begins a subscription of the connection at `index`, which has none to this topic. The subscription begins at once if the worker
    /// receives the topic's messages already, unless `from_broker` requires an answer of the broker.
    pub(crate) fn subscribe(
        &mut self,
        name: TopicName,
        hash: u64,
        index: ConnIndex,
        state: &mut ClientState,
        from_broker: bool,
        run: u32,
    ) -> (SubscriptionStart, TopicName) {
        let at = self.find(&name, hash).unwrap_or_else(|| self.create(name, hash));
        let topic = self.topic_mut(at);
        let name = TopicName::clone(&topic.name);
        if topic.is_subscribed && !from_broker {
            let position = topic.position(run);
            self.add_subscriber(at, index, state);
            return (SubscriptionStart::Immediate(position), name);
        }
        topic.pending_subscriptions += 1;
        let subscribe_id = SubscribeId::new(self.next_subscribe_id);
        self.next_subscribe_id =
            if self.next_subscribe_id == MAX_SUBSCRIBE_ID { 0 } else { self.next_subscribe_id + 1 };
        self.add_subscription(
            state,
            Subscription { topic: at, stage: SubscriptionStage::Pending(subscribe_id) },
        );
        (SubscriptionStart::Pending(subscribe_id), name)
    }

    /// Adds the connection at `index` to the subscribers of a topic.
    fn add_subscriber(&mut self, at: TopicIndex, index: ConnIndex, state: &mut ClientState) {
        let place = self.topic_mut(at).add(Subscriber::new(index, state.dialect()));
        self.note_count_change(at);
        self.subscriptions += 1;
        self.add_subscription(state, Subscription { topic: at, stage: SubscriptionStage::Active(place) });
    }

    /// Turns the pending subscription `subscribe_id` of a connection into an active one. Returns `false` if the client has ended the
    /// subscription meanwhile.
    pub(crate) fn activate(
        &mut self,
        at: TopicIndex,
        index: ConnIndex,
        state: &mut ClientState,
        subscribe_id: SubscribeId,
    ) -> bool {
        let is_pending = self.is_pending(*state, at, subscribe_id);
        if is_pending {
            self.remove_subscription(state, at);
            self.add_subscriber(at, index, state);
        }
        is_pending
    }

    /// Returns whether the subscription of a connection to a topic is still pending as `subscribe_id`.
    pub(crate) fn is_pending(
        &self,
        state: ClientState,
        topic: TopicIndex,
        subscribe_id: SubscribeId,
    ) -> bool {
        self.subscription(state, topic)
            .is_some_and(|subscription| subscription.stage == SubscriptionStage::Pending(subscribe_id))
    }

    /// Subtracts a pending subscription of a topic: the broker has answered it, or its connection has closed. The caller calls
    /// [`remove_if_unused`](Self::remove_if_unused) next.
    pub(crate) fn remove_pending(&mut self, at: TopicIndex) {
        let topic = self.topic_mut(at);
        match topic.pending_subscriptions.checked_sub(1) {
            Some(pending) => topic.pending_subscriptions = pending,
            None => bug::survived("an answer to a subscription that is not pending"),
        }
    }

    /// Ends a subscription. The caller calls [`remove_if_unused`](Self::remove_if_unused) next.
    pub(crate) fn end_subscription(&mut self, state: &mut ClientState, subscription: Subscription) {
        self.remove_subscription(state, subscription.topic);
        self.free_place(subscription);
    }

    /// Ends all subscriptions of a closed connection, and calls `visit` with the topic of each. The caller calls
    /// [`remove_if_unused`](Self::remove_if_unused) next.
    pub(crate) fn end_subscriptions(&mut self, state: ClientState, mut visit: impl FnMut(TopicIndex)) {
        let mut end = |table: &mut Self, subscription: Subscription| {
            table.free_place(subscription);
            visit(subscription.topic);
        };
        match state.subscriptions() {
            ClientSubscriptions::None => {}
            ClientSubscriptions::One(subscription) => end(self, subscription),
            ClientSubscriptions::Set(set) => {
                let set = self.sets.remove(set.entry());
                set.iter().flat_map(SubscriptionSet::iter).for_each(|subscription| end(self, subscription));
            }
        }
    }

    /// Frees a subscriber's place.
    fn free_place(&mut self, subscription: Subscription) {
        if let SubscriptionStage::Active(place) = subscription.stage {
            self.topic_mut(subscription.topic).remove(place);
            self.subscriptions -= 1;
            self.note_count_change(subscription.topic);
        }
    }

    /// Removes a topic without subscribers and pending subscriptions. Returns its name, its hash and the length of its queue. The caller
    /// unsubscribes the worker from the topic.
    pub(crate) fn remove_if_unused(
        &mut self,
        at: TopicIndex,
        hash: impl FnOnce(&str) -> u64,
    ) -> Option<(TopicName, u64, usize)> {
        let topic = self.topics.get(at.entry())?;
        if topic.pending_subscriptions > 0 || topic.len() > 0 {
            return None;
        }
        let topic = self.topics.remove(at.entry())?;
        let hash = hash(&topic.name);
        self.lookup.remove(hash, at.get());
        let entries = topic.fan_out.map_or(0, |fan_out| fan_out.queue.len());
        Some((topic.name, hash, entries))
    }

    /// Takes the next topic whose number of subscribers has changed, with that number.
    pub(crate) fn take_changed_count(&mut self) -> Option<(TopicName, u32)> {
        while let Some(at) = self.changed_counts.pop() {
            // The index may belong to a new topic by now, whose number is then reported once more.
            if let Some(topic) = self.topics.get_mut(at.entry())
                && std::mem::replace(&mut topic.is_count_changed, false)
                // Otherwise the topic is about to be removed and unsubscribed.
                && (topic.len() > 0 || topic.pending_subscriptions > 0)
            {
                let count = u32::try_from(topic.len()).unwrap_or(u32::MAX);
                return Some((TopicName::clone(&topic.name), count));
            }
        }
        free_spare(&mut self.changed_counts, LIST_KEEP);
        None
    }

    /// Moves a subscriber to another place of its topic.
    pub(crate) fn move_subscriber(
        &mut self,
        state: &mut ClientState,
        topic: TopicIndex,
        place: SubscriberIndex,
    ) {
        let moved = Subscription { topic, stage: SubscriptionStage::Active(place) };
        match state.subscriptions() {
            ClientSubscriptions::One(subscription) if subscription.topic == topic => {
                state.set(ClientSubscriptions::One(moved))
            }
            ClientSubscriptions::Set(set) => {
                self.sets.get_mut(set.entry()).into_iter().for_each(|set| set.put(moved))
            }
            ClientSubscriptions::One(_) | ClientSubscriptions::None => {
                bug::survived("a subscriber has no subscription")
            }
        }
    }

    fn topic_mut(&mut self, at: TopicIndex) -> &mut LocalTopic {
        self.topics.get_mut(at.entry()).expect("a topic with subscribers or pending subscriptions exists")
    }

    fn create(&mut self, name: TopicName, hash: u64) -> TopicIndex {
        // A worker has no more topics than its connections have subscriptions, which memory limits to fewer than 2^28.
        let at = TopicIndex::of(self.topics.insert(LocalTopic::new(name)));
        self.lookup.insert(hash, at.get());
        at
    }

    fn note_count_change(&mut self, at: TopicIndex) {
        if !std::mem::replace(&mut self.topic_mut(at).is_count_changed, true) {
            self.changed_counts.push(at);
        }
    }

    fn add_subscription(&mut self, state: &mut ClientState, subscription: Subscription) {
        match state.subscriptions() {
            ClientSubscriptions::None => state.set(ClientSubscriptions::One(subscription)),
            ClientSubscriptions::One(first) => {
                let set = self.sets.insert(SubscriptionSet::new(first, subscription));
                state.set(ClientSubscriptions::Set(SetIndex::of(set)));
            }
            ClientSubscriptions::Set(set) => {
                self.sets.get_mut(set.entry()).into_iter().for_each(|set| set.put(subscription))
            }
        }
    }

    fn remove_subscription(&mut self, state: &mut ClientState, topic: TopicIndex) {
        match state.subscriptions() {
            ClientSubscriptions::None => {}
            ClientSubscriptions::One(subscription) => {
                debug_assert_eq!(subscription.topic, topic);
                state.set(ClientSubscriptions::None);
            }
            ClientSubscriptions::Set(set_index) => {
                let Some(set) = self.sets.get_mut(set_index.entry()) else { return };
                set.remove(topic);
                if let Some(only) = set.only() {
                    self.sets.remove(set_index.entry());
                    state.set(ClientSubscriptions::One(only));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::hub::dialect::Dialect;

    #[test]
    fn the_cost_of_a_request_does_not_grow_with_the_number_of_subscriptions() {
        const TOPICS: u32 = 100_000;
        let (mut table, mut state) = (SubscriptionTable::default(), ClientState::new(Dialect::ThrongV1));
        let (started, [index, run]) = (Instant::now(), [7, 1]);
        for number in 0..TOPICS {
            let (start, _) = table.subscribe(
                number.to_string().into(),
                number.into(),
                ConnIndex::new(index),
                &mut state,
                true,
                run,
            );
            let SubscriptionStart::Pending(subscribe_id) = start else { panic!("{start:?}") };
            assert!(table.activate(TopicIndex::new(number), ConnIndex::new(index), &mut state, subscribe_id));
            table.remove_pending(TopicIndex::new(number));
        }
        assert_eq!((table.count(state), table.subscriptions()), (TOPICS as usize, TOPICS.into()));
        for topic in (0..TOPICS).step_by(2).map(TopicIndex::new) {
            let subscription = table.subscription(state, topic).unwrap();
            table.end_subscription(&mut state, subscription);
            assert!(table.remove_if_unused(topic, |_| topic.get().into()).is_some());
        }
        let mut left = 0;
        table.end_subscriptions(state, |topic| left += topic.get() % 2);
        assert_eq!((left, table.subscriptions()), (TOPICS / 2, 0));
        // It takes a tenth of this time without optimization. A linear search of the set for each topic takes minutes.
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
