//! What each side needs so that nothing of this program's own runs out: ports, descriptors, the server's limit.

use std::time::Duration;

use super::args::ChurnArgs;
use super::visit::Habits;
use crate::engine::sources::Sources;
use crate::engine::target::{Numbers, Target};
use crate::engine::{Plan, Timeouts};
use crate::measure::threads::{Spread, Threads};
use crate::servers::{App, Want};

/// How long a port may rest in TIME_WAIT after its connection.
const TIME_WAIT: Duration = Duration::from_secs(60);

/// How throng is to serve: with room for visitors whose end it has not seen when their successors come.
pub(super) fn want(args: &ChurnArgs) -> Want<'_> {
    let population = u64::from(args.population);
    Want {
        pings: Some((args.ping_interval, args.pong_timeout)),
        workers: args.server.workers,
        ..Want::of(App::Sink, u64::from(args.held) + population + population / 4 + 1024)
    }
}

/// Time between two Pings to a connection: the server has one timer for Pings and their Pongs, so that it pings no more often
/// than it waits for an answer, which it does for up to two ticks of 100 ms more than it says.
pub(super) fn ping_period(args: &ChurnArgs) -> Duration {
    args.ping_interval.max(args.pong_timeout + Duration::from_millis(200))
}

/// The plans of those who stay and of those who come and go.
pub(super) fn plans(args: &ChurnArgs, target: &Target) -> anyhow::Result<(Plan, Plan)> {
    let (held, slots) = (u64::from(args.held), u64::from(args.population));
    let sources = Sources::choose(&[target.address], held + slots + resting(args), None)?;
    // Both live in one process: if together they need private tables, neither may use the common one.
    let private_tables = Threads::plan(held + slots, None, Spread::Even)?.private_tables;
    let threads = |connections| {
        Threads::plan(connections, None, Spread::Even).map(|threads| Threads { private_tables, ..threads })
    };
    let timeouts = Timeouts { connect: args.timeout, handshake: args.timeout, close: args.timeout };
    let in_flight = usize::try_from(args.in_flight)?;
    let staying = Plan {
        targets: vec![target.clone()],
        sources,
        connections: usize::try_from(held)?,
        threads: threads(held)?,
        in_flight,
        rate: None,
        raw: false,
        compression: None,
        numbers: Numbers::default(),
        feed: None,
        sample_key: false,
        timeouts,
        seed: args.seed,
    };
    let visiting = Plan { connections: usize::try_from(slots)?, threads: threads(slots)?, ..staying.clone() };
    Ok((staying, visiting))
}

/// What visits have in common.
pub(super) fn habits(args: &ChurnArgs) -> Habits {
    Habits {
        seed: args.seed,
        life: args.life,
        pause: args.pause(),
        silence: longest_silence(args.life, args.pong_timeout),
    }
}

/// Ports that rest in TIME_WAIT at any time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of connections; too many are refused by the choice of sources"
)]
fn resting(args: &ChurnArgs) -> u64 {
    let visit = (args.life + args.pause()).as_secs_f64();
    (f64::from(args.population) * TIME_WAIT.as_secs_f64() / visit).ceil() as u64
}

/// How long visitors stay silent at most: below the times that the server gives them.
fn longest_silence(life: Duration, pong_timeout: Duration) -> Duration {
    const HANDSHAKE: Duration = Duration::from_secs(10);
    life.min(pong_timeout / 2).min(HANDSHAKE / 2)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: ChurnArgs,
    }

    fn args(line: &str) -> ChurnArgs {
        Cli::try_parse_from(line.split(' ')).unwrap().args
    }

    #[test]
    fn ports_that_rest_have_addresses_too() {
        let args = args("churn --held 200000 --population 100000 --life 20s");
        assert_eq!(resting(&args), 272_728);
        let target: Target = "ws://127.0.0.1:9001/".parse().unwrap();
        let (staying, visiting) = plans(&args, &target).unwrap();
        assert_eq!(staying.sources, visiting.sources);
        assert!(staying.sources.count() * 65_536 > 572_728, "{}", staying.sources.count());
    }

    #[test]
    fn one_process_has_one_kind_of_tables() {
        let target: Target = "ws://127.0.0.1:9001/".parse().unwrap();
        let limit = throng::sys::fdtable::raise_limit().unwrap();
        let half = limit / 2 + 1;
        let both = args(&format!("churn --held {half} --population {half}"));
        let (staying, visiting) = plans(&both, &target).unwrap();
        assert!(staying.threads.private_tables && visiting.threads.private_tables);
        let (staying, visiting) = plans(&args("churn --held 100 --population 100"), &target).unwrap();
        assert!(!staying.threads.private_tables && !visiting.threads.private_tables);
    }

    #[test]
    fn pings_come_no_faster_than_pongs_are_waited_for() {
        let period = |line| ping_period(&args(line));
        assert_eq!(period("churn --ping-interval 20s --pong-timeout 10s"), Duration::from_secs(20));
        assert_eq!(period("churn --ping-interval 1s --pong-timeout 2s"), Duration::from_millis(2200));
    }

    #[test]
    fn silence_ends_before_the_server_loses_patience() {
        let seconds = Duration::from_secs;
        assert_eq!(longest_silence(seconds(20), seconds(10)), seconds(5));
        assert_eq!(longest_silence(seconds(20), seconds(4)), seconds(2));
        assert_eq!(longest_silence(Duration::from_millis(300), seconds(10)), Duration::from_millis(300));
    }
}
