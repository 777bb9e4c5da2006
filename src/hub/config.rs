//! What an operator decides.

use std::time::Duration;

use super::rules::Rules;
use super::url::TopicsPath;

/// How a hub works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// What holds for which topics.
    pub rules: Rules,
    /// Most topics at a time, of which the last [sixteenth](crate::budget::TOPICS_OF_OPERATOR) is for a [`Publisher`](super::Publisher)
    /// alone. Above that nobody can subscribe to others, or publish to others that have a history.
    pub max_topics: usize,
    /// Most topics with a history that are there because the same client was the first to publish to them.
    pub max_client_topics: usize,
    /// Most subscriptions of a client.
    pub max_subscriptions: usize,
    /// Most bytes of the histories of all topics together, with 256 bytes for each message beside its payload.
    pub history_limit: usize,
    /// Most bytes of messages under way, published and not yet handed to the outboxes of all that are to get them, with 512 for each
    /// message beside its payload. A message that is larger is taken when there is no other. Half of it is for a
    /// [`Publisher`](super::Publisher) alone.
    pub queue_limit: usize,
    /// Where in URLs topics are named.
    pub topics_path: TopicsPath,
    /// In how long a time clients of `throng.v1` come back, each after a random part of it, when the server has closed them because it
    /// ends or restarts; in whole milliseconds.
    pub reconnect_within: Duration,
    /// What hashes and epochs are drawn from; at random if left out, which it should be outside of tests.
    #[doc(hidden)]
    pub seed: Option<[u64; 2]>,
    /// How much is done at a time, and how much waits.
    #[doc(hidden)]
    pub sizes: Sizes,
    /// Where homes write down what they decide.
    #[cfg(feature = "simulation")]
    pub(crate) journal: Option<super::journal::Journal>,
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
    /// The same of one client.
    pub client_messages: usize,
    /// Entries taken from each queue in a turn.
    pub mails_per_turn: usize,
    /// Small messages pushed in a turn, between which sockets have theirs.
    pub pushes_per_turn: usize,
    /// Messages on a worker whose rounds have not come to their end; with more of them no deliveries are taken.
    pub waiting: usize,
    /// Subscriptions of a client that homes are asked for at a time, if it may not have more.
    pub asked: usize,
    /// Requests that may be held back for homes whose queues are full, before clients are refused.
    pub held: usize,
    /// Messages that leave together, and their bytes, at most; the last of them may go beyond.
    pub round_messages: usize,
    /// The bytes.
    pub round_bytes: usize,
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
            mails_per_turn: 256,
            pushes_per_turn: 256,
            // Eight topics at their limit do not hold up the next.
            waiting: 4096,
            asked: 128,
            held: 10_000,
            round_messages: 64,
            round_bytes: 64 * 1024,
            replay_messages: 64,
            replay_bytes: 64 * 1024,
            replay_low: 16 * 1024,
            leaves_per_turn: 1024,
            vacant: 16,
            fill_steps: 1024,
        }
    }
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            max_topics: 2_000_000,
            max_client_topics: 1_000,
            max_subscriptions: 128,
            history_limit: 256 << 20,
            queue_limit: 64 << 20,
            topics_path: TopicsPath::default(),
            reconnect_within: Duration::from_secs(10),
            seed: None,
            sizes: Sizes::default(),
            #[cfg(feature = "simulation")]
            journal: None,
        }
    }
}
