//! `throng-bench broadcast`: how messages reach the subscribers of topics, whether all of them do, and at what cost.

mod args;
mod compare;
mod pace;
mod page;
mod publisher;
mod publishing;
mod report;
mod run;
mod subject;

use crate::measure::environment::{Environment, today};
use crate::measure::interrupt::Interrupt;
use crate::report::deliver;
use crate::servers::running::Running;

pub(crate) use args::BroadcastArgs;
pub(crate) use report::{BroadcastReport, Measurement, SCHEMA};
use subject::{Kind, Subject, Variant};

/// Runs the command. `false` when a subscriber failed, or did not get every message once and in order.
pub(crate) fn run(args: &BroadcastArgs) -> anyhow::Result<bool> {
    let report = measure(args, &Interrupt::listen()?)?;
    deliver(&report, args.output.json.as_deref(), Some(&args.results))
}

/// Measures the server that is given, or those of its own by turns.
pub(crate) fn measure(args: &BroadcastArgs, interrupt: &Interrupt) -> anyhow::Result<BroadcastReport> {
    subject::check(args)?;
    let mut report = BroadcastReport {
        schema: SCHEMA,
        date: today(),
        environment: Environment::read(),
        connections: u64::from(args.connections),
        topics: u64::from(args.topics),
        size: u64::from(args.size),
        in_flight: u64::from(args.in_flight),
        rate: args.rate.per_second(),
        seed: args.client.seed,
        ..BroadcastReport::default()
    };
    let variants = Variant::all(args);
    for round in 1..=args.rounds {
        let mut order = variants.clone();
        // Memory that the first one has touched is faster for the second, so they take turns in that too.
        if round % 2 == 0 {
            order.reverse();
        }
        for variant in order {
            report.rounds.push(run::measure(args, variant, u64::from(round), interrupt)?);
        }
    }
    report.summarize(&pairs(args, &variants));
    Ok(report)
}

/// Measures the hub of throng or the floor, which somebody has started and will end.
pub(crate) fn measure_lent(
    args: &BroadcastArgs,
    server: &mut Running,
    interrupt: &Interrupt,
) -> anyhow::Result<Measurement> {
    let kind = if server.admin().is_some() { Kind::Throng } else { Kind::Floor };
    let variant = Variant { kind, policy: None, deaf: false };
    run::measure_subject(args, Subject::lent(args, server)?, variant, 1, interrupt)
}

/// What is held against what: throng against the floor, and servers with deaf subscribers against the same without.
fn pairs(args: &BroadcastArgs, variants: &[Variant]) -> Vec<(String, String)> {
    let plain = |kind| Variant { kind, policy: None, deaf: false };
    let beside = |variant: &Variant| match variant {
        Variant { deaf: true, kind, .. } => Some(plain(*kind)),
        Variant { kind: Kind::Throng, .. } => Some(plain(Kind::Floor)),
        _ => None,
    };
    let pairs = variants.iter().filter_map(|variant| {
        let beside = beside(variant).filter(|beside| variants.contains(beside))?;
        Some((variant.name(args), beside.name(args)))
    });
    pairs.collect()
}
