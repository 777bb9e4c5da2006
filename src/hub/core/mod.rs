//! What a worker's hub does for its clients: topics, subscriptions and the fan-out of what the broker delivers.
//!
//! - `worker_hub`: the hub and its turn. `requests`, `replies`, `leaving`: what clients ask, what they are told, and how they go.
//! - `topic`, `subscribers`, `subscriptions`, `subscription_set`, `client_state`: who subscribes here.
//! - `fan_out`, `fan_out_pass`, `broadcasting`: what is on its way to subscribers. `recovery`, `recoveries`: what they have missed.
//! - `bad_requests`, `pending`: what is counted against clients. `url`: what their URLs name.
//! - `inspect`: what a hub holds, for tests and the simulation.

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

/// Bytes of a topic on a worker with subscribers, which shares the name with its owner.
pub(crate) const LOCAL_TOPIC_SIZE: usize = size_of::<topic::Topic>();
/// Bytes of a subscription: in the connection's record, and in the topic's list.
pub(crate) const SUBSCRIPTION_SIZE: usize =
    size_of::<client_state::ClientState>() + size_of::<subscribers::Subscriber>();
