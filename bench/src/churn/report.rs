//! What a churn came to, and whether that is what it should be.

use serde::Serialize;
use throng::Stats;

use super::samples::{Growth, Sample, disturbance};
use super::visits::Visits;
use crate::engine::{Opening, Outcome};
use crate::measure::environment::Environment;

/// User memory may be so much more after all have left than before they came: what allocators keep at hand.
const LEFT_BYTES: u64 = 16 << 20;

/// The report. The names of its fields in JSON are stable; docs/RESULTS.md explains them.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ChurnReport {
    pub(crate) environment: Environment,
    pub(crate) held: u64,
    pub(crate) population: u64,
    pub(crate) life_seconds: f64,
    pub(crate) pause_seconds: f64,
    pub(crate) ping_period_seconds: f64,
    pub(crate) seed: u64,
    pub(crate) server_workers: usize,
    pub(crate) private_tables: bool,
    pub(crate) sources: usize,
    pub(crate) opening: Opening,
    pub(crate) outcome: Outcome,
    pub(crate) held_seconds: f64,
    pub(crate) warm_up_seconds: f64,
    pub(crate) steady_seconds: f64,
    pub(crate) visits: Visits,
    pub(crate) visits_per_second: f64,
    pub(crate) user: Growth,
    pub(crate) user_in_all: Growth,
    pub(crate) kernel: Option<Growth>,
    pub(crate) kernel_unjudged: Option<String>,
    pub(crate) after: After,
    pub(crate) server: Stats,
    pub(crate) samples: Vec<Sample>,
    pub(crate) problems: Vec<String>,
}

/// What is left when all have gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct After {
    pub(crate) user_at_start: u64,
    pub(crate) user: u64,
    pub(crate) open: u64,
    pub(crate) sockets: u64,
    pub(crate) buffered_bytes: u64,
    pub(crate) settled_seconds: f64,
}

impl After {
    /// Whether nothing is left that should not be.
    pub(super) fn is_clean(&self) -> bool {
        self.has_memory_back() && (self.open, self.sockets, self.buffered_bytes) == (0, 0, 0)
    }

    pub(super) fn has_memory_back(&self) -> bool {
        self.user <= self.user_at_start + LEFT_BYTES
    }
}

impl ChurnReport {
    /// Works out growth and problems from all that is known.
    pub(super) fn judge(&mut self) {
        // What visitors have it keep for them is their load, which goes up and down with them and is nothing at the end.
        let of_its_own = |sample: &Sample| Some(sample.user_bytes.saturating_sub(sample.buffered_bytes));
        self.user = Growth::of(&self.samples, of_its_own).unwrap_or_default();
        self.user_in_all = Growth::of(&self.samples, |sample| Some(sample.user_bytes)).unwrap_or_default();
        self.kernel = Growth::of(&self.samples, |sample| sample.kernel_bytes);
        self.kernel_unjudged = self.kernel.and_then(|kernel| disturbance(&self.samples, &kernel));
        self.judge_held();
        self.judge_visits();
        self.judge_server();
    }

    fn problem(&mut self, is_one: bool, text: impl FnOnce(&Self) -> String) {
        if is_one {
            let text = text(self);
            self.problems.push(text);
        }
    }

    fn judge_held(&mut self) {
        let (lost, unclean) = (self.outcome.lost.sum(), self.outcome.unclean.sum());
        self.problem(self.opening.opened < self.held, |r| {
            format!("{} of {} held connections did not open", r.held - r.opening.opened, r.held)
        });
        self.problem(lost > 0, |_| format!("{lost} held connections were lost"));
        self.problem(unclean > 0, |_| format!("{unclean} held connections were not closed in order"));
        // The Ping of the first period may have come before the hold, and that of the last may be yet to come.
        let periods = (self.held_seconds / self.ping_period_seconds).floor() - 1.0;
        let missed = (self.outcome.min_pings_held as f64) < periods;
        self.problem(missed, |r| {
            let pings = r.outcome.min_pings_held;
            format!("a held connection answered {pings} pings in {:.0} s", r.held_seconds)
        });
    }

    fn judge_visits(&mut self) {
        let visits = &self.visits;
        let (failed, lost, unclean) = (visits.failed.sum(), visits.lost.sum(), visits.unclean.sum());
        self.problem(failed > 0, |_| format!("{failed} visitors could not connect"));
        self.problem(lost > 0, |_| format!("{lost} visitors were lost before they meant to leave"));
        self.problem(unclean > 0, |_| format!("{unclean} visitors could not close in order"));
        let opened = self.opening.opened + self.visits.opened;
        // The server's answer may have been on its way to those who gave up or failed.
        let unsure = self.visits.given_up + failed + self.opening.failed.sum();
        let is_off = !(opened..=opened + unsure).contains(&self.server.opened);
        self.problem(is_off, |r| {
            format!("the clients opened {opened} connections, and the server counts {}", r.server.opened)
        });
    }

    fn judge_server(&mut self) {
        self.problem(!self.user.met, |_| "the server's user memory grew".to_owned());
        let kernel_grew = self.kernel_unjudged.is_none() && self.kernel.is_some_and(|kernel| !kernel.met);
        self.problem(kernel_grew, |_| "the kernel's memory for connections grew".to_owned());
        let after = self.after.clone();
        self.problem(!after.has_memory_back(), |_| {
            let kept = after.user - after.user_at_start;
            format!("the server keeps {kept} bytes of user memory more than at the start")
        });
        for (count, what) in [
            (after.open, "WebSockets are still open"),
            (after.sockets, "sockets are still held"),
            (after.buffered_bytes, "bytes are still buffered"),
            (self.server.bugs, "bugs were survived"),
            (self.server.protocol_errors, "protocol errors were seen where there were none"),
            (
                self.server.refused_at_limit + self.server.dropped_at_limit,
                "connections were refused at a limit",
            ),
        ] {
            self.problem(count > 0, |_| format!("the server: {count} {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::reasons::Reasons;

    fn good() -> ChurnReport {
        let mut report = ChurnReport { held: 2, held_seconds: 60.0, ..ChurnReport::default() };
        report.ping_period_seconds = 20.0;
        report.opening.opened = 2;
        report.outcome.min_pings_held = 2;
        report.visits.opened = 3;
        report.server.opened = 5;
        report
    }

    fn problems(change: impl FnOnce(&mut ChurnReport)) -> String {
        let mut report = good();
        change(&mut report);
        // There are no samples here to work it out from.
        report.user.met = true;
        report.judge_held();
        report.judge_visits();
        report.judge_server();
        report.problems.join("; ")
    }

    #[test]
    fn a_good_run_has_no_problems() {
        assert_eq!(problems(|_| ()), "");
        // One who gave up may have been opened or not.
        assert_eq!(problems(|r| (r.visits.given_up, r.server.opened) = (1, 6)), "");
    }

    #[test]
    fn each_missed_bar_is_a_problem() {
        let one = || Reasons::from([("held: reset by the server".to_owned(), 1)]);
        for (found, words) in [
            (problems(|r| r.opening.opened = 1), "1 of 2 held connections did not open"),
            (problems(|r| r.outcome.lost = one()), "1 held connections were lost"),
            (problems(|r| r.outcome.min_pings_held = 1), "answered 1 pings in 60 s"),
            (problems(|r| r.visits.failed = one()), "1 visitors could not connect"),
            (problems(|r| r.visits.lost = one()), "1 visitors were lost"),
            (problems(|r| r.visits.unclean = one()), "1 visitors could not close"),
            (problems(|r| r.server.opened = 6), "the server counts 6"),
            (problems(|r| r.server.opened = 4), "the server counts 4"),
            (problems(|r| r.kernel = Some(Growth::default())), "the kernel's memory"),
            (problems(|r| r.after.user = LEFT_BYTES + 1), "keeps 16777217 bytes"),
            (problems(|r| r.after.buffered_bytes = 9), "9 bytes are still buffered"),
            (problems(|r| r.server.bugs = 1), "1 bugs"),
        ] {
            assert!(found.contains(words), "{words}: {found}");
        }
        let unjudged = |r: &mut ChurnReport| {
            (r.kernel, r.kernel_unjudged) = (Some(Growth::default()), Some("others".to_owned()));
        };
        assert_eq!(problems(unjudged), "");
    }
}
