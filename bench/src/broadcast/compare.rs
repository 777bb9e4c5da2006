//! The rounds of each server put together, and servers held against each other.

use super::report::{BroadcastReport, Comparison, Measurement, Summary};
use crate::measure::spread::Spread;

impl BroadcastReport {
    /// Puts the rounds of each server together, and compares it with those it is to be held against: `(server, beside)`.
    pub(super) fn summarize(&mut self, pairs: &[(String, String)]) {
        let mut names: Vec<&String> = Vec::new();
        for round in &self.rounds {
            if !names.contains(&&round.server) {
                names.push(&round.server);
            }
        }
        self.servers = names.iter().map(|name| self.summary(name)).collect();
        self.comparisons = pairs.iter().map(|(server, beside)| self.comparison(server, beside)).collect();
    }

    fn summary(&self, name: &str) -> Summary {
        let spread = |figure: fn(&Measurement) -> Option<f64>| {
            Spread::of(self.rounds.iter().filter(|round| round.server == name).filter_map(figure))
        };
        Summary {
            server: name.to_owned(),
            server_us_per_delivery: spread(cpu),
            deliveries_per_second: spread(|round| Some(round.deliveries_per_second)),
            p50_us: spread(p50),
            p99_us: spread(p99),
            last_us: spread(last),
            loop_us: spread(|round| Some(whole(round.loop_us.as_ref()?.percentiles().max))),
            user_bytes: spread(|round| round.memory_peak.user_bytes.map(whole)),
        }
    }

    fn comparison(&self, server: &str, beside: &str) -> Comparison {
        let of = |name: &str, number| {
            self.rounds.iter().find(|round| round.server == name && round.round == number)
        };
        let numbers = || 1..=self.rounds.iter().map(|round| round.round).max().unwrap_or(0);
        let spread = |figure: fn(&Measurement) -> Option<f64>| {
            let ratio = |number| {
                let ratio = figure(of(server, number)?)? / figure(of(beside, number)?)?;
                ratio.is_finite().then_some(ratio)
            };
            Spread::of(numbers().filter_map(ratio))
        };
        Comparison {
            server: server.to_owned(),
            beside: beside.to_owned(),
            cpu: spread(cpu),
            p50: spread(p50),
            p99: spread(p99),
            last: spread(last),
        }
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
        let cpu = report.comparisons[0].cpu.unwrap();
        assert!((cpu.median - 1.2).abs() < 1e-9 && (cpu.max - 1.5).abs() < 1e-9, "{cpu:?}");
        assert_eq!(report.comparisons[0].p99, None, "no latency was measured");
        let throng = report.servers.iter().find(|server| server.server == "throng").unwrap();
        assert!((throng.server_us_per_delivery.unwrap().median - 2.2).abs() < 1e-9);
    }
}
