//! The hub of a run, drawn from the choices: the rules of its topics, and limits low enough to be reached.

use std::borrow::Cow;
use std::time::Duration;

use crate::base::meter::Allowance;
use crate::budget::{
    LEAST_OUTBOX, WORK_PER_FIRST, WORK_PER_ITERATION, WORK_PER_VISIT, enveloped, outbox_for,
};
use crate::hub::journal::Journal;
use crate::hub::{Access, HistoryRule, HubConfig, Rule, Rules, Sizes, TopicRule};
use crate::simulation::choices::Choices;
use crate::worker::{Budgets, Deflation, Limits, PingPolicy, SlowPolicy};
use crate::ws::Role;
use crate::ws::deflate::ContextTakeover;

/// The longest payload that is published; JSON may make it six times as long.
pub(crate) const LONGEST: usize = 60_000;
/// The number of topics in a run with many topics per client.
const MANY: usize = 60;
/// Names of topics; no name is a prefix of another one.
const NAMES: [&str; 6] = ["news", "a/b c", "Zürich", "prices/eu", "%41&?", "one more"];

/// A topic and its rule.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: Cow<'static, str>,
    pub(crate) rule: TopicRule,
}

/// The server and the hub of a run, and the size of the workload.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    pub(crate) limits: Limits,
    pub(crate) config: HubConfig,
    pub(crate) journal: Journal,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) steps: usize,
    pub(crate) most_clients: usize,
    /// Whether the limit of all histories may be reached.
    pub(crate) has_little_history: bool,
    /// Whether the limit of topics may be reached.
    pub(crate) has_few_topics: bool,
    /// Whether clients subscribe to many topics at a time, and leave them.
    pub(crate) has_many_topics: bool,
    /// Whether outboxes are so large that no queue fills up; clients always read everything then.
    pub(crate) has_large_outboxes: bool,
    /// Whether clients are disconnected.
    pub(crate) disconnects_clients: bool,
    /// A segment arrives in one system call out of this many; see [`FaultInjection`](crate::simulation::injection::FaultInjection).
    pub(crate) arrivals: usize,
    pub(crate) waits: usize,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Setup {
    pub(crate) fn draw(choices: &Choices) -> Self {
        let has_many_topics = choices.one_in(6);
        let subjects = if has_many_topics { MANY } else { choices.pick(&[1, 1, 2, 3, NAMES.len()]) };
        let subjects: Vec<Subject> = (0..subjects).map(|number| subject(name(number), choices)).collect();
        let has_large_outboxes = choices.one_in(3);
        let has_little_history = choices.one_in(4);
        let has_few_topics = choices.one_in(6);
        let journal = Journal::default();
        let config = HubConfig {
            rules: rules(&subjects),
            max_topics: if has_few_topics { choices.between(1, subjects.len()) } else { 1_000 },
            max_client_topics: choices.pick(&[1, 2, MANY, MANY, MANY]),
            max_subscriptions: if has_many_topics {
                choices.pick(&[30, 100])
            } else {
                choices.pick(&[1, 2, 100])
            },
            queue_limit: choices.pick(&[
                1,
                3_000,
                20_000,
                64 << 20,
                64 << 20,
                64 << 20,
                64 << 20,
                64 << 20,
                64 << 20,
            ]),
            history_limit: if has_little_history { choices.pick(&[300, 1_500, 10_000]) } else { 256 << 20 },
            reconnect_within: choices.pick(&[Duration::ZERO, millis(10_000)]),
            seed: Some([choices.bits(), choices.bits()]),
            sizes: sizes(choices),
            journal: Some(journal.clone()),
            ..HubConfig::default()
        };
        Self {
            workers: choices.between(2, 4),
            limits: limits(has_large_outboxes, choices),
            config,
            journal,
            subjects,
            steps: choices.between(30, 250),
            most_clients: choices.pick(&[3, 8, 20, 40]),
            has_little_history,
            has_few_topics,
            has_many_topics,
            has_large_outboxes,
            disconnects_clients: !choices.one_in(4),
            arrivals: choices.pick(&[2, 6, 30]),
            waits: choices.pick(&[2, 5, 30]),
        }
    }

    /// Returns the number of the topic with this name.
    pub(crate) fn subject(&self, name: &str) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.name == name)
    }

    /// Returns whether a client's message may be refused because of the limit of all topics or of those that the client has created.
    pub(crate) const fn may_lack_topics(&self) -> bool {
        self.has_few_topics || self.config.max_client_topics < MANY
    }

    /// Returns whether a request may be refused for reasons that its client does not know, so that the answers to later requests cannot be
    /// predicted.
    pub(crate) const fn is_unpredictable(&self) -> bool {
        self.has_few_topics
            || self.config.sizes.unsent_requests < 1_000
            || self.config.sizes.pending_subscriptions < 1_000
    }
}

fn name(number: usize) -> Cow<'static, str> {
    NAMES.get(number).map_or_else(|| format!("many/{number:02}").into(), |name| Cow::Borrowed(*name))
}

fn subject(name: Cow<'static, str>, choices: &Choices) -> Subject {
    let history = HistoryRule {
        messages: choices.pick(&[1, 3, 10, 100]),
        bytes: choices.pick(&[50, 2_000, 1 << 20]),
        age: choices.pick(&[millis(500), millis(3_000), millis(60_000), millis(60_000)]),
    };
    let access = |denied| if choices.one_in(denied) { Access::Nobody } else { Access::Anyone };
    let policies = [SlowPolicy::Close, SlowPolicy::DropNewest, SlowPolicy::DropOldest, SlowPolicy::Conflate];
    let rule = TopicRule {
        subscribe: access(12),
        publish: access(4),
        history: choices.pick(&[HistoryRule::OFF, history, history, history]),
        slow: policies[choices.weighted_index(&[3, 1, 1, 1])],
        compression: !choices.one_in(3),
    };
    Subject { name, rule }
}

/// Returns the operator's rules.
pub(crate) fn rules(subjects: &[Subject]) -> Rules {
    Rules::new(subjects.iter().map(rule_of).collect()).expect("each name is there once")
}

fn rule_of(subject: &Subject) -> Rule {
    let TopicRule { subscribe, publish, history, slow, compression } = subject.rule;
    Rule {
        prefix: subject.name.clone().into(),
        subscribe: Some(subscribe),
        publish: Some(publish),
        history: Some(history),
        slow: Some(slow),
        compression: Some(compression),
    }
}

fn sizes(choices: &Choices) -> Sizes {
    let usual = Sizes::default();
    if choices.one_in(5) {
        return usual;
    }
    Sizes {
        queue: choices.pick(&[1, 2, 5, 40, usual.queue]),
        topic_messages: choices.pick(&[
            1,
            4,
            usual.topic_messages,
            usual.topic_messages,
            usual.topic_messages,
        ]),
        client_messages: choices.pick(&[1, 4, usual.client_messages, usual.client_messages]),
        entries_per_turn: choices.pick(&[1, 3, 20, usual.entries_per_turn]),
        pushes_per_turn: choices.pick(&[1, 2, 7, 30, usual.pushes_per_turn]),
        topic_queue_entries: choices.pick(&[1, 3, 30, usual.topic_queue_entries]),
        pending_subscriptions: choices.pick(&[1, 3, 10_000, 10_000, 10_000]),
        unsent_requests: choices.pick(&[
            1,
            usual.unsent_requests,
            usual.unsent_requests,
            usual.unsent_requests,
        ]),
        pass_messages: choices.pick(&[1, 2, 5, usual.pass_messages]),
        pass_bytes: choices.pick(&[50, 3_000, usual.pass_bytes]),
        recovery_messages: choices.pick(&[1, 2, 5, usual.recovery_messages]),
        recovery_bytes: choices.pick(&[50, 3_000, usual.recovery_bytes]),
        recovery_low_water: choices.pick(&[1, 300, usual.recovery_low_water]),
        cleanups_per_turn: choices.pick(&[1, 3, usual.cleanups_per_turn]),
        vacant_places: choices.pick(&[0, 1, 3, usual.vacant_places]),
        fill_steps: choices.pick(&[1, 3, usual.fill_steps]),
    }
}

fn limits(has_large_outboxes: bool, choices: &Choices) -> Limits {
    let deflation = choices.one_in(2).then(|| Deflation {
        context: choices.pick(&[
            ContextTakeover::Off,
            ContextTakeover::Window(9),
            ContextTakeover::Window(12),
            ContextTakeover::Window(15),
        ]),
        level: choices.pick(&[1, 6]),
        threshold: choices.pick(&[0, 64, 300]),
    });
    let outbox = if has_large_outboxes {
        choices.pick(&[64 << 20, 128 << 10, LEAST_OUTBOX])
    } else {
        choices.pick(&[700, 3_000, 20_000, 128 << 10, LEAST_OUTBOX])
    };
    let least_backlog = outbox_for(outbox, enveloped(LONGEST));
    Limits {
        server_connections: 10_000,
        worker_connections: 10_000,
        refusals: crate::budget::REFUSALS,
        head: crate::http::HeadLimits::default(),
        decoder: crate::ws::DecoderConfig {
            role: Role::Server,
            max_message: 70_000,
            max_frames: 64,
            deflate: false,
        },
        deflation,
        outbox,
        buffers: 1 << 30,
        least_buffers: 0,
        backlog: if has_large_outboxes {
            usize::MAX
        } else {
            choices.pick(&[usize::MAX, usize::MAX, least_backlog, 2 * least_backlog])
        },
        work: Allowance {
            first: choices.pick(&[1, 2_000, WORK_PER_FIRST]),
            visit: choices.pick(&[1, 3_000, WORK_PER_VISIT]),
            iteration: choices.pick(&[4, 20_000, WORK_PER_ITERATION]),
        },
        spare_buffers: choices.pick(&[0, 5_000, 64 << 10]),
        // The timeouts are too long to drop any client.
        handshake_timeout: millis(600_000),
        decision_timeout: millis(600_000),
        message_timeout: None,
        ping_interval: None,
        ping_policy: PingPolicy::WhenIdle,
        pong_timeout: millis(10_000),
        slowest_reader: 1,
        close_timeout: millis(600_000),
        budgets: Budgets::default(),
    }
}
