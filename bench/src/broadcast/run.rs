//! One server measured from its start to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::args::BroadcastArgs;
use super::publishing::Publishing;
use super::report::{Cpu, Measurement};
use super::subject::{Subject, Variant};
use crate::engine::args::ClientArgs;
use crate::engine::driver::Driver;
use crate::engine::feed::Feed;
use crate::engine::target::Numbers;
use crate::engine::{Engine, FeedPlan, Plan};
use crate::measure::distribution::Distribution;
use crate::measure::interrupt::Interrupt;
use crate::measure::process::cpu_nanos;
use crate::measure::progress::Bars;
use crate::measure::sampler::{self, Sampler};
use crate::measure::watch::micros_each;

/// Connections that are being opened or closed at the same time.
const IN_FLIGHT: usize = 4096;
/// How long subscribers are left alone before anything is published: many a server answers a handshake before whoever has the
/// topic has heard of its subscriber.
const SETTLE: Duration = Duration::from_secs(1);
/// The server's histogram of iterations.
const LOOPS: &str = "loop_us";

/// Starts a server with subscribers, publishes, and ends both.
pub(super) fn measure(
    args: &BroadcastArgs,
    variant: Variant,
    round: u64,
    interrupt: &Interrupt,
) -> anyhow::Result<Measurement> {
    measure_subject(args, Subject::start(args, variant, interrupt)?, variant, round, interrupt)
}

/// Opens subscribers to a server that is there, publishes, and ends both unless the server is somebody else's.
pub(super) fn measure_subject(
    args: &BroadcastArgs,
    mut subject: Subject<'_>,
    variant: Variant,
    round: u64,
    interrupt: &Interrupt,
) -> anyhow::Result<Measurement> {
    let feed = Arc::new(Feed::new(FeedPlan {
        topics: args.topics,
        size: args.size as usize,
        in_flight: args.in_flight,
        deaf_every: args.deaf.filter(|_| variant.deaf).map(|share| share.every),
        seed: args.client.seed,
    }));
    let plan = plan(args, variant, &subject, &feed)?;
    let readers = feed.readers(args.connections as usize);
    let (workers, private_tables) = subject.shape();
    let mut report = Measurement {
        server: variant.name(args),
        round,
        policy: variant.policy,
        deaf: u64::from(args.connections) - readers.iter().sum::<u64>(),
        workers,
        private_tables,
        client_threads: plan.threads.count,
        ..Measurement::default()
    };
    let publishing = Publishing {
        feed,
        rate: args.rate.per_second(),
        patience: args.patience,
        readers,
        batches: 0,
        expected: 0,
    };
    // The threads come first: each private table is a copy of this one, so it should be small.
    let engine = Engine::start(plan)?;
    report.memory_without = sampler::look(&subject.pids, true)?;
    let driver = Driver { engine, interrupt: interrupt.clone(), bars: Bars::new(args.output.progress) };
    let mut run = Run { driver, publishing, report };
    if run.ramp(args)? {
        run.stretch(args, &mut subject)?;
        run.count()?;
    }
    let Run { driver, mut report, .. } = run;
    let outcome = driver.close()?.0;
    (report.lost, report.unclean) = (outcome.lost, outcome.unclean);
    if let Err(error) = subject.stop() {
        report.unclean.count(format!("{error:#}"));
    }
    Ok(report)
}

fn plan(
    args: &BroadcastArgs,
    variant: Variant,
    subject: &Subject<'_>,
    feed: &Arc<Feed>,
) -> anyhow::Result<Plan> {
    let client = ClientArgs { to: subject.targets.clone(), ..args.client.clone() };
    Ok(Plan {
        in_flight: IN_FLIGHT,
        rate: args.connect_rate.per_second(),
        raw: false,
        sample_key: client.sample_key || variant.kind == super::subject::Kind::Floor,
        numbers: Numbers { first: 0, different: args.topics as usize },
        feed: Some(Arc::clone(feed)),
        ..Plan::of(&client, args.connections)?
    })
}

struct Run {
    driver: Driver,
    publishing: Publishing,
    report: Measurement,
}

impl Run {
    /// Opens the subscribers. `false` when one of them did not open.
    fn ramp(&mut self, args: &BroadcastArgs) -> anyhow::Result<bool> {
        let opening = self.driver.ramp("ramp")?;
        self.report.opened = opening.opened;
        self.report.failed = opening.failed;
        self.report.ramp_seconds = opening.ramp_seconds;
        self.driver.pass("settle", SETTLE)?;
        Ok(opening.opened == u64::from(args.connections))
    }

    /// Warms up and measures.
    fn stretch(&mut self, args: &BroadcastArgs, subject: &mut Subject<'_>) -> anyhow::Result<()> {
        let bar = self.driver.bars.counting("warm up", 0);
        let warmed = self.publishing.run(args.warm_up, subject, &self.driver, &bar)?;
        bar.finish_and_clear();
        let bar = self.driver.bars.counting("publish", 0);
        self.publishing.feed.measure_from(self.publishing.batches);
        self.report.memory_before = sampler::look(&subject.pids, true)?;
        let before =
            (subject.counters()?, cpu(&subject.pids)?, cpu_nanos(std::process::id())?, Instant::now());
        let sampler = Sampler::start(&subject.pids)?;
        let mut published = self.publishing.run(args.duration, subject, &self.driver, &bar)?;
        let (server, client) = (cpu(&subject.pids)?, cpu_nanos(std::process::id())?);
        let (counters, elapsed) = (subject.counters()?, before.3.elapsed());
        bar.finish_and_clear();
        self.report.memory_peak = sampler.finish()?;
        self.report.memory_after = sampler::look(&subject.pids, true)?;
        published.refused +=
            &warmed.refused.iter().map(|(reason, &n)| (format!("{reason}, warming up"), n)).collect();
        let deliveries = published.expected;
        let server = server.zip(before.1).map(|(after, before)| after.saturating_sub(before));
        self.report.cpu = Cpu {
            server_us_per_delivery: server.and_then(|nanos| micros_each(nanos, deliveries)),
            server_cores: server
                .map(|nanos| Duration::from_nanos(nanos).as_secs_f64() / elapsed.as_secs_f64()),
            client_us_per_delivery: micros_each(client.saturating_sub(before.2), deliveries),
        };
        self.report.loop_us = loops(&before.0, &counters);
        self.report.counters = changes(&before.0, &counters);
        self.report.published = published;
        Ok(())
    }

    /// Has the threads tell what they received.
    fn count(&mut self) -> anyhow::Result<()> {
        if self.report.deaf > 0 {
            self.wake()?;
        }
        self.driver.engine.count(self.publishing.feed.last_after(self.publishing.batches));
        let received = self.driver.until(Engine::received)?;
        for nanos in received.last_nanos.iter().filter(|nanos| **nanos > 0) {
            self.report.last_us.record(Duration::from_nanos(*nanos));
        }
        let nanos = received.last_receipt.saturating_sub(self.report.published.began);
        self.report.seconds = Duration::from_nanos(nanos).as_secs_f64();
        if nanos > 0 {
            self.report.deliveries_per_second = received.deliveries as f64 / self.report.seconds;
        }
        self.report.received = received;
        Ok(())
    }

    /// Has subscribers that never read find what there is for them, until nothing more comes.
    fn wake(&self) -> anyhow::Result<()> {
        let (mut found, mut since) = (self.driver.engine.counts().messages_in, Instant::now());
        self.driver.engine.wake();
        self.driver.until(|engine| {
            let now = engine.counts().messages_in;
            if now > found {
                (found, since) = (now, Instant::now());
            }
            (since.elapsed() >= SETTLE).then_some(())
        })
    }
}

/// Processor time of processes; `None` without any.
fn cpu(pids: &[u32]) -> anyhow::Result<Option<u64>> {
    let sum = pids.iter().map(|&pid| cpu_nanos(pid)).sum::<anyhow::Result<u64>>();
    if pids.is_empty() { Ok(None) } else { sum.map(Some) }
}

/// The histogram of iterations between two looks at the counters.
fn loops(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<Distribution> {
    let buckets = |counters: &Map<String, Value>| -> Option<Vec<(u64, u64)>> {
        serde_json::from_value(counters.get(LOOPS)?.clone()).ok()
    };
    Some(Distribution::from_buckets(&buckets(after)?, &buckets(before)?))
}

/// Counters that have changed, and by how much.
fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeMap<String, i64> {
    let changes = after.iter().filter_map(|(name, value)| {
        let change = value.as_i64()? - before.get(name).and_then(Value::as_i64).unwrap_or(0);
        (change != 0).then(|| (name.clone(), change))
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counters_are_told_by_their_changes() {
        let counters = |value: Value| value.as_object().cloned().unwrap();
        let before = counters(json!({ "open": 3, "dropped": 1, "loop_us": [[100, 2], [200, 1]] }));
        let after = counters(json!({ "open": 2, "dropped": 1, "new": 5, "loop_us": [[100, 2], [200, 4]] }));
        assert_eq!(
            changes(&before, &after),
            BTreeMap::from([("new".to_owned(), 5), ("open".to_owned(), -1)])
        );
        assert_eq!(loops(&before, &after).unwrap().buckets(), [(200, 3)]);
        assert_eq!(loops(&Map::new(), &Map::new()), None);
    }
}
