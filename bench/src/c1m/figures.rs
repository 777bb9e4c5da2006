//! What is taken from a measurement, throng beside the floor, and what is asked of that.

use super::report::{Costs, Growth, Measurement, Ratios, Round, RunReport};
use crate::measure::account::LEAST_CONNECTIONS;
use crate::measure::distribution::Distribution;
use crate::measure::spread::lower_median;
use crate::report::figure::{Figure, ratio};
use crate::report::judge::Goal;
use crate::report::units::{mib, millis};

/// All that is told of each server, in the order in which people read it.
pub(super) const FIGURES: [Figure<Measurement>; 20] = [
    figure("held", "held to the end, by the clients' count", 0, "", |m| Some(m.held().client as f64)),
    figure("held_by_server", "the same, by the server's", 0, "", |m| Some(m.held().server as f64)),
    figure("user", "user memory a connection", 1, " B", |m| Some(m.user.server_bytes_per_connection)),
    figure("user_in_all", "user memory of the server in all", 1, " MiB", |m| Some(mib(m.user.server_at_n))),
    figure("kernel", "kernel memory a connection, the server's end", 0, " B", |m| {
        Some(m.kernel.as_ref()?.server_bytes_per_connection)
    }),
    figure("ramp", "time to open all", 1, " s", |m| Some(m.ramp_seconds)),
    figure("ramp_cpu", "processor time of both ends meanwhile", 1, " s", |m| {
        Some(m.ramp_cpu.server_seconds + m.ramp_cpu.client_seconds)
    }),
    figure("opened", "opened a second", 0, "", |m| Some(m.connections_per_second)),
    figure("handshake", "server's processor time a handshake", 2, " us", |m| {
        Some(m.ramp_cpu.server_us_per_handshake)
    }),
    figure("ping_cycle", "server's processor time a ping cycle", 2, " us", |m| {
        Some(m.hold.as_ref()?.cpu_us_per_ping_cycle)
    }),
    figure("cores", "cores of the server while holding", 3, "", |m| Some(m.hold.as_ref()?.server_cpu_cores)),
    latency("handshake, p50", |m| at(0.5, handshake(m))),
    latency("handshake, p99", |m| at(0.99, handshake(m))),
    latency("handshake, p99.9", |m| at(0.999, handshake(m))),
    latency("ping round trip, p50", |m| at(0.5, ping(m))),
    latency("ping round trip, p99", |m| at(0.99, ping(m))),
    latency("ping round trip, p99.9", |m| at(0.999, ping(m))),
    latency("echo, p50", |m| at(0.5, echo(m))),
    latency("echo, p99", |m| at(0.99, echo(m))),
    latency("echo, p99.9", |m| at(0.999, echo(m))),
];

/// What a latency is taken from, if it was measured.
pub(super) type Latency = fn(&Measurement) -> Option<&Distribution>;

/// All latencies: in names of files, for people, and where they are.
pub(super) const LATENCIES: [(&str, &str, Latency); 3] =
    [("handshake", "Handshake", handshake), ("ping", "Ping round trip", ping), ("echo", "Echo", echo)];

fn handshake(measurement: &Measurement) -> Option<&Distribution> {
    Some(&measurement.handshake_us).filter(|latency| latency.count() > 0)
}

fn ping(measurement: &Measurement) -> Option<&Distribution> {
    measurement.hold.as_ref().map(|hold| &hold.ping_rtt_us).filter(|latency| latency.count() > 0)
}

fn echo(measurement: &Measurement) -> Option<&Distribution> {
    measurement.probe.as_ref().map(|probe| &probe.latency_us).filter(|latency| latency.count() > 0)
}

const fn figure(
    key: &'static str,
    name: &'static str,
    digits: usize,
    unit: &'static str,
    of: fn(&Measurement) -> Option<f64>,
) -> Figure<Measurement> {
    Figure { key, name, scale: 1.0, digits, unit, of }
}

const fn latency(name: &'static str, of: fn(&Measurement) -> Option<f64>) -> Figure<Measurement> {
    figure(name, name, 2, " ms", of)
}

fn at(quantile: f64, latency: Option<&Distribution>) -> Option<f64> {
    latency.map(|latency| millis(latency.value_at(quantile)))
}

/// What a measurement's files are called by: the server and the number of connections.
pub(super) fn label(measurement: &Measurement) -> String {
    format!("{}-{}", measurement.server, measurement.connections)
}

/// One of [`FIGURES`].
pub(super) fn of(key: &str, measurement: &Measurement) -> Option<f64> {
    FIGURES.iter().find(|figure| figure.key == key).and_then(|figure| (figure.of)(measurement))
}

/// What throng is held against the floor by.
const COMPARED: [&str; 5] = ["ramp", "ramp_cpu", "handshake", "ping_cycle", "kernel"];
/// The part of the connections' kernel memory that was not given back.
const LEFT: &str = "left";

impl Ratios {
    /// A handshake may take so many times the floor's processor time.
    pub(crate) const HANDSHAKE_GOAL: f64 = 1.3;
    /// A ping cycle may take so many times the floor's processor time.
    pub(crate) const PING_CYCLE_GOAL: f64 = 1.3;
    /// Kernel bytes per connection may differ from the floor's by so much.
    pub(crate) const KERNEL_GOAL: f64 = 0.02;
    /// So much of the connections' kernel memory may be left when they have gone: slabs kept for reuse.
    pub(crate) const LEFT_GOAL: f64 = 0.02;

    /// Compares.
    pub(crate) fn of(throng: &Measurement, floor: &Measurement) -> Self {
        let is_many = throng.connections >= LEAST_CONNECTIONS;
        let over = |key| ratio(of(key, throng)?, of(key, floor)?).filter(|_| is_many || key != "kernel");
        let ratios = COMPARED.iter().map(|&key| (key, over(key)));
        let left = (LEFT, left(throng).filter(|_| is_many));
        Self(ratios.chain([left]).map(|(key, ratio)| (key.to_owned(), ratio)).collect())
    }

    /// The median of each.
    pub(crate) fn medians(all: &[Self]) -> Self {
        let median = |key: &str| lower_median(all.iter().filter_map(|ratios| ratios.get(key)));
        Self(COMPARED.iter().chain([&LEFT]).map(|&key| (key.to_owned(), median(key))).collect())
    }

    /// One of them.
    pub(crate) fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied().flatten()
    }

    /// What is asked of them.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let off = self.get("kernel").map(|kernel| (kernel - 1.0).abs());
        let goals = [
            ("processor time of a handshake over the floor's", self.get("handshake"), Self::HANDSHAKE_GOAL),
            (
                "processor time of a ping cycle over the floor's",
                self.get("ping_cycle"),
                Self::PING_CYCLE_GOAL,
            ),
            ("kernel bytes per connection, off the floor's by", off, Self::KERNEL_GOAL),
            ("kernel memory that did not come back", self.get(LEFT), Self::LEFT_GOAL),
        ];
        goals.into_iter().filter_map(|(name, value, most)| Some(Goal { name, value: value?, most })).collect()
    }
}

impl Growth {
    /// The growth may be so many times the floor's.
    pub(crate) const GOAL: f64 = 1.1;

    /// Compares the first with the last of several runs, each by the median of its rounds.
    pub(crate) fn of(runs: &[RunReport]) -> Option<Self> {
        let (first, last) = (runs.first()?, runs.last()?);
        let cycle = |run: &RunReport, of: fn(&Round) -> Option<&Costs>| {
            lower_median(run.rounds.iter().filter_map(|round| of(round)?.ping_cycle_us))
        };
        let growth = |of| Some(cycle(last, of)? / cycle(first, of)?);
        let throng = growth(|round| Some(&round.throng))?;
        let floor = growth(|round| round.floor.as_ref())?;
        let (from, to, ratio) = (first.connections, last.connections, throng / floor);
        (from < to && ratio.is_finite()).then_some(Self { from, to, throng, floor, ratio })
    }

    /// What is asked of it.
    pub(crate) const fn goal(&self) -> Goal {
        Goal { name: "growth of a ping cycle over the floor's", value: self.ratio, most: Self::GOAL }
    }
}

fn left(of: &Measurement) -> Option<f64> {
    let (left, taken) = (of.after.kernel_left?, of.kernel.as_ref()?.total_bytes);
    (taken > 0).then(|| (left as f64 / taken as f64).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c1m::report::{After, Hold};
    use crate::measure::kernel::KernelMemory;

    fn measured(handshake: f64, cycle: f64, kernel: f64, left: i64) -> Measurement {
        let kernel =
            KernelMemory { server_bytes_per_connection: kernel, total_bytes: 8_000, caches: Vec::new() };
        let mut measured = Measurement {
            connections: LEAST_CONNECTIONS,
            kernel: Some(kernel),
            after: After { kernel_left: Some(left), ..After::default() },
            hold: Some(Hold { cpu_us_per_ping_cycle: cycle, ..Hold::default() }),
            ..Measurement::default()
        };
        measured.ramp_cpu.server_us_per_handshake = handshake;
        measured
    }

    fn met(throng: &Measurement, floor: &Measurement) -> Vec<bool> {
        Ratios::of(throng, floor).goals().iter().map(Goal::is_met).collect()
    }

    #[test]
    fn goals_are_met_or_missed() {
        let floor = measured(10.0, 10.0, 4_000.0, 0);
        assert_eq!(met(&measured(12.9, 12.9, 4_050.0, 100), &floor), [true; 4]);
        assert_eq!(met(&measured(13.1, 13.1, 4_100.0, 200), &floor), [false; 4]);
        let few = Measurement { connections: 100, ..measured(13.1, 12.9, 9_000.0, 200) };
        assert_eq!(met(&few, &floor), [false, true]);
        assert_eq!(met(&measured(9.0, 9.0, 3_900.0, -5), &floor), [true, true, false, true]);
    }

    #[test]
    fn growth_is_compared_with_the_floors() {
        let costs = |cycle| Costs { ping_cycle_us: Some(cycle), ..Costs::default() };
        let run = |connections, throng, floor| RunReport {
            connections,
            rounds: vec![Round { throng: costs(throng), floor: Some(costs(floor)), throng_first: false }],
            ..RunReport::default()
        };
        let growth = Growth::of(&[run(10, 6.0, 5.0), run(100, 7.0, 6.0), run(1_000, 12.0, 10.0)]).unwrap();
        assert_eq!((growth.from, growth.to, growth.throng, growth.floor), (10, 1_000, 2.0, 2.0));
        assert!(growth.goal().is_met());
        assert!(Growth::of(&[run(10, 6.0, 5.0)]).is_none());
    }
}
