//! The part of a worker's hub that a question can read.

use super::broker::Broker;
use super::core::broadcasts::Broadcasts;
use super::core::client_state::ClientState;
use super::outcome::TopicInfo;
use crate::worker::Connections;

/// One worker's part of the hub, as a [`Question`](super::Question) sees it.
pub struct HubView<'a, 'worker> {
    pub(super) connections: &'a Connections<'worker, ClientState>,
    pub(super) open_connections: u64,
    pub(super) broker: &'a mut dyn Broker,
    pub(super) broadcasts: &'a mut Broadcasts,
}

impl HubView<'_, '_> {
    /// Returns the number of open connections on this worker.
    #[must_use]
    pub const fn open_connections(&self) -> u64 {
        self.open_connections
    }

    /// Returns the state of a topic that this worker owns; `None` if the topic does not exist or another worker owns it.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.broker.topic(name)
    }
}

impl std::fmt::Debug for HubView<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubView").field("open_connections", &self.open_connections).finish_non_exhaustive()
    }
}
