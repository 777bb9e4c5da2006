//! Topics, their subscribers, and those who publish to them. What clients see of it is in docs/HUB.md.
//!
//! Every worker runs a [`HubHandler`]. A topic has one home, the worker that the hash of its name says, which assigns offsets and keeps the
//! history; other workers with subscribers get its messages from there, in order, and pass them on in slices. The hubs share
//! nothing but bounded queues.
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
//! - `hub`: the handler and its turn; `requests`, `telling`, `fan_out`, `replay`, `replays`, `announcing`, `leaving`: what it does for clients.
//! - `roster`, `topic`, `members`, `seat`, `set`, `round`: who subscribes here, and what is on its way to them.
//! - `home`, `home_topic`, `history`, `home_sweep`, `sweep`, `founders`: the topics that are at home here. `index`, `home_listing`, `listing`: how topics are found. `indices`: their numbers.
//! - `faults`, `asking`: who says what is no request, and who waits for homes.
//! - `exchange`, `mail`, `posts`: what passes between workers; `freight`: how much of it.
//! - `journal`, `inspect`: what homes decide and hubs hold, for the simulation. `memory`: how many bytes a hub takes.
//! - `dialect`: what clients speak. `message`, `position`: what is published, and where. `outcome`: what comes of it.
//! - `publisher`, `burst`: what other threads see. `question`, `reply`, `responder`: the seam for questions; `questions`: those there are. `url`, `name`: what clients name. `rules`, `config`: what the operator says.
#![forbid(unsafe_code)]

mod announcing;
mod asking;
mod burst;
mod config;
mod dialect;
mod exchange;
mod fan_out;
mod faults;
mod founders;
pub(crate) mod freight;
mod history;
mod home;
mod home_listing;
mod home_sweep;
mod home_topic;
#[expect(clippy::module_inception, reason = "the hub of the hub's room")]
mod hub;
mod index;
mod indices;
#[cfg(feature = "simulation")]
pub(crate) mod inspect;
#[cfg(feature = "simulation")]
pub(crate) mod journal;
mod leaving;
mod listing;
mod mail;
mod members;
mod memory;
mod message;
mod name;
mod outcome;
mod position;
mod posts;
mod publisher;
mod question;
pub mod questions;
mod replay;
mod replays;
mod reply;
mod requests;
mod responder;
mod roster;
mod round;
mod rules;
mod seat;
mod set;
mod sweep;
mod telling;
mod topic;
mod url;

use std::sync::Arc;

pub use burst::Burst;
pub use config::HubConfig;
#[doc(hidden)]
pub use config::Sizes;
pub use hub::HubHandler;
pub use name::{MAX_TOPIC, NameError, check_name};
pub use outcome::{PublishError, Published, SlowClient, TopicInfo};
pub use position::{Epoch, NoEpoch, Position};
pub use publisher::Publisher;
pub use question::{Question, Recipients};
pub use reply::Reply;
pub use responder::Responder;
pub use rules::{Access, DuplicatePrefix, HistoryRule, Rule, Rules, TopicRule};
pub use seat::Seat;
pub use url::{NoTopicsPath, TopicsPath};

pub use crate::metrics::HubStats;

use crate::worker::Context;
use exchange::Exchange;
use question::QuestionQueues;

/// The hubs of one server's workers.
#[derive(Debug, Clone)]
pub struct Hub {
    exchange: Arc<Exchange>,
    questions: Arc<QuestionQueues>,
}

impl Hub {
    /// A hub for one server.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self { exchange: Arc::new(Exchange::new(config)), questions: Arc::default() }
    }

    /// What makes the workers' handlers: for [`Builder::start`](crate::Builder::start), and one server only.
    ///
    /// # Panics
    /// What it returns panics when a second server is started with it.
    pub fn handler(&self) -> impl Fn(&Context<'_>) -> HubHandler + Send + Sync + 'static {
        let Self { exchange, questions } = self.clone();
        move |context| {
            let ends = exchange.take_ends(context.worker(), context.handle(), context.max_message());
            let ends = ends.expect("a hub is for one server");
            let (workers, room) = (context.handle().workers(), exchange.config.sizes.queue);
            let asked = questions.take(context.worker(), workers, room).expect("a hub is for one server");
            HubHandler::new(Arc::clone(&exchange), ends, asked, context)
        }
    }

    /// What is under way.
    #[cfg(feature = "simulation")]
    pub(crate) fn glimpse(&self) -> freight::Glimpse {
        self.exchange.ledger.glimpse()
    }

    /// Publishes to this hub's topics.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.exchange), Arc::clone(&self.questions))
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
        self.exchange.counters().for_each(|counters| total.merge(&counters.snapshot()));
        (total.queued_messages, total.queued_bytes) = self.exchange.ledger.under_way();
        total.refused_busy = self.exchange.ledger.refused();
        total
    }
}
