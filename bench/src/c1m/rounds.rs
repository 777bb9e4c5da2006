//! Several rounds with one number of connections, and the one in their middle.

use super::report::{Costs, Measurement, Ratios, Round, RunReport};
use crate::plot::Timeline;

/// What a measurement comes to.
pub(crate) struct Measured {
    pub(crate) report: Measurement,
    pub(crate) timeline: Timeline,
}

/// One server, or both, measured once.
pub(super) struct Pair {
    pub(super) throng: Measured,
    pub(super) floor: Option<Measured>,
    pub(super) throng_first: bool,
}

/// Tells of the round in the middle in full, and of the others what they came to. `None` without a round.
pub(super) fn settle(mut pairs: Vec<Pair>) -> Option<(RunReport, Vec<Timeline>)> {
    let rounds: Vec<Round> = pairs.iter().map(Round::of).collect();
    let all: Vec<Ratios> = pairs.iter().filter_map(Pair::ratios).collect();
    let ratios = (!all.is_empty()).then(|| Ratios::medians(&all));
    let middle = middle(&rounds)?;
    let problems = |of: fn(&Pair) -> Option<&Measurement>| {
        let others = pairs.iter().enumerate().filter(|(number, _)| *number != middle);
        let told = |(number, pair)| {
            let problems = of(pair).map_or(&[][..], |measurement| &measurement.problems);
            problems.iter().map(move |problem| format!("round {}: {problem}", number + 1))
        };
        others.flat_map(told).collect::<Vec<_>>()
    };
    let throng_problems = problems(|pair| Some(&pair.throng.report));
    let floor_problems = problems(|pair| Some(&pair.floor.as_ref()?.report));
    let Pair { mut throng, floor, .. } = pairs.swap_remove(middle);
    throng.report.problems.extend(throng_problems);
    let (floor, floor_timeline) = floor.map(|floor| (floor.report, floor.timeline)).unzip();
    let floor = floor.map(|mut floor| {
        floor.problems.extend(floor_problems);
        floor
    });
    let connections = throng.report.connections;
    let report = RunReport { connections, floor, throng: throng.report, ratios, rounds };
    Some((report, floor_timeline.into_iter().chain([throng.timeline]).collect()))
}

impl Round {
    fn of(pair: &Pair) -> Self {
        let floor = pair.floor.as_ref().map(|floor| Costs::of(&floor.report));
        Self { throng: Costs::of(&pair.throng.report), floor, throng_first: pair.throng_first }
    }

    /// By what rounds are ordered: the ping cycle beside the floor's, or what there is of it.
    fn rank(&self) -> f64 {
        let cost = |costs: &Costs| costs.ping_cycle_us.unwrap_or(costs.handshake_us);
        cost(&self.throng) / self.floor.as_ref().map_or(1.0, cost)
    }
}

impl Costs {
    fn of(measurement: &Measurement) -> Self {
        Self {
            ramp_seconds: measurement.ramp_seconds,
            handshake_us: measurement.ramp_cpu.server_us_per_handshake,
            ping_cycle_us: measurement.hold.as_ref().map(|hold| hold.cpu_us_per_ping_cycle),
        }
    }
}

impl Pair {
    fn ratios(&self) -> Option<Ratios> {
        Some(Ratios::of(&self.throng.report, &self.floor.as_ref()?.report))
    }
}

/// The place of the round in the middle.
fn middle(rounds: &[Round]) -> Option<usize> {
    let mut places: Vec<usize> = (0..rounds.len()).collect();
    places.sort_by(|&a, &b| rounds[a].rank().total_cmp(&rounds[b].rank()));
    places.get(places.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c1m::report::Hold;

    fn measured(server: &str, cycle: f64, problem: Option<&str>) -> Measured {
        let report = Measurement {
            server: server.to_owned(),
            connections: 10,
            hold: Some(Hold { cpu_us_per_ping_cycle: cycle, ..Hold::default() }),
            problems: problem.map(str::to_owned).into_iter().collect(),
            ..Measurement::default()
        };
        Measured { report, timeline: Timeline { title: format!("{server} {cycle}"), ..Timeline::default() } }
    }

    #[test]
    fn the_round_in_the_middle_stands_for_all_and_no_problem_is_lost() {
        let pair = |throng, floor, problem| Pair {
            throng: measured("throng", throng, problem),
            floor: Some(measured("floor", floor, None)),
            throng_first: false,
        };
        let pairs = vec![pair(20.0, 10.0, Some("lost")), pair(12.0, 10.0, None), pair(9.0, 10.0, None)];
        let (run, timelines) = settle(pairs).unwrap();
        assert!((run.throng.hold.unwrap().cpu_us_per_ping_cycle - 12.0).abs() < 1e-9);
        assert_eq!(run.throng.problems, ["round 1: lost"]);
        assert!((run.ratios.unwrap().get("ping_cycle").unwrap() - 1.2).abs() < 1e-9);
        assert_eq!(
            run.rounds.iter().map(|round| round.throng.ping_cycle_us.unwrap()).collect::<Vec<_>>(),
            [20.0, 12.0, 9.0]
        );
        assert_eq!(
            timelines.iter().map(|timeline| &timeline.title[..]).collect::<Vec<_>>(),
            ["floor 10", "throng 12"]
        );
        assert!(settle(Vec::new()).is_none());
    }
}
