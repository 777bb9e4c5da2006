//! The settings of a hub.

use std::time::Duration;

use super::core::url::TopicsPath;
use super::rules::Rules;
use crate::settings;

settings! {
    /// The settings of a hub.
    ///
    /// Those with a plain value are options of `throng serve` too, with the same text. What the operator publishes is what comes over the
    /// admin port of the program, or through a [`Publisher`](super::Publisher).
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub struct HubConfig {
        /// Most topics at a time. The last sixteenth of them is for messages that the operator publishes, not for clients: they can neither
        /// subscribe to more topics nor publish to more that have a history.
        #[option("max-topics", COUNT)]
        max_topics: usize = 2_000_000;
        /// Most topics with a history that are there because the same client was the first to publish to them. Above that its messages to
        /// others are refused.
        #[option("max-client-topics", COUNT)]
        max_client_topics: usize = 1_000;
        /// Most subscriptions of a client.
        #[option("max-subscriptions", COUNT)]
        max_subscriptions: usize = 128;
        /// Most bytes of messages that have been published and are on their way to clients' outboxes, with 512 bytes for each message
        /// beside its payload. More are refused: `busy`. A message that is larger than the limit is taken when there is no other. Half of
        /// the limit is for messages that the operator publishes alone. Where it is not set, `throng serve` takes four times
        /// `max-message` if that is more.
        #[option("queue-limit", SIZE)]
        queue_limit: usize = 64 << 20;
        /// Most bytes of the histories of all topics together, with 256 bytes for each message beside its payload.
        #[option("history-limit", SIZE)]
        history_limit: usize = 256 << 20;
        /// How the path of a URL begins that names a topic: `/topics/` stands before `NAME` in `/topics/NAME`. It ends with a slash. With
        /// `/` every path but `/` itself is a topic.
        #[option("topics-path", parsed::<TopicsPath>("PATH"))]
        topics_path: TopicsPath = TopicsPath::default();
        /// When the server ends, clients of throng.v1 come back each after a random part of this time, in whole milliseconds. It should be
        /// a second or more for each 15,000 of them and core: see docs/SCALING.md. At most an hour.
        #[option("reconnect-within", TIME_TO_RETURN)]
        reconnect_within: Duration = Duration::from_secs(10);
    }
    with {
        /// What holds for which topics.
        pub rules: Rules = Rules::default();
        /// What hashes and epochs are drawn from; at random if left out, which it should be outside of tests.
        #[doc(hidden)]
        pub seed: Option<[u64; 2]> = None;
        /// How much is done at a time, and how much waits.
        #[doc(hidden)]
        pub sizes: Sizes = Sizes::default();
        /// Where owners write down what they decide.
        #[cfg(feature = "simulation")]
        pub(crate) journal: Option<super::journal::Journal> = None;
    }
}

/// How much a hub does at a time, and how much waits. The defaults are meant for use; others are for tests, which meet the edges
/// sooner with them.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Sizes {
    /// Entries of a queue between two turns of its reader; a full one makes the writer wait, or refuses.
    pub queue: usize,
    /// Messages of one topic that are under way, at most; clients may publish half of them.
    pub topic_messages: usize,
    /// Messages of one client that are under way, at most.
    pub client_messages: usize,
    /// Entries taken from each queue in a turn.
    pub entries_per_turn: usize,
    /// Small messages pushed in a turn, between which sockets have theirs.
    pub pushes_per_turn: usize,
    /// Messages on a worker whose passes have not come to their end; with more of them no deliveries are taken.
    pub waiting: usize,
    /// Subscriptions of a client that owners are asked for at a time, if it may not have more.
    pub asked: usize,
    /// Requests that may be held back for owners whose queues are full, before clients are refused.
    pub held: usize,
    /// Messages that leave together, and their bytes, at most; the last of them may go beyond.
    pub pass_messages: usize,
    /// The bytes.
    pub pass_bytes: usize,
    /// Missed messages given to a subscriber at a time, and bytes of them; at most what fits an outbox in every form.
    pub replay_messages: usize,
    /// The bytes.
    pub replay_bytes: usize,
    /// A subscriber is given what it has missed when less than this, and than an eighth of its outbox, waits for it.
    pub replay_low: usize,
    /// Subscriptions of clients that have gone whose topics are cleared up in a turn.
    pub leaves_per_turn: usize,
    /// Empty places that a topic may have before any are filled.
    pub vacant: usize,
    /// Places looked at in one go when empty ones are filled.
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
            // Eight topics at their limit do not hold up the next.
            waiting: 4096,
            asked: 128,
            held: 10_000,
            pass_messages: 64,
            pass_bytes: 64 * 1024,
            replay_messages: 64,
            replay_bytes: 64 * 1024,
            replay_low: 16 * 1024,
            leaves_per_turn: 1024,
            vacant: 16,
            fill_steps: 1024,
        }
    }
}
