//! The settings of a hub.

use std::time::Duration;

use super::core::url::TopicsPath;
use super::rules::Rules;
use crate::settings;

settings! {
    /// The settings of a hub.
    ///
    /// To make a configuration, change the fields of [`HubConfig::default`]. Sizes are in bytes. All settings except the rules are also
    /// options of `throng serve`, with the same text. In these texts, messages of the operator are those that arrive over the admin port of
    /// the program or through a [`Publisher`](super::Publisher).
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub struct HubConfig {
        /// Most topics at a time. The last sixteenth is reserved for messages that the operator publishes: there, clients can neither
        /// subscribe to new topics nor publish to new topics that have a history.
        #[option("max-topics", COUNT)]
        max_topics: usize = 2_000_000;
        /// Most topics with a history that one client may be the first to publish to, counted while the topics exist. At the limit, the
        /// client's messages to further such topics are refused.
        #[option("max-client-topics", COUNT)]
        max_client_topics: usize = 1_000;
        /// Most subscriptions of a client.
        #[option("max-subscriptions", COUNT)]
        max_subscriptions: usize = 128;
        /// Most bytes of messages that have been published and are on their way to clients' outboxes, with 512 bytes for each message in
        /// addition to its payload. Messages above the limit are refused with the error `busy`. A message that is larger than the limit is
        /// taken when no other is on its way. Half of the limit is reserved for messages that the operator publishes. Where it is not set,
        /// `throng serve` takes four times `max-message` if that is more.
        #[option("queue-limit", SIZE)]
        queue_limit: usize = 64 * 1024 * 1024;
        /// Most bytes of the histories of all topics together, with 256 bytes for each message in addition to its payload.
        #[option("history-limit", SIZE)]
        history_limit: usize = 256 * 1024 * 1024;
        /// Prefix of the paths of URLs that name a topic: with `/topics/`, which is the default, the path `/topics/NAME` names the topic
        /// `NAME`. The prefix ends with a slash. With `/`, every path except `/` itself names a topic.
        #[option("topics-path", parsed::<TopicsPath>("PATH"))]
        topics_path: TopicsPath;
        /// When the server ends, each throng.v1 client reconnects after a random part of this time, which is in whole milliseconds and at
        /// most an hour. Allow a second or more for each 15,000 clients per core: see docs/SCALING.md.
        #[option("reconnect-within", TIME_TO_RETURN)]
        reconnect_within: Duration = Duration::from_secs(10);
    }
    with {
        /// Access, history and delivery rules by topic prefix. Without rules, [`Rules::DEFAULT`] applies to all topics: every client may
        /// subscribe, no client may publish, and no messages are kept.
        pub rules: Rules = Rules::default();
        /// Seed of the hash keys and of the epochs; `None` draws a random seed. Only tests should set it.
        #[doc(hidden)]
        pub seed: Option<[u64; 2]> = None;
        /// Limits of the work of one turn, and of queues.
        #[doc(hidden)]
        pub sizes: Sizes = Sizes::default();
        /// The journal to which owners write their decisions.
        #[cfg(feature = "simulation")]
        pub(crate) journal: Option<super::journal::Journal> = None;
    }
}

/// Limits of a hub's work in one turn, and of its queues. Only tests should change the defaults: smaller values reach the limits sooner.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Sizes {
    /// Capacity of a queue between workers, in entries. When the queue is full, the sender keeps entries unsent or refuses requests.
    pub queue: usize,
    /// Most messages of one topic under way; clients may publish half of them.
    pub topic_messages: usize,
    /// Most messages of one client under way.
    pub client_messages: usize,
    /// Most entries that a worker takes from each queue in a turn.
    pub entries_per_turn: usize,
    /// Most small messages that a worker pushes to outboxes in a turn, before it polls its sockets again.
    pub pushes_per_turn: usize,
    /// Entries in the topics' queues on a worker at which the worker takes no further deliveries.
    pub topic_queue_entries: usize,
    /// Most pending subscriptions of a client at a time, where `max_subscriptions` is lower.
    pub pending_subscriptions: usize,
    /// Unsent requests to owners with full queues at which the worker refuses connections that name topics in their URLs. It refuses
    /// requests to subscribe in messages at half as many.
    pub unsent_requests: usize,
    /// Most messages of one pass of a topic.
    pub pass_messages: usize,
    /// Payload bytes of a pass at which the pass takes no further message; the last message may exceed them.
    pub pass_bytes: usize,
    /// Most missed messages in one part of a recovery.
    pub recovery_messages: usize,
    /// Most bytes of the missed messages in one part of a recovery. The outbox limit lowers it, so that each part fits an outbox in every
    /// dialect.
    pub recovery_bytes: usize,
    /// Bytes in a subscriber's outbox below which it gets the next part of a recovery. An eighth of the outbox limit applies if that is
    /// less.
    pub recovery_low_water: usize,
    /// Most subscriptions of closed connections whose topics a worker cleans up in a turn.
    pub cleanups_per_turn: usize,
    /// Vacant places that a topic's list of subscribers may have before the worker fills them.
    pub vacant_places: usize,
    /// Most steps of filling vacant places at a time.
    pub fill_steps: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            queue: 512,
            topic_messages: 512,
            client_messages: 256,
            entries_per_turn: 256,
            pushes_per_turn: 256,
            // Eight topics at their limit do not block the next topic.
            topic_queue_entries: 4096,
            pending_subscriptions: 128,
            unsent_requests: 10_000,
            pass_messages: 64,
            pass_bytes: 64 * 1024,
            recovery_messages: 64,
            recovery_bytes: 64 * 1024,
            recovery_low_water: 16 * 1024,
            cleanups_per_turn: 1024,
            vacant_places: 16,
            fill_steps: 1024,
        }
    }
}
