//! What was not as it should be.

use super::report::Measurement;
use crate::hold::report::HoldReport;

/// Notes the problems of a measurement whose clients have closed.
pub(super) fn judge(report: &mut Measurement, closed: &HoldReport) {
    let mut problems = Vec::new();
    let mut problem = |is_one: bool, text: String| {
        if is_one {
            problems.push(text);
        }
    };
    let (asked, opened) = (closed.connections, report.opened);
    problem(opened < asked, format!("{} of {asked} connections did not open", asked - opened));
    let lost = closed.outcome.lost.sum();
    problem(lost > 0, format!("{lost} connections were lost"));
    let unclean = closed.outcome.unclean.sum();
    problem(unclean > 0, format!("{unclean} connections were not closed in order"));
    let left = report.after.server_open;
    problem(left > 0, format!("the server counts {left} open connections after all have left"));
    for (when, both) in
        [("after the ramp", report.open_after_ramp), ("after the hold", report.open_after_hold)]
    {
        let text = format!(
            "{when} the clients count {} open connections and the server {}",
            both.client, both.server
        );
        problem(both.client != both.server, text);
    }
    if let Some(hold) = &report.hold {
        let (min, cycles) = (hold.min_pings_per_connection, u64::from(hold.cycles));
        problem(min < cycles, format!("a connection answered {min} pings in {cycles} cycles"));
        let timeouts = hold.pong_timeouts;
        problem(timeouts > 0, format!("the server missed the pongs of {timeouts} connections"));
    }
    if let Some(probe) = &report.probe {
        problem(probe.sent == 0, "the probe sent nothing".to_owned());
        for (reason, count) in probe.wrong.iter() {
            problem(true, format!("{count} probes went wrong: {reason}"));
        }
    }
    report.problems.append(&mut problems);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c1m::report::{After, BothSides, Hold};
    use crate::engine::Echoed;
    use crate::measure::reasons::Reasons;

    fn problems(change: impl FnOnce(&mut Measurement, &mut HoldReport)) -> String {
        let both = BothSides { client: 10, server: 10 };
        let mut report = Measurement {
            opened: 10,
            open_after_ramp: both,
            open_after_hold: both,
            hold: Some(Hold { cycles: 2, min_pings_per_connection: 2, ..Hold::default() }),
            ..Measurement::default()
        };
        let mut closed = HoldReport { connections: 10, ..HoldReport::default() };
        change(&mut report, &mut closed);
        judge(&mut report, &closed);
        report.problems.join("; ")
    }

    #[test]
    fn everything_that_may_go_wrong_is_told() {
        assert_eq!(problems(|_, _| ()), "");
        assert!(problems(|m, _| m.opened = 9).contains("1 of 10 connections did not open"));
        let lost = problems(|_, closed| closed.outcome.lost = Reasons::from([("held: reset".to_owned(), 3)]));
        assert_eq!(lost, "3 connections were lost");
        let unclean =
            problems(|_, closed| closed.outcome.unclean = Reasons::from([("close: nothing".to_owned(), 2)]));
        assert_eq!(unclean, "2 connections were not closed in order");
        assert!(problems(|m, _| m.after = After { server_open: 4, ..After::default() }).contains("counts 4"));
        assert!(
            problems(|m, _| m.open_after_hold.server = 8)
                .contains("count 10 open connections and the server 8")
        );
        assert!(
            problems(|m, _| m.hold.as_mut().unwrap().min_pings_per_connection = 1).contains("1 pings in 2")
        );
        assert!(problems(|m, _| m.hold.as_mut().unwrap().pong_timeouts = 5).contains("pongs of 5"));
        let wrong = Reasons::from([("echo: of other bytes".to_owned(), 6)]);
        let probe = Echoed { sent: 10, received: 4, wrong, ..Echoed::default() };
        let told = problems(|m, _| m.probe = Some(probe));
        assert_eq!(told, "6 probes went wrong: echo: of other bytes");
        assert!(problems(|m, _| m.probe = Some(Echoed::default())).contains("sent nothing"));
    }
}
