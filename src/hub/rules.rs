//! Rules by topic prefix: access, history, slow subscribers and compression.

use std::fmt;
use std::time::Duration;

use crate::worker::SlowPolicy;

/// Which clients may subscribe or publish.
///
/// Access is the same for all clients: the hub does not know which user a client is. A program that identifies its clients can refuse
/// connections in a handler that wraps [`HubHandler`](super::HubHandler).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Access {
    /// Every client that is connected.
    Anyone,
    /// No client. The admin port of the program and a [`Publisher`](super::Publisher) are not clients.
    Nobody,
}

impl Access {
    /// Returns whether clients have access.
    #[must_use]
    pub const fn allows_clients(self) -> bool {
        matches!(self, Self::Anyone)
    }
}

/// How many of a topic's latest messages are kept for subscribers that reconnect. All three limits apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryRule {
    /// Most messages; 0 keeps none.
    pub messages: u32,
    /// Most bytes of payloads.
    pub bytes: usize,
    /// Most time that a message is kept.
    pub age: Duration,
}

impl HistoryRule {
    /// Keeps no messages.
    pub const OFF: Self = Self { messages: 0, bytes: 0, age: Duration::ZERO };

    /// Returns whether the rule keeps no messages.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.messages == 0
    }
}

/// A rule for the topics whose names begin with a prefix. For a field that is `None`, the rule with the next shorter prefix that sets the
/// field applies, and finally [`Rules::DEFAULT`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// The prefix of the topics' names; empty for all topics.
    pub prefix: String,
    /// Which clients may subscribe.
    pub subscribe: Option<Access>,
    /// Which clients may publish.
    pub publish: Option<Access>,
    /// How many of the latest messages are kept.
    pub history: Option<HistoryRule>,
    /// What happens to messages for subscribers that read too slowly.
    pub slow: Option<SlowPolicy>,
    /// Whether messages are compressed for clients that have negotiated compression.
    pub compression: Option<bool>,
}

/// The resolved rule of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicRule {
    /// Which clients may subscribe.
    pub subscribe: Access,
    /// Which clients may publish.
    pub publish: Access,
    /// How many of the latest messages are kept.
    pub history: HistoryRule,
    /// What happens to messages for subscribers that read too slowly.
    pub slow: SlowPolicy,
    /// Whether messages are compressed for clients that have negotiated compression.
    pub compression: bool,
}

/// All rules of a hub. The rule with the longest prefix of a topic's name applies to the topic; [`Rules::DEFAULT`] applies where no rule
/// sets a field.
///
/// By default, no client may publish over its connection ([`Access::Nobody`]). This rule lets clients publish to topics that begin with
/// `chat/`:
///
/// ```
/// use throng::hub::{Access, HubConfig, Rule, Rules};
///
/// let chat = Rule { prefix: "chat/".into(), publish: Some(Access::Anyone), ..Rule::default() };
/// let mut config = HubConfig::default();
/// config.rules = Rules::new(vec![chat])?;
/// assert_eq!(config.rules.of("news").publish, Access::Nobody);
/// # Ok::<(), throng::hub::DuplicatePrefixError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The rules in ascending order of their prefixes, for a binary search. The first rule has the empty prefix.
    resolved: Vec<ResolvedRule>,
}

/// A rule whose unset fields are filled in from rules with shorter prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ResolvedRule {
    prefix: Box<str>,
    rule: TopicRule,
    /// Index of the rule with the longest proper prefix of this prefix; its own index if there is none.
    parent: usize,
}

/// Error of [`Rules::new`]: two rules have the same prefix. The value is the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicatePrefixError(pub String);

impl fmt::Display for DuplicatePrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are two rules for topics that begin with {:?}: make one of them", self.0)
    }
}

impl std::error::Error for DuplicatePrefixError {}

impl Rules {
    /// The values of fields that no rule sets: every client may subscribe ([`Access::Anyone`]), no client may publish
    /// ([`Access::Nobody`]), no messages are kept ([`HistoryRule::OFF`]), slow subscribers are closed ([`SlowPolicy::Close`]), and messages
    /// are compressed.
    pub const DEFAULT: TopicRule = TopicRule {
        subscribe: Access::Anyone,
        publish: Access::Nobody,
        history: HistoryRule::OFF,
        slow: SlowPolicy::Close,
        compression: true,
    };

    /// Resolves rules, given in any order.
    ///
    /// # Errors
    /// When two rules have the same prefix.
    pub fn new(mut rules: Vec<Rule>) -> Result<Self, DuplicatePrefixError> {
        rules.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        if let Some(pair) = rules.windows(2).find(|pair| pair[0].prefix == pair[1].prefix) {
            return Err(DuplicatePrefixError(pair[0].prefix.clone()));
        }
        let mut all = Self::default();
        for rule in rules {
            // The rules are sorted, so all rules with a proper prefix of this one are already in `all`.
            let parent = all.find(&rule.prefix);
            let inherited = all.resolved[parent].rule;
            let resolved = TopicRule {
                subscribe: rule.subscribe.unwrap_or(inherited.subscribe),
                publish: rule.publish.unwrap_or(inherited.publish),
                history: rule.history.unwrap_or(inherited.history),
                slow: rule.slow.unwrap_or(inherited.slow),
                compression: rule.compression.unwrap_or(inherited.compression),
            };
            if rule.prefix.is_empty() {
                all.resolved[0].rule = resolved;
            } else {
                all.resolved.push(ResolvedRule { prefix: rule.prefix.into(), rule: resolved, parent });
            }
        }
        Ok(all)
    }

    /// Returns the rule of a topic.
    #[must_use]
    pub fn of(&self, name: &str) -> &TopicRule {
        &self.resolved[self.find(name)].rule
    }

    /// Returns the index of the rule with the longest prefix of `name`.
    fn find(&self, name: &str) -> usize {
        // The last prefix that does not sort after the name begins with every rule's prefix that the name begins with.
        let mut at = self.resolved.partition_point(|resolved| *resolved.prefix <= *name) - 1;
        while !name.starts_with(&*self.resolved[at].prefix) {
            at = self.resolved[at].parent;
        }
        at
    }

    /// Returns whether any rule keeps a history.
    #[must_use]
    pub fn keep_history(&self) -> bool {
        self.resolved.iter().any(|resolved| !resolved.rule.history.is_off())
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { resolved: vec![ResolvedRule { prefix: "".into(), rule: Self::DEFAULT, parent: 0 }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str) -> Rule {
        Rule { prefix: prefix.into(), ..Rule::default() }
    }

    #[test]
    fn the_longest_prefix_decides_and_shorter_ones_fill_in() {
        let rules = Rules::new(vec![
            Rule { slow: Some(SlowPolicy::Conflate), ..rule("prices/eu/") },
            Rule { publish: Some(Access::Anyone), slow: Some(SlowPolicy::DropNewest), ..rule("prices/") },
            Rule { compression: Some(false), ..rule("") },
        ])
        .unwrap();
        let eu = rules.of("prices/eu/dax");
        assert_eq!((eu.publish, eu.slow, eu.compression), (Access::Anyone, SlowPolicy::Conflate, false));
        let other = rules.of("prices/us");
        assert_eq!(
            (other.publish, other.slow, other.compression),
            (Access::Anyone, SlowPolicy::DropNewest, false)
        );
        let none = rules.of("price");
        assert_eq!((none.publish, none.slow, none.compression), (Access::Nobody, SlowPolicy::Close, false));
        assert_eq!(Rules::default().of("x"), &Rules::DEFAULT);
    }

    #[test]
    fn of_many_rules_the_longest_prefix_is_found() {
        let names: Vec<String> = (0..6)
            .flat_map(|length| (0..3_usize.pow(length)).map(move |number| (length, number)))
            .map(|(length, number)| {
                (0..length).map(|place| ['a', 'b', 'ü'][number / 3_usize.pow(place) % 3]).collect()
            })
            .collect();
        for skipped in [1, 2, 3, 5, 7, 50] {
            let prefixes: Vec<&String> =
                names.iter().step_by(skipped).filter(|name| name.len() < 8).collect();
            let numbered = || (1_u32..).zip(&prefixes);
            let rules = numbered().map(|(messages, prefix)| {
                let history = HistoryRule { messages, ..HistoryRule::OFF };
                Rule { history: Some(history), ..rule(prefix) }
            });
            let rules = Rules::new(rules.collect()).unwrap();
            for name in &names {
                let prefixes = numbered().filter(|(_, prefix)| name.starts_with(**prefix));
                let longest = prefixes.max_by_key(|(_, prefix)| prefix.len());
                let expected = longest.map_or(0, |(number, _)| number);
                assert_eq!(rules.of(name).history.messages, expected, "{name}");
            }
        }
    }

    #[test]
    fn one_prefix_has_one_rule() {
        let twice = Rules::new(vec![rule("a"), rule("b"), rule("a")]);
        assert_eq!(twice, Err(DuplicatePrefixError("a".into())));
        assert!(Rules::new(vec![rule(""), rule("")]).is_err());
    }

    #[test]
    fn access_is_for_anyone_or_nobody() {
        assert!(Access::Anyone.allows_clients() && !Access::Nobody.allows_clients());
    }
}
