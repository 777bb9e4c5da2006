//! A worker's hub: topics, subscriptions and the fan-out of the messages that the broker delivers.
//!
//! - `worker_hub`: the hub and its turn. `requests`, `replies`, `cleanup`: requests of clients, replies to them, and the end of
//!   subscriptions.
//! - `topic`, `subscriber_list`, `subscription_table`, `subscription_set`, `client_state`: topics and subscriptions on this worker.
//! - `fan_out`, `topic_pass`, `broadcasts`: delivery of messages to clients. `recovery`, `recovery_queue`: delivery of missed messages.
//! - `bad_requests`, `pending_subscriptions`: counters for limits of clients. `url`: topics in URLs.
//! - `inspect`: the contents of a hub, for tests and the simulation.

pub(crate) mod broadcasts;
pub(crate) mod client_state;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod inspect;
pub(crate) mod url;
pub(crate) mod worker_hub;

mod bad_requests;
mod cleanup;
mod fan_out;
mod pending_subscriptions;
mod recovery;
mod recovery_queue;
mod replies;
mod requests;
mod subscriber_list;
mod subscription_set;
mod subscription_table;
mod topic;
mod topic_pass;

/// Bytes of a topic on a worker with subscribers. The name is not counted: the worker shares it with the topic's owner.
pub(crate) const LOCAL_TOPIC_SIZE: usize = size_of::<topic::LocalTopic>();
/// Bytes of a subscription: the state in the connection's record, and the entry in the topic's list of subscribers.
pub(crate) const SUBSCRIPTION_SIZE: usize =
    size_of::<client_state::ClientState>() + size_of::<subscriber_list::Subscriber>();
