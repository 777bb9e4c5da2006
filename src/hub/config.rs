//! What an operator decides.

use super::rules::Rules;

/// How a hub works.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// What holds for which topics.
    pub rules: Rules,
    /// Most topics at a time. Above that nobody can subscribe or publish to others.
    pub max_topics: usize,
    /// Most subscriptions of a client.
    pub max_subscriptions: usize,
    /// Most bytes of the histories of all topics together, with 256 bytes for each message beside its payload.
    pub history_limit: usize,
    /// What hashes and epochs are drawn from; at random if left out, which it should be outside of tests.
    #[doc(hidden)]
    pub seed: Option<[u64; 2]>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            max_topics: 2_000_000,
            max_subscriptions: 128,
            history_limit: 256 << 20,
            seed: None,
        }
    }
}
