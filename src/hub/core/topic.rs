//! A topic on a worker with subscribers of it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::subscriber_list::{Subscriber, SubscriberList};
use super::topic_pass::{TopicPass, topic_batch};
use crate::base::spare::free_spare;
use crate::budget::SMALL_LIST_KEEP;
use crate::hub::broker::messages::SubscribeReply;
use crate::hub::config::Sizes;
use crate::hub::dialect::Dialect;
use crate::hub::indices::{SubscriberIndex, TopicIndex};
use crate::hub::name::TopicName;
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::hub::rules::TopicRule;
use crate::worker::SliceCursor;

/// A topic with subscribers or pending subscribers on this worker: 48 bytes. The name is shared with the topic's owner. Most topics have
/// one subscriber and an empty queue, and need no [`FanOut`].
#[derive(Debug)]
pub(crate) struct LocalTopic {
    pub(crate) name: TopicName,
    /// The offset of the latest message whose pass has begun. New subscribers get the messages after it.
    pub(crate) offset: u64,
    /// The serial of the topic's epoch.
    serial: u32,
    /// The only subscriber, at place 0, of a topic without `fan_out`; vacant if there is none, or if `fan_out` is set.
    only: Subscriber,
    /// Subscriptions that the broker has not answered yet.
    pub(crate) pending_subscriptions: u32,
    /// The broker has confirmed the worker's subscription, so its publications go to the subscribers.
    pub(crate) is_subscribed: bool,
    /// The number of subscribers has changed, and the broker does not know the new number yet.
    pub(crate) is_count_changed: bool,
    /// The topic is in the list of scheduled topics.
    pub(crate) is_scheduled: bool,
    pub(crate) fan_out: Option<Box<FanOut>>,
}

/// The state of a topic with several subscribers, or with entries in its queue.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    pub(crate) subscribers: SubscriberList,
    /// Number of subscribers of each dialect, by the dialect's number.
    pub(crate) by_dialect: [u32; Dialect::COUNT],
    /// Deliveries of the broker, in order. An entry stays in the queue until the end of its pass.
    pub(crate) queue: VecDeque<QueueEntry>,
    /// The pass under way.
    pub(crate) pass: Option<TopicPass>,
}

/// An entry of a topic's queue.
#[derive(Debug)]
pub(crate) enum QueueEntry {
    Publication(Arc<Publication>),
    Reply(Box<SubscribeReply>),
}

const _: () = assert!(size_of::<LocalTopic>() == 48);

impl LocalTopic {
    /// Makes a topic without subscribers.
    pub(crate) const fn new(name: TopicName) -> Self {
        Self {
            name,
            offset: 0,
            serial: 0,
            only: Subscriber::VACANT,
            pending_subscriptions: 0,
            is_subscribed: false,
            is_count_changed: false,
            is_scheduled: false,
            fan_out: None,
        }
    }

    /// Returns the number of subscribers.
    pub(crate) fn len(&self) -> usize {
        match &self.fan_out {
            Some(fan_out) => fan_out.subscribers.len(),
            None => usize::from(!self.only.is_vacant()),
        }
    }

    /// Returns the only subscriber of a topic without a fan-out.
    pub(crate) fn only(&self) -> Option<Subscriber> {
        Some(self.only).filter(|only| !only.is_vacant())
    }

    /// Returns the position after which new subscribers get messages.
    pub(crate) const fn position(&self, run: u32) -> Position {
        Position { offset: self.offset, epoch: Epoch { run, serial: self.serial } }
    }

    /// Notes that the broker has confirmed the subscription. Publications after `latest` go to the subscribers.
    pub(crate) const fn confirm_subscription(&mut self, latest: Position) {
        if !self.is_subscribed {
            self.is_subscribed = true;
            self.offset = latest.offset;
            self.serial = latest.epoch.serial;
        }
    }

    /// Returns the fan-out, and makes it if there is none.
    pub(crate) fn fan_out_mut(&mut self) -> &mut FanOut {
        let only = &mut self.only;
        self.fan_out.get_or_insert_with(|| {
            let mut fan_out = Box::<FanOut>::default();
            let only = std::mem::replace(only, Subscriber::VACANT);
            if !only.is_vacant() {
                fan_out.add(only);
            }
            fan_out
        })
    }

    /// Adds a subscriber, and returns its place.
    pub(crate) fn add(&mut self, subscriber: Subscriber) -> SubscriberIndex {
        if self.fan_out.is_none() && self.only.is_vacant() {
            self.only = subscriber;
            return SubscriberIndex::new(0);
        }
        self.fan_out_mut().add(subscriber)
    }

    /// Removes the subscriber at a place.
    pub(crate) fn remove(&mut self, place: SubscriberIndex) {
        match &mut self.fan_out {
            Some(fan_out) => {
                if let Some(subscriber) = fan_out.subscribers.get(place) {
                    fan_out.by_dialect[usize::from(subscriber.dialect().number())] -= 1;
                }
                fan_out.subscribers.remove(place);
            }
            None => self.only = Subscriber::VACANT,
        }
    }

    /// Returns whether the topic can free memory: it has more than `least` vacant places, or a fan-out for at most one subscriber.
    pub(crate) fn can_shrink(&self, least: usize) -> bool {
        let fan_out = self.fan_out.as_ref();
        fan_out.is_some_and(|fan_out| fan_out.subscribers.is_sparse(least) || fan_out.subscribers.len() <= 1)
    }

    /// Removes the fan-out if it has at most one subscriber and no work. Returns the subscriber that now has place 0.
    pub(crate) fn collapse(&mut self) -> Option<Subscriber> {
        let fan_out = self.fan_out.as_ref()?;
        if fan_out.subscribers.len() > 1 || !fan_out.queue.is_empty() || fan_out.pass.is_some() {
            return None;
        }
        let only = (0..fan_out.subscribers.end())
            .find_map(|place| fan_out.subscribers.get(SubscriberIndex::new(place)));
        self.fan_out = None;
        self.only = only.unwrap_or(Subscriber::VACANT);
        only
    }
}

impl FanOut {
    /// Begins a pass with the publications at the front of the queue. Returns the offset of the last of them.
    pub(crate) fn begin_pass(&mut self, topic: TopicIndex, rule: &TopicRule, sizes: &Sizes) -> Option<u64> {
        let mut batches = Dialect::ALL.map(|_| topic_batch(topic, rule));
        let (mut messages, mut bytes, mut last) = (0, 0, None);
        for entry in &self.queue {
            let QueueEntry::Publication(publication) = entry else { break };
            if messages == sizes.pass_messages || bytes >= sizes.pass_bytes {
                break;
            }
            // Only dialects that a subscriber uses are encoded.
            for ((dialect, batch), &subscribers) in
                Dialect::ALL.into_iter().zip(&mut batches).zip(&self.by_dialect)
            {
                if subscribers > 0 {
                    batch.add(publication.encoded(dialect).clone());
                }
            }
            (messages, bytes, last) = (messages + 1, bytes + publication.bytes(), Some(publication.offset));
        }
        if messages > 0 {
            self.pass = Some(TopicPass {
                messages,
                #[cfg(any(test, feature = "simulation"))]
                totals: super::topic_pass::MessageTotals { messages, bytes },
                batches,
                places: SliceCursor::below(self.subscribers.end()),
            });
        }
        last
    }

    /// Ends a pass of `messages` messages and removes them from the queue.
    pub(crate) fn end_pass(&mut self, messages: usize) {
        self.queue.drain(..messages.min(self.queue.len()));
    }

    /// Frees the unused capacity of an empty queue.
    pub(crate) fn shrink(&mut self) {
        free_spare(&mut self.queue, SMALL_LIST_KEEP);
    }

    fn add(&mut self, subscriber: Subscriber) -> SubscriberIndex {
        self.by_dialect[usize::from(subscriber.dialect().number())] += 1;
        self.subscribers.add(subscriber)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::PreparedMessage;
    use crate::ws::Message;

    /// Without [`FanOut::shrink`], 50,000 topics that had once queued 512 messages each kept 400 MB.
    #[test]
    fn a_queue_frees_the_memory_of_a_burst() {
        let message = PreparedMessage::new(Message::Text("x"));
        let publication = Arc::new(Publication::new("t".into(), 0, 1, message, None));
        let mut fan_out = FanOut::default();
        for (batch, stays) in [(SMALL_LIST_KEEP, true), (512, false)] {
            (0..batch)
                .for_each(|_| fan_out.queue.push_back(QueueEntry::Publication(Arc::clone(&publication))));
            fan_out.shrink();
            assert_eq!(fan_out.queue.len(), batch, "queued messages stay");
            fan_out.end_pass(batch);
            fan_out.shrink();
            assert_eq!(fan_out.queue.capacity() > 0, stays, "{batch}");
        }
    }
}
