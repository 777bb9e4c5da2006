//! An engine of clients: threads with an event loop each, which open connections, serve them and close them again.
//!
//! The main thread and the engine talk by memory alone (atomics, a lock where nothing is hot), because with private descriptor
//! tables no value that carries a descriptor may cross between threads.

pub(crate) mod args;
mod client;
pub(crate) mod compression;
mod connection;
mod deadlines;
mod dial;
pub(crate) mod driver;
pub(crate) mod echo;
pub(crate) mod feed;
pub(crate) mod once;
mod pings;
mod plan;
mod shared;
pub(crate) mod sources;
pub(crate) mod target;
mod thread;
pub(crate) mod timer;
pub(crate) mod visits;
pub(crate) mod wire;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::measure::distribution::Distribution;
use crate::measure::reasons::Reasons;
use echo::EchoRun;
use once::Once;
use shared::{Phase, Shared};
use thread::run_thread;
use visits::Visits;

pub(crate) use echo::{EchoPlan, Echoed, Payload};
pub(crate) use feed::{FeedPlan, Received};
pub(crate) use plan::{Plan, Timeouts};
pub(crate) use shared::Counts;
pub(crate) use wire::connect_reason;

/// How the opening went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) opened: u64,
    pub(crate) failed: Reasons,
    /// Seconds from the start to the last connection that opened or failed.
    pub(crate) ramp_seconds: f64,
    pub(crate) connections_per_second: f64,
    pub(crate) latency_us: Distribution,
    /// Where compression was offered: what was agreed on, in the words of the answer, and by how many connections.
    #[serde(default, skip_serializing_if = "Reasons::is_empty")]
    pub(crate) agreed: Reasons,
}

/// How everything went, in the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) lost: Reasons,
    pub(crate) closed: u64,
    pub(crate) unclean: Reasons,
    pub(crate) pings_answered: u64,
    pub(crate) min_pings_held: u64,
    pub(crate) messages_in: u64,
    pub(crate) close_seconds: f64,
}

/// A running engine. Dropping it ends its threads, and with them its connections, without closing handshakes.
#[derive(Debug)]
pub(crate) struct Engine<V: Visits = Once> {
    plan: Arc<Plan>,
    shared: Arc<Shared<V::Tally>>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
    closing_since: Option<Instant>,
}

impl Engine {
    /// Starts threads that open each connection once, and wait for [`open`](Self::open).
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Self> {
        Self::with(plan, Once::new)
    }
}

impl<V: Visits> Engine<V> {
    /// Starts the threads, each of which makes its own visits, and which wait for [`open`](Self::open).
    pub(crate) fn with(
        plan: Plan,
        visits: impl Fn(&Plan, usize) -> V + Clone + Send + 'static,
    ) -> anyhow::Result<Self> {
        let plan = Arc::new(plan);
        let shared = Arc::new(Shared::new(plan.threads.count));
        let mut engine = Self { plan, shared, threads: Vec::new(), closing_since: None };
        let (ready, readies) = mpsc::channel();
        for number in 0..engine.plan.threads.count {
            let (plan, shared) = (Arc::clone(&engine.plan), Arc::clone(&engine.shared));
            let (ready, visits) = (ready.clone(), visits.clone());
            let run = move || run_thread(number, plan, &shared, &visits, ready);
            let thread = std::thread::Builder::new().name(format!("client-{number}")).spawn(run);
            engine.threads.push(thread.context("cannot start a thread")?);
        }
        drop(ready);
        engine.await_readies(&readies)?;
        Ok(engine)
    }

    /// A thread that fails reports it when joined; what is missing here is only its sign of readiness.
    fn await_readies(&mut self, readies: &Receiver<()>) -> anyhow::Result<()> {
        for _ in 0..self.threads.len() {
            if readies.recv().is_err() {
                self.end_threads()?;
                bail!("a thread ended before it was ready");
            }
        }
        Ok(())
    }

    /// Begins to open connections.
    pub(crate) fn open(&self) {
        self.shared.start_clock();
        self.enter(Phase::Ramp);
    }

    /// Begins the time of holding: pings are counted per connection from here on.
    pub(crate) fn hold(&self) {
        self.enter(Phase::Hold);
    }

    /// Begins to send messages that are to come back. Returns when the warm-up begins: all threads have heard of it by then. A
    /// engine does this once, while it holds.
    pub(crate) fn echo(&self, plan: EchoPlan) -> Instant {
        let start = Instant::now() + client::TICK + client::TICK / 2;
        let Plan { raw, seed, threads, .. } = *self.plan;
        self.shared.set_echo(EchoRun::new(plan, start, raw, seed, threads.count));
        self.enter(Phase::Echo);
        start
    }

    /// What came back, once all threads are done with it: the plan's time and patience after its start at the latest.
    pub(crate) fn echoed(&self) -> Option<Echoed> {
        let ledger = self.shared.ledger();
        (ledger.done_echoing == self.threads.len()).then(|| ledger.echoed.clone())
    }

    /// Has subscribers that have never read take what there is for them, once nothing is published any more.
    pub(crate) fn wake(&self) {
        self.enter(Phase::Wake);
    }

    /// Begins to look at what subscribers have received, once nothing is published any more. `last` is the last sequence number of
    /// each topic.
    pub(crate) fn count(&self, last: Vec<u32>) {
        if let Some(feed) = &self.plan.feed {
            feed.end(last);
        }
        self.enter(Phase::Count);
    }

    /// What subscribers have received, once all threads have told after [`count`](Self::count).
    pub(crate) fn received(&self) -> Option<Received> {
        let ledger = self.shared.ledger();
        (ledger.done_counting == self.threads.len()).then(|| ledger.received.clone())
    }

    /// Begins to close all connections, and opens no more.
    pub(crate) fn close(&mut self) {
        self.closing_since.get_or_insert_with(Instant::now);
        self.enter(Phase::Close);
    }

    fn enter(&self, phase: Phase) {
        self.shared.enter(phase);
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }

    /// The counts as they are now.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// What the visits of all threads have counted, as of some milliseconds ago.
    pub(crate) fn tally(&self) -> V::Tally {
        self.shared.tally()
    }

    /// Whether each connection has opened or failed, or been lost since.
    pub(crate) fn is_ramped(&self) -> bool {
        let counts = self.counts();
        counts.opened + counts.failed >= self.plan.connections as u64
    }

    /// Connections that are to be opened.
    pub(crate) fn wanted(&self) -> u64 {
        self.plan.connections as u64
    }

    /// How long nothing may come of connections that are being opened.
    pub(crate) fn patience(&self) -> Duration {
        let Plan { rate, timeouts, .. } = &*self.plan;
        timeouts.connect + timeouts.handshake + Duration::from_secs_f64(rate.map_or(0.0, f64::recip))
    }

    /// Whether a thread has ended though its connections are not to be closed, which none does unless it failed.
    pub(crate) fn has_ended_thread(&self) -> bool {
        self.closing_since.is_none() && self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Whether all threads have ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// How the opening went, so far.
    pub(crate) fn opening(&self) -> Opening {
        let counts = self.counts();
        let ramp_seconds = self.shared.ramp_time().as_secs_f64();
        let ledger = self.shared.ledger();
        let connections_per_second =
            if ramp_seconds > 0.0 { counts.opened as f64 / ramp_seconds } else { 0.0 };
        Opening {
            opened: counts.opened,
            failed: ledger.failed.clone(),
            ramp_seconds,
            connections_per_second,
            latency_us: ledger.latency.clone(),
            agreed: ledger.agreed.clone(),
        }
    }

    /// Waits for the end of all threads, after [`close`](Self::close).
    pub(crate) fn finish(mut self) -> anyhow::Result<(Outcome, V::Tally)> {
        self.close();
        let min_pings_held = self.counts().min_pings;
        self.join()?;
        let close_seconds = self.closing_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        let counts = self.counts();
        let ledger = self.shared.ledger();
        let outcome = Outcome {
            lost: ledger.lost.clone(),
            closed: counts.closed,
            unclean: ledger.unclean.clone(),
            pings_answered: counts.pings_answered,
            min_pings_held,
            messages_in: counts.messages_in,
            close_seconds,
        };
        Ok((outcome, self.tally()))
    }

    fn end_threads(&mut self) -> anyhow::Result<()> {
        self.enter(Phase::Abort);
        self.join()
    }

    /// Waits for the end of the threads; the first error of any is the result.
    fn join(&mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
            let ended = thread.join().unwrap_or_else(|_| Err(anyhow!("a client thread panicked: a bug")));
            result = result.and(ended);
        }
        result
    }
}

impl<V: Visits> Drop for Engine<V> {
    fn drop(&mut self) {
        // What went wrong in a thread has been reported, or the caller has something worse to tell.
        let _ = self.end_threads();
    }
}
