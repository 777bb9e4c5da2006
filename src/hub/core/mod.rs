//! A worker's hub: topics, subscriptions and the fan-out of the messages that the broker delivers.
//!
//! - `worker_hub`: the hub and its turn. `requests`, `replies`, `leaving`: requests of clients, replies to them, and the end of
//!   subscriptions.
//! - `topic`, `subscribers`, `subscriptions`, `subscription_set`, `client_state`: topics and subscriptions on this worker.
//! - `fan_out`, `fan_out_pass`, `broadcasting`: delivery of messages to clients. `recovery`, `recoveries`: delivery of missed messages.
//! - `bad_requests`, `pending`: counters for limits of clients. `url`: topics in URLs.
//! - `inspect`: the contents of a hub, for tests and the simulation.

pub(crate) mod broadcasting;
pub(crate) mod client_state;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod inspect;
pub(crate) mod url;
pub(crate) mod worker_hub;

mod bad_requests;
mod fan_out;
mod fan_out_pass;
mod leaving;
mod pending;
mod recoveries;
mod recovery;
mod replies;
mod requests;
mod subscribers;
mod subscription_set;
mod subscriptions;
mod topic;

/// Bytes of a topic on a worker with subscribers. The name is not counted: the worker shares it with the topic's owner.
pub(crate) const LOCAL_TOPIC_SIZE: usize = size_of::<topic::Topic>();
/// Bytes of a subscription: the state in the connection's record, and the entry in the topic's list of subscribers.
pub(crate) const SUBSCRIPTION_SIZE: usize =
    size_of::<client_state::ClientState>() + size_of::<subscribers::Subscriber>();
