//! What holds for which topics.

use std::fmt;
use std::time::Duration;

use crate::worker::SlowPolicy;

/// Which clients may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Access {
    /// Every client.
    Anyone,
    /// No client. The admin port and a [`Publisher`](super::Publisher) are not clients.
    Nobody,
}

impl Access {
    /// Whether clients may.
    #[must_use]
    pub const fn allows_clients(self) -> bool {
        matches!(self, Self::Anyone)
    }
}

/// How much of a topic's past is kept for subscribers that come back. Each limit holds by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryRule {
    /// Most messages; 0 keeps nothing.
    pub messages: u32,
    /// Most bytes of their payloads.
    pub bytes: usize,
    /// How long a message is kept.
    pub age: Duration,
}

impl HistoryRule {
    /// Nothing is kept.
    pub const OFF: Self = Self { messages: 0, bytes: 0, age: Duration::ZERO };

    /// Whether anything is kept.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.messages == 0
    }
}

/// What a rule says of the topics whose names begin with its prefix. What it leaves out is decided by the rule with the next
/// shorter prefix that says something of it, and by [`Rules::DEFAULT`] at last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// How the names begin; empty for all topics.
    pub prefix: String,
    /// Which clients may subscribe.
    pub subscribe: Option<Access>,
    /// Which clients may publish.
    pub publish: Option<Access>,
    /// What is kept.
    pub history: Option<HistoryRule>,
    /// What happens to messages for subscribers that read too slowly.
    pub slow: Option<SlowPolicy>,
    /// Whether messages are compressed for clients that have agreed on it.
    pub compression: Option<bool>,
}

/// What holds for one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicRule {
    /// Which clients may subscribe.
    pub subscribe: Access,
    /// Which clients may publish.
    pub publish: Access,
    /// What is kept.
    pub history: HistoryRule,
    /// What happens to messages for subscribers that read too slowly.
    pub slow: SlowPolicy,
    /// Whether messages are compressed for clients that have agreed on it.
    pub compression: bool,
}

/// All rules, resolved: of those whose prefix a name begins with, the longest decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// In the order of their prefixes, so that a topic's is found however many there are; the first one is for all topics.
    resolved: Vec<Resolved>,
}

/// A rule with what those of shorter prefixes say of what it leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resolved {
    prefix: Box<str>,
    rule: TopicRule,
    /// Where the rule stands with the longest prefix of the prefix; itself where there is none.
    outer: usize,
}

/// Two rules have the same prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicatePrefix(pub String);

impl fmt::Display for DuplicatePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are two rules for topics that begin with {:?}: make one of them", self.0)
    }
}

impl std::error::Error for DuplicatePrefix {}

impl Rules {
    /// What holds where no rule says otherwise.
    pub const DEFAULT: TopicRule = TopicRule {
        subscribe: Access::Anyone,
        publish: Access::Nobody,
        history: HistoryRule::OFF,
        slow: SlowPolicy::Close,
        compression: true,
    };

    /// Resolves rules; their order does not matter.
    ///
    /// # Errors
    /// When two have the same prefix.
    pub fn new(mut rules: Vec<Rule>) -> Result<Self, DuplicatePrefix> {
        rules.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        if let Some(pair) = rules.windows(2).find(|pair| pair[0].prefix == pair[1].prefix) {
            return Err(DuplicatePrefix(pair[0].prefix.clone()));
        }
        let mut all = Self::default();
        for rule in rules {
            // Those before it are all there are of its prefixes.
            let outer = all.find(&rule.prefix);
            let said = all.resolved[outer].rule;
            let resolved = TopicRule {
                subscribe: rule.subscribe.unwrap_or(said.subscribe),
                publish: rule.publish.unwrap_or(said.publish),
                history: rule.history.unwrap_or(said.history),
                slow: rule.slow.unwrap_or(said.slow),
                compression: rule.compression.unwrap_or(said.compression),
            };
            if rule.prefix.is_empty() {
                all.resolved[0].rule = resolved;
            } else {
                all.resolved.push(Resolved { prefix: rule.prefix.into(), rule: resolved, outer });
            }
        }
        Ok(all)
    }

    /// What holds for a topic.
    #[must_use]
    pub fn of(&self, name: &str) -> &TopicRule {
        &self.resolved[self.find(name)].rule
    }

    /// Where the rule stands with the longest prefix of a name.
    fn find(&self, name: &str) -> usize {
        // The last one that is not behind the name begins with whatever of the name is a prefix.
        let mut at = self.resolved.partition_point(|resolved| *resolved.prefix <= *name) - 1;
        while !name.starts_with(&*self.resolved[at].prefix) {
            at = self.resolved[at].outer;
        }
        at
    }

    /// Whether there are topics of which anything is kept.
    #[must_use]
    pub fn keep_history(&self) -> bool {
        self.resolved.iter().any(|resolved| !resolved.rule.history.is_off())
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { resolved: vec![Resolved { prefix: "".into(), rule: Self::DEFAULT, outer: 0 }] }
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
        assert_eq!(twice, Err(DuplicatePrefix("a".into())));
        assert!(Rules::new(vec![rule(""), rule("")]).is_err());
    }

    #[test]
    fn access_is_for_anyone_or_nobody() {
        assert!(Access::Anyone.allows_clients() && !Access::Nobody.allows_clients());
    }
}
