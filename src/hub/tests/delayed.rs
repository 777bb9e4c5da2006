//! A broker that answers some turns after a request, and may refuse requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::answer_sender::AnswerSender;
use crate::hub::broker::messages::{Delivery, Publish, Subscribe, SubscribeReply, Subscribed};
use crate::hub::broker::{Broker, Congestion};
use crate::hub::name::TopicName;
use crate::hub::outcome::{PublishError, Published, TopicInfo};
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::worker::{PreparedMessage, Turn};

/// The run number of this broker's epochs.
pub(super) const RUN: u32 = 77;
/// Most missed messages in one answer.
const PART: usize = 2;

/// The machine that all ends send their requests to.
#[derive(Default)]
pub(super) struct Remote {
    /// Turns of an end from a call to its execution.
    pub(super) delay: usize,
    /// The machine refuses all requests that it gets.
    pub(super) is_down: bool,
    /// The ends cannot reach the machine, and refuse to publish clients' messages at once.
    pub(super) is_unreachable: bool,
    pub(super) topics: BTreeMap<String, RemoteTopic>,
    inboxes: Vec<VecDeque<Delivery>>,
}

#[derive(Default)]
pub(super) struct RemoteTopic {
    pub(super) messages: Vec<PreparedMessage>,
    /// Workers that have subscribed.
    pub(super) workers: BTreeSet<usize>,
    pub(super) subscribers: BTreeMap<usize, u32>,
}

/// A request that an end executes after the delay.
enum Call {
    Publish(Publish),
    Subscribe(Subscribe),
    SetSubscribers(TopicName, u32),
    Unsubscribe(TopicName),
    Describe(String, AnswerSender<Option<TopicInfo>>),
}

/// A worker's end of the broker.
pub(super) struct Delayed {
    worker: usize,
    remote: Rc<RefCell<Remote>>,
    turn: usize,
    calls: VecDeque<(usize, Call)>,
}

impl Remote {
    pub(super) fn new(workers: usize, delay: usize) -> Rc<RefCell<Self>> {
        let inboxes = (0..workers).map(|_| VecDeque::new()).collect();
        Rc::new(RefCell::new(Self { delay, inboxes, ..Self::default() }))
    }

    fn publish(&mut self, publish: Publish) {
        let Publish { topic, hash, message, reservation, reply_to } = publish;
        let result = if self.is_down { Err(PublishError::Unavailable) } else { Ok(()) };
        let result = result.map(|()| {
            let remote = self.topics.entry(topic.to_string()).or_default();
            remote.messages.push(message.clone());
            let (offset, epoch) = (remote.messages.len() as u64, Epoch { run: RUN, serial: 1 });
            let publication = Arc::new(Publication::new(
                TopicName::clone(&topic),
                hash,
                offset,
                message,
                Some(reservation),
            ));
            let deliver = |&worker: &usize| {
                self.inboxes[worker].push_back(Delivery::Publication(Arc::clone(&publication)));
            };
            remote.workers.iter().for_each(deliver);
            let subscribers = remote.subscribers.values().map(|&count| u64::from(count)).sum();
            Published { offset, epoch, subscribers }
        });
        if let Some(reply) = reply_to.answer(topic, result) {
            self.inboxes[reply.conn.worker()].push_back(Delivery::Published(Box::new(reply)));
        }
    }

    fn describe(&self, topic: String) -> Option<TopicInfo> {
        let remote = self.topics.get(&topic)?;
        Some(TopicInfo {
            topic,
            subscribers: remote.subscribers.values().map(|&count| u64::from(count)).sum(),
            offset: remote.messages.len() as u64,
            epoch: Epoch { run: RUN, serial: 1 },
            history_messages: remote.messages.len(),
            history_bytes: 0,
        })
    }

    fn subscribe(&mut self, worker: usize, subscribe: Subscribe) {
        let Subscribe { topic, hash, requester, since, is_continuation } = subscribe;
        let result = if self.is_down { Err(PublishError::Unavailable) } else { Ok(()) };
        let result = result.map(|()| {
            let remote = self.topics.entry(topic.to_string()).or_default();
            remote.workers.insert(worker);
            let (latest, epoch) = (remote.messages.len() as u64, Epoch { run: RUN, serial: 1 });
            let from = Position { offset: since.map_or(latest, |since| since.offset), epoch };
            let publication = |(offset, message): (u64, &PreparedMessage)| {
                Arc::new(Publication::new(TopicName::clone(&topic), hash, offset, message.clone(), None))
            };
            let missed = (1..).zip(&remote.messages).filter(|&(offset, _)| offset > from.offset);
            let missed: Vec<Arc<Publication>> = missed.map(publication).take(PART).collect();
            let has_more = from.offset + (missed.len() as u64) < latest;
            Subscribed { from, recovered: since.map(|_| true), missed, has_more, latest }
        });
        let reply = SubscribeReply { topic, hash, requester, is_continuation, result };
        self.inboxes[worker].push_back(Delivery::Subscribed(Box::new(reply)));
    }
}

impl Delayed {
    pub(super) fn new(worker: usize, remote: &Rc<RefCell<Remote>>) -> Self {
        Self { worker, remote: Rc::clone(remote), turn: 0, calls: VecDeque::new() }
    }

    fn call(&mut self, call: Call) {
        let due = self.turn + self.remote.borrow().delay;
        self.calls.push_back((due, call));
    }
}

impl Broker for Delayed {
    fn run(&self) -> u32 {
        RUN
    }

    fn try_publish(&mut self, publish: Publish) -> Result<(), PublishError> {
        if self.remote.borrow().is_unreachable {
            return Err(PublishError::Unavailable);
        }
        self.call(Call::Publish(publish));
        Ok(())
    }

    fn publish(&mut self, publish: Publish, _: Duration) {
        self.call(Call::Publish(publish));
    }

    fn subscribe(&mut self, subscribe: Subscribe) {
        self.call(Call::Subscribe(subscribe));
    }

    fn set_subscribers(&mut self, topic: TopicName, _: u64, count: u32) {
        self.call(Call::SetSubscribers(topic, count));
    }

    fn unsubscribe(&mut self, topic: TopicName, _: u64) {
        self.call(Call::Unsubscribe(topic));
    }

    fn topic(&self, _: &str) -> Option<TopicInfo> {
        None
    }

    fn describe(&mut self, name: &str, reply: AnswerSender<Option<TopicInfo>>) {
        self.call(Call::Describe(name.into(), reply));
    }

    fn list(&mut self, _: Box<str>, _: usize, reply: AnswerSender<Vec<TopicInfo>>) {
        reply.send(Vec::new());
    }

    fn unsent_requests(&self) -> usize {
        self.calls.len()
    }

    fn congestion(&self) -> Congestion {
        Congestion::Clear
    }

    fn begin_turn(&mut self, _: usize) {
        self.turn += 1;
        let mut remote = self.remote.borrow_mut();
        while self.calls.front().is_some_and(|&(due, _)| due <= self.turn) {
            let Some((_, call)) = self.calls.pop_front() else { break };
            match call {
                Call::Publish(publish) => remote.publish(publish),
                Call::Subscribe(subscribe) => remote.subscribe(self.worker, subscribe),
                Call::SetSubscribers(topic, count) => {
                    let remote = remote.topics.entry(topic.to_string()).or_default();
                    remote.subscribers.insert(self.worker, count);
                }
                Call::Describe(topic, reply) => reply.send(remote.describe(topic)),
                Call::Unsubscribe(topic) => {
                    let remote = remote.topics.entry(topic.to_string()).or_default();
                    remote.workers.remove(&self.worker);
                    remote.subscribers.remove(&self.worker);
                }
            }
        }
    }

    fn serve(&mut self, _: Duration) -> bool {
        false
    }

    fn flush(&mut self) {}

    fn next_delivery(&mut self) -> Option<Delivery> {
        self.remote.borrow_mut().inboxes[self.worker].pop_front()
    }

    fn end_turn(&mut self, _: Duration) -> Turn {
        if self.calls.is_empty() { Turn::Idle } else { Turn::Again }
    }
}
