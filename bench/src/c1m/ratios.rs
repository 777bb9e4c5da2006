//! throng beside the floor, and what is asked of that.

use serde::{Deserialize, Serialize};

use super::report::{Measurement, RunReport};
use super::rounds::{Costs, Round, median};
use crate::measure::account::LEAST_CONNECTIONS;

/// throng over the floor with the same number of connections, in one call. `None` for what one of them has no figure of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratios {
    /// Ramp time.
    pub(crate) ramp: Option<f64>,
    /// Processor time of both sides in the ramp.
    pub(crate) ramp_cpu: Option<f64>,
    /// Processor time of the server for a handshake.
    pub(crate) handshake: Option<f64>,
    /// Processor time of the server for a ping cycle.
    pub(crate) ping_cycle: Option<f64>,
    /// Kernel bytes per connection, from [`LEAST_CONNECTIONS`] on.
    pub(crate) kernel: Option<f64>,
    /// What of throng's kernel memory was left when all connections had gone, from as many on.
    pub(crate) left: Option<f64>,
}

/// How the processor time of a ping cycle grew with the number of connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Growth {
    /// The smallest number of connections.
    pub(crate) from: u64,
    /// The largest.
    pub(crate) to: u64,
    /// throng's ping cycle at the largest number over that at the smallest.
    pub(crate) throng: f64,
    /// The floor's.
    pub(crate) floor: f64,
    /// The first over the second.
    pub(crate) ratio: f64,
}

/// What is asked of a figure, and whether it is so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    /// What is looked at.
    pub(crate) name: &'static str,
    /// The figure.
    pub(crate) value: f64,
    /// The most it may be.
    pub(crate) most: f64,
}

impl Goal {
    /// Whether it is as asked for.
    pub(crate) fn is_met(&self) -> bool {
        self.value <= self.most
    }
}

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
        let both = |of: fn(&Measurement) -> Option<f64>| {
            let (throng, floor) = of(throng).zip(of(floor))?;
            (floor > 0.0).then_some(throng / floor)
        };
        let is_many = throng.connections >= LEAST_CONNECTIONS;
        Self {
            ramp: both(|of| Some(of.ramp_seconds)),
            ramp_cpu: both(|of| Some(of.ramp_cpu.both())),
            handshake: both(|of| Some(of.ramp_cpu.server_us_per_handshake)),
            ping_cycle: both(|of| Some(of.hold.as_ref()?.cpu_us_per_ping_cycle)),
            kernel: both(|of| Some(of.kernel.as_ref()?.server_bytes_per_connection)).filter(|_| is_many),
            left: left(throng).filter(|_| is_many),
        }
    }

    /// The median of each.
    pub(crate) fn medians(all: &[Self]) -> Self {
        let of = |field: fn(&Self) -> Option<f64>| median(all.iter().filter_map(field));
        Self {
            ramp: of(|ratios| ratios.ramp),
            ramp_cpu: of(|ratios| ratios.ramp_cpu),
            handshake: of(|ratios| ratios.handshake),
            ping_cycle: of(|ratios| ratios.ping_cycle),
            kernel: of(|ratios| ratios.kernel),
            left: of(|ratios| ratios.left),
        }
    }

    /// What is asked of them.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let goal = |name, value: Option<f64>, most| value.map(|value| Goal { name, value, most });
        let off = self.kernel.map(|kernel| (kernel - 1.0).abs());
        [
            goal("processor time of a handshake over the floor's", self.handshake, Self::HANDSHAKE_GOAL),
            goal("processor time of a ping cycle over the floor's", self.ping_cycle, Self::PING_CYCLE_GOAL),
            goal("kernel bytes per connection, off the floor's by", off, Self::KERNEL_GOAL),
            goal("kernel memory that did not come back", self.left, Self::LEFT_GOAL),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Growth {
    /// The growth may be so many times the floor's.
    pub(crate) const GOAL: f64 = 1.1;

    /// Compares the first with the last of several runs, each by the median of its rounds.
    pub(crate) fn of(runs: &[RunReport]) -> Option<Self> {
        let (first, last) = (runs.first()?, runs.last()?);
        let cycle = |run: &RunReport, of: fn(&Round) -> Option<&Costs>| {
            median(run.rounds.iter().filter_map(|round| of(round)?.ping_cycle_us))
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

/// The part of the connections' kernel memory that was not given back.
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
            floor: None,
            throng: measured(1.0, throng, 1.0, 0),
            ratios: None,
            rounds: vec![Round { throng: costs(throng), floor: Some(costs(floor)), throng_first: false }],
        };
        let growth = Growth::of(&[run(10, 6.0, 5.0), run(100, 7.0, 6.0), run(1_000, 12.0, 10.0)]).unwrap();
        assert_eq!((growth.from, growth.to, growth.throng, growth.floor), (10, 1_000, 2.0, 2.0));
        assert!(growth.goal().is_met());
        assert!(Growth::of(&[run(10, 6.0, 5.0)]).is_none());
    }
}
