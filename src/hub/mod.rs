//! Publish/subscribe by topic: clients subscribe to topics, and clients and the operator publish to them.
//!
//! # Clients
//!
//! A client names the topics in the URL of its WebSocket: `/topics/NAME` (see [`HubConfig::topics_path`]) or `/?topic=A&topic=B`, each name
//! percent-decoded, and a comma is part of a name. It gets the messages as they were published, and is closed with 1008 if it sends one
//! that is not empty: such a client is called *raw*. Other parameters of the query are ignored. A request without a topic or with an
//! invalid name gets 400, one for a topic to which clients may not subscribe 403, and one for another path 404.
//!
//! A client that offers the subprotocol `throng.v1` in `Sec-WebSocket-Protocol` exchanges objects of JSON with the hub instead, each in a
//! text message. Such a client may connect with any path, subscribe and unsubscribe later, publish where the rules allow it, and ask for
//! missed messages. Other subprotocols are ignored. `docs/HUB.md` in the sources of this crate specifies all that clients see.
//!
//! # Rules
//!
//! By default, every client may subscribe to every topic, no client may publish over its connection ([`Access::Nobody`]), and no messages
//! are kept: only a [`Publisher`] and the admin port of the program publish. [`Rules`] change this by the prefix of a topic's name.
//!
//! Every worker runs a [`HubHandler`]. Each topic has one owner: the worker that the hash of the topic's name selects. The owner assigns
//! offsets and keeps the history. The owner sends each message, in order, to all workers with subscribers, and each of these workers
//! delivers the message to its own subscribers in slices. The workers' hubs share nothing but bounded queues and counters.
//!
//! ```no_run
//! use throng::hub::{Hub, HubConfig};
//! use throng::{Message, Server};
//!
//! let hub = Hub::new(HubConfig::default());
//! let server = Server::builder().listen("127.0.0.1:9001".parse()?).start(hub.handler())?;
//! hub.publisher().publish("news", Message::Text("hello"))?;
//! server.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

// The modules:
// - `core`: topics, subscriptions and fan-out on one worker. `broker`: the source of offsets and histories. `dialect`: message formats of
//   clients.
// - `handler`: the public handler. `publisher`, `publish_batch`: publishing from other threads. `shared`: the state that all workers
//   share. `worker_queues`: a sending end for each worker, and the receiving end that the worker takes.
// - `question`, `answer_sender`, `hub_view`: the interface for questions of other threads. `questions`: the built-in questions.
// - `publication`, `name`, `position`, `outcome`, `request_id`: published messages, topic names, positions, results and request ids.
//   `in_flight`: limits of messages under way. `topic_lookup`, `indices`, `hash`: lookup of topics.
// - `config`, `rules`: the operator's settings. `memory`: an estimate of a hub's memory. `journal`: the owners' decisions, for the
//   simulation.

mod answer_sender;
pub(crate) mod broker;
mod config;
mod core;
mod dialect;
mod handler;
mod hash;
mod hub_view;
pub(crate) mod in_flight;
mod indices;
#[cfg(feature = "simulation")]
pub(crate) mod journal;
mod memory;
mod name;
mod outcome;
mod position;
mod publication;
mod publish_batch;
mod publisher;
mod question;
pub mod questions;
mod request_id;
mod rules;
mod shared;
#[cfg(test)]
mod tests;
mod topic_lookup;
mod worker_queues;

use std::sync::Arc;

pub use answer_sender::AnswerSender;
pub use config::HubConfig;
#[doc(hidden)]
pub use config::Sizes;
pub use core::client_state::ClientState;
pub use core::url::{ParseTopicsPathError, TopicsPath};
pub use handler::HubHandler;
pub use hub_view::HubView;
pub use name::{MAX_TOPIC_NAME, TopicNameError, check_topic_name};
pub use outcome::{PublishError, Published, SlowClient, TopicInfo};
pub use position::{Epoch, ParseEpochError, Position};
pub use publish_batch::PublishBatch;
pub use publisher::Publisher;
pub use question::{Question, Recipients};
pub use rules::{Access, DuplicatePrefixError, HistoryRule, Rule, Rules, TopicRule};

#[cfg(feature = "simulation")]
pub(crate) use core::inspect;

pub use crate::metrics::HubStats;

use crate::worker::Context;
use broker::local::LocalBroker;
use broker::shared::LocalBrokerShared;
use core::worker_hub::WorkerHub;
use question::QuestionQueues;
use shared::HubShared;

/// A hub for one server. It consists of one part on each worker.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<HubShared>,
    broker: Arc<LocalBrokerShared>,
    questions: Arc<QuestionQueues>,
}

impl Hub {
    /// Makes a hub for one server.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        let shared = HubShared::new(config);
        let broker = LocalBrokerShared::new(Arc::clone(&shared.config), shared.hasher);
        Self {
            shared: Arc::new(shared),
            broker: Arc::new(broker),
            questions: Arc::new(QuestionQueues::new()),
        }
    }

    /// Returns the function that makes each worker's handler, for [`Builder::start`](crate::Builder::start). It works for one server only.
    ///
    /// # Panics
    /// The returned function panics when a second server starts with it.
    pub fn handler(&self) -> impl Fn(&Context<'_>) -> HubHandler + Send + Sync + 'static {
        let Self { shared, broker, questions } = self.clone();
        move |context| {
            let (worker, handle) = (context.worker(), context.handle());
            let inbox = shared.take_inbox(worker, handle, context.max_message());
            let inbox = inbox.expect("a hub is for one server");
            let broker = LocalBroker::new(&broker, worker, handle, Arc::clone(&inbox.counters));
            let broker = broker.expect("a hub is for one server");
            let questions = questions.take(worker, handle, shared.config.sizes.queue);
            let questions = questions.expect("a hub is for one server");
            HubHandler::new(WorkerHub::new(Arc::clone(&shared), inbox, questions, broker))
        }
    }

    /// Returns the messages and bytes under way.
    #[cfg(feature = "simulation")]
    pub(crate) fn in_flight(&self) -> in_flight::InFlightTotals {
        self.shared.in_flight.operator_totals()
    }

    /// Returns a publisher for this hub's topics.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.shared), Arc::clone(&self.questions))
    }

    /// Returns roughly how many bytes of memory topics, subscriptions and histories take.
    #[must_use]
    pub fn memory(&self) -> u64 {
        memory::memory(&self.stats())
    }

    /// Returns the sum of all workers' counters, with the numbers that are kept once for the whole hub: messages under way, and refusals.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        let mut total = HubStats::default();
        self.shared.counters().for_each(|counters| total.merge(&counters.snapshot()));
        (total.queued_messages, total.queued_bytes) = self.shared.in_flight.totals();
        total.refused_busy = self.shared.in_flight.refused();
        total.questions_refused = self.questions.refused();
        total
    }
}
