//! Topics: clients subscribe to them, clients and the operator publish to them. What clients see of it is in docs/HUB.md.
//!
//! Every worker runs a [`HubHandler`]. A topic has one owner, the worker that the hash of its name says, which assigns offsets and keeps the
//! history. Other workers with subscribers get its messages from there, in order, and pass them on in slices. The hubs share
//! nothing but bounded queues and counts.
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
//!
//! - `core`: topics, subscriptions and fan-out on one worker. `broker`: where offsets and history come from. `dialect`: what clients speak.
//! - `handler`: the public handler. `publisher`, `publish_batch`: what other threads do. `shared`: what all workers share.
//! - `question`, `answer_sender`, `hub_view`: the seam for questions of other threads. `questions`: those there are.
//! - `publication`, `name`, `position`, `outcome`, `request_id`: what is published, where, and what comes of it. `in_flight`: how much is
//!   under way. `index`, `indices`, `hash`: how topics are found.
//! - `config`, `rules`: what the operator says. `memory`: how many bytes a hub takes. `journal`: what owners decide, for the simulation.
#![forbid(unsafe_code)]

mod answer_sender;
pub(crate) mod broker;
mod config;
mod core;
mod dialect;
mod handler;
mod hash;
mod hub_view;
pub(crate) mod in_flight;
mod index;
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

use std::sync::Arc;

pub use answer_sender::AnswerSender;
pub use config::HubConfig;
#[doc(hidden)]
pub use config::Sizes;
pub use core::client_state::ClientState;
pub use core::url::{NoTopicsPath, TopicsPath};
pub use handler::HubHandler;
pub use hub_view::HubView;
pub use name::{MAX_TOPIC, NameError, check_name};
pub use outcome::{PublishError, Published, SlowClient, TopicInfo};
pub use position::{Epoch, NoEpoch, Position};
pub use publish_batch::PublishBatch;
pub use publisher::Publisher;
pub use question::{Question, Recipients};
pub use rules::{Access, DuplicatePrefix, HistoryRule, Rule, Rules, TopicRule};

#[cfg(feature = "simulation")]
pub(crate) use core::inspect;

pub use crate::metrics::HubStats;

use crate::worker::Context;
use broker::local::LocalBroker;
use broker::shared::LocalShared;
use core::worker_hub::WorkerHub;
use question::QuestionQueues;
use shared::HubShared;

/// The hubs of one server's workers.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<HubShared>,
    broker: Arc<LocalShared>,
    questions: Arc<QuestionQueues>,
}

impl Hub {
    /// A hub for one server.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        let shared = HubShared::new(config);
        let broker = LocalShared::new(Arc::clone(&shared.config), shared.names);
        Self { shared: Arc::new(shared), broker: Arc::new(broker), questions: Arc::default() }
    }

    /// What makes the workers' handlers: for [`Builder::start`](crate::Builder::start), and one server only.
    ///
    /// # Panics
    /// What it returns panics when a second server is started with it.
    pub fn handler(&self) -> impl Fn(&Context<'_>) -> HubHandler + Send + Sync + 'static {
        let Self { shared, broker, questions } = self.clone();
        move |context| {
            let (worker, handle) = (context.worker(), context.handle());
            let inbox = shared.take_inbox(worker, handle, context.max_message());
            let inbox = inbox.expect("a hub is for one server");
            let broker = LocalBroker::new(&broker, worker, handle, Arc::clone(&inbox.counters));
            let broker = broker.expect("a hub is for one server");
            let questions = questions.take(worker, handle.workers(), shared.config.sizes.queue);
            let questions = questions.expect("a hub is for one server");
            HubHandler::new(WorkerHub::new(Arc::clone(&shared), inbox, questions, broker))
        }
    }

    /// What is under way.
    #[cfg(feature = "simulation")]
    pub(crate) fn in_flight(&self) -> in_flight::InFlightTotals {
        self.shared.in_flight.in_flight()
    }

    /// Publishes to this hub's topics.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.shared), Arc::clone(&self.questions))
    }

    /// Bytes of memory that topics, subscriptions and histories take, about.
    #[must_use]
    pub fn memory(&self) -> u64 {
        memory::memory(&self.stats())
    }

    /// What all workers have counted, and what is under way between them.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        let mut total = HubStats::default();
        self.shared.counters().for_each(|counters| total.merge(&counters.snapshot()));
        (total.queued_messages, total.queued_bytes) = self.shared.in_flight.under_way();
        total.refused_busy = self.shared.in_flight.refused();
        total
    }
}
