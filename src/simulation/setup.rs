//! The server of a run, drawn from the choices: every limit is sometimes low enough to be reached.

use std::time::Duration;

use super::behavior::Bounds;
use super::choices::Choices;
use crate::base::meter::Allowance;
use crate::budget::{WORK_PER_FIRST, WORK_PER_ITERATION, WORK_PER_VISIT};
use crate::http::HeadLimits;
use crate::worker::{Budgets, Deflation, Limits, PingPolicy};
use crate::ws::deflate::ContextTakeover;
use crate::ws::{DecoderConfig, Role, encode};

/// The size of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A few clients, about a hundred steps.
    Short,
    /// Dozens of clients that connect and leave, thousands of steps.
    Long,
    /// More clients than a broadcast or a drain visits in one iteration.
    ManyClients,
}

/// The server of a run, and the size of the workload.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) limits: Limits,
    pub(crate) tick_interval: Option<Duration>,
    pub(crate) steps: usize,
    pub(crate) most_clients: usize,
    /// Clients that connect before the first step.
    pub(crate) initial_clients: usize,
    /// Whether the server may end before the last step.
    pub(crate) may_end: bool,
    /// Whether buffer memory may run out.
    pub(crate) is_tight: bool,
    /// Whether another worker listens as well, so that this one may leave the group.
    pub(crate) has_other_workers: bool,
    /// The number of descriptors of the process.
    pub(crate) descriptors: usize,
    /// A segment arrives in one system call out of this many; see [`FaultInjection`](super::injection::FaultInjection).
    pub(crate) arrivals: usize,
    pub(crate) waits: usize,
    /// The application defers its decision on one client out of this many; 0 for none.
    pub(crate) defers: usize,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns the default budgets in one case out of two, or budgets that are as small for a few clients as those of a server are for
/// thousands.
fn small(choices: &Choices) -> Budgets {
    if choices.one_in(2) {
        return Budgets::default();
    }
    let few = || choices.pick(&[1, 2, 5]);
    Budgets { events: few(), accepts: few(), expiries: few(), ..Budgets::default() }
}

impl Setup {
    pub(crate) fn draw(profile: Profile, choices: &Choices) -> Self {
        let initial_clients = if profile == Profile::ManyClients { 4_200 } else { 0 };
        let plenty = 10_000;
        let few = choices.pick(&[2, 5, 16, plenty, plenty]).max(2 * initial_clients);
        let is_tight = choices.one_in(4);
        let buffers = if is_tight { choices.pick(&[300, 3_000, 40_000, 150_000]) } else { 1 << 30 };
        let deflation = choices.one_in(3).then(|| Deflation {
            context: choices.pick(&[
                ContextTakeover::Off,
                ContextTakeover::Window(8),
                ContextTakeover::Window(9),
                ContextTakeover::Window(12),
                ContextTakeover::Window(15),
            ]),
            level: choices.pick(&[1, 6, 9]),
            threshold: choices.pick(&[0, 64, 300]),
        });
        Self {
            limits: Limits {
                server_connections: choices.pick(&[few, plenty]),
                worker_connections: few,
                refusals: crate::budget::REFUSALS,
                head: HeadLimits::default(),
                decoder: DecoderConfig {
                    role: Role::Server,
                    max_message: choices.pick(&[300, 4_000, 70_000]),
                    max_frames: choices.pick(&[2, 5, 64]),
                    deflate: false,
                },
                outbox: choices.pick(&[200, 700, 5_000, 128 << 10]),
                buffers,
                least_buffers: 0,
                backlog: usize::MAX,
                work: Allowance {
                    first: choices.pick(&[1, 2_000, WORK_PER_FIRST]),
                    visit: choices.pick(&[1, 3_000, WORK_PER_VISIT]),
                    iteration: choices.pick(&[4, 20_000, WORK_PER_ITERATION]),
                },
                spare_buffers: choices.pick(&[0, 5_000, 64 << 10]),
                handshake_timeout: choices.pick(&[millis(1_000), millis(2_350), millis(10_000)]),
                decision_timeout: millis(1_750),
                ping_interval: choices.pick(&[
                    None,
                    Some(millis(500)),
                    Some(millis(2_000)),
                    Some(millis(3_050)),
                    Some(millis(120_000)),
                ]),
                deflation,
                message_timeout: choices.pick(&[
                    None,
                    None,
                    Some(millis(700)),
                    Some(millis(2_350)),
                    Some(millis(20_000)),
                ]),
                ping_policy: choices.pick(&[PingPolicy::WhenIdle, PingPolicy::Always]),
                pong_timeout: choices.pick(&[millis(300), millis(1_000), millis(2_550), millis(10_000)]),
                slowest_reader: choices.pick(&[1, 40, 1_024]),
                close_timeout: choices.pick(&[millis(1_000), millis(5_000), millis(30_000)]),
                budgets: if profile == Profile::Short { small(choices) } else { Budgets::default() },
            },
            tick_interval: choices.pick(&[None, None, Some(millis(250)), Some(millis(7_000))]),
            steps: match profile {
                Profile::Short => choices.between(20, 140),
                Profile::Long => 3_000,
                Profile::ManyClients => 150,
            },
            most_clients: match profile {
                Profile::Short => choices.pick(&[1, 3, 8, 20]),
                Profile::Long => choices.pick(&[6, 25]),
                Profile::ManyClients => initial_clients + 50,
            },
            initial_clients,
            may_end: profile == Profile::Short,
            is_tight,
            has_other_workers: choices.one_in(2),
            descriptors: if choices.one_in(6) { choices.between(1, 6) + initial_clients } else { 1 << 20 },
            arrivals: choices.pick(&[2, 6, 30]),
            waits: choices.pick(&[2, 5, 30]),
            defers: 0,
        }
    }

    /// Decides how often the application defers a decision, by bits that were drawn for another purpose.
    pub(crate) const fn set_deferral(&mut self, bits: u64) {
        // The initial clients would exceed the decisions that a worker can have pending.
        if self.initial_clients == 0 {
            self.defers = [0, 0, 1, 3][(bits % 4) as usize];
        }
    }

    pub(crate) const fn bounds(&self) -> Bounds {
        let DecoderConfig { max_message, max_frames, .. } = self.limits.decoder;
        let fills_outbox = self.limits.outbox - encode::header_len(self.limits.outbox);
        Bounds { max_message, max_frames, fills_outbox, may_drain: self.may_end }
    }
}
