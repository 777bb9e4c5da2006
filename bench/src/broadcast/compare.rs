//! The rounds of each server put together, and servers held against each other.

use super::report::{BroadcastReport, Comparison, Measurement, Summary};
use crate::report::figure::{Figure, grouped, ratios, spreads};

/// What the rounds of one server come to.
pub(super) const FIGURES: [Figure<Measurement>; 7] = [
    figure("server_us_per_delivery", "CPU us/delivery", 1.0, 3, cpu),
    figure("deliveries_per_second", "deliveries/s", 1.0, 0, |round| Some(round.deliveries_per_second)),
    figure("p50_us", "p50 ms", 1e3, 2, p50),
    figure("p99_us", "p99 ms", 1e3, 2, p99),
    figure("last_us", "last ms", 1e3, 2, last),
    figure("loop_us", "loop ms", 1e3, 2, |round| Some(whole(round.loop_us.as_ref()?.percentiles().max))),
    figure("user_bytes", "user MiB", MIB, 1, |round| round.memory_peak.user_bytes.map(whole)),
];

/// What one server is held against another by, in the same rounds.
pub(super) const RATIOS: [Figure<Measurement>; 4] = [
    figure("cpu", "CPU", 1.0, 2, cpu),
    figure("p50", "p50", 1.0, 2, p50),
    figure("p99", "p99", 1.0, 2, p99),
    figure("last", "last", 1.0, 2, last),
];

const MIB: f64 = 1024.0 * 1024.0;

const fn figure(
    key: &'static str,
    name: &'static str,
    scale: f64,
    digits: usize,
    of: fn(&Measurement) -> Option<f64>,
) -> Figure<Measurement> {
    Figure { key, name, scale, unit: "", digits, of }
}

impl BroadcastReport {
    /// Puts the rounds of each server together, and compares it with those it is to be held against: `(server, beside)`.
    pub(super) fn summarize(&mut self, pairs: &[(String, String)]) {
        self.servers = grouped(&self.rounds, |round| &round.server)
            .map(|(server, rounds)| Summary {
                server: server.to_owned(),
                figures: spreads(&FIGURES, rounds.iter().copied()),
            })
            .collect();
        self.comparisons = pairs.iter().map(|(server, beside)| self.comparison(server, beside)).collect();
    }

    fn comparison(&self, server: &str, beside: &str) -> Comparison {
        let of_server = self.rounds.iter().filter(|round| round.server == server);
        let pairs = of_server.filter_map(|one| {
            let is_other = |other: &&Measurement| other.server == beside && other.round == one.round;
            Some((one, self.rounds.iter().find(is_other)?))
        });
        Comparison { server: server.to_owned(), beside: beside.to_owned(), ratios: ratios(&RATIOS, pairs) }
    }
}

fn cpu(round: &Measurement) -> Option<f64> {
    round.cpu.server_us_per_delivery
}

fn p50(round: &Measurement) -> Option<f64> {
    Some(whole(round.received.latency_us.value_at(0.5)))
}

fn p99(round: &Measurement) -> Option<f64> {
    Some(whole(round.received.latency_us.value_at(0.99)))
}

fn last(round: &Measurement) -> Option<f64> {
    Some(whole(round.last_us.percentiles().max))
}

const fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::report::Cpu;

    fn measured(server: &str, round: u64, cpu: f64) -> Measurement {
        Measurement {
            server: server.to_owned(),
            round,
            cpu: Cpu { server_us_per_delivery: Some(cpu), ..Cpu::default() },
            ..Measurement::default()
        }
    }

    #[test]
    fn rounds_are_compared_with_those_of_the_same_number() {
        let rounds = vec![
            measured("floor", 1, 1.0),
            measured("throng", 1, 1.2),
            measured("throng", 2, 6.0),
            measured("floor", 2, 4.0),
            measured("floor", 3, 2.0),
            measured("throng", 3, 2.2),
        ];
        let mut report = BroadcastReport { rounds, ..BroadcastReport::default() };
        report.summarize(&[("throng".to_owned(), "floor".to_owned())]);
        let cpu = report.comparisons[0].ratios["cpu"].unwrap();
        assert!((cpu.median - 1.2).abs() < 1e-9 && (cpu.max - 1.5).abs() < 1e-9, "{cpu:?}");
        assert_eq!(report.comparisons[0].ratios["p99"], None, "no latency was measured");
        let throng = report.servers.iter().find(|server| server.server == "throng").unwrap();
        assert!((throng.figures["server_us_per_delivery"].unwrap().median - 2.2).abs() < 1e-9);
    }
}
