//! `throng-bench idle`: what one idle connection more takes of a server's user memory, before and after it has echoed.

mod args;
mod page;
mod report;
mod round;

use anyhow::ensure;

use crate::engine::target::Target;
use crate::measure::environment::Environment;
use crate::measure::interrupt::Interrupt;
use crate::measure::progress::Bars;
use crate::report::deliver;
use crate::servers::program::Program;
use crate::servers::running::Running;
use crate::servers::{App, Want};

pub(crate) use args::{IdleArgs, Mode};
pub(crate) use report::IdleReport;
use round::Client;

/// Sockets beyond the connections that throng has room for.
const SPARE: u64 = 256;

/// Runs the command. `false` when a connection failed or an echo was wrong.
pub(crate) fn run(args: &IdleArgs) -> anyhow::Result<bool> {
    let report = measure(args, &Interrupt::listen()?)?;
    deliver(&report, args.output.json.as_deref(), None)
}

/// Measures the server that is given, or one of throng's own after the other.
pub(crate) fn measure(args: &IdleArgs, interrupt: &Interrupt) -> anyhow::Result<IdleReport> {
    check(args)?;
    let mut report = IdleReport {
        environment: Environment::read(),
        low: u64::from(args.low),
        high: u64::from(args.high),
        size: u64::from(args.size),
        echoes: u64::from(args.echoes),
        echo_rate: args.echo_rate,
        offer: args.compression.as_ref().map(|compression| compression.words().to_owned()),
        raw: args.client.raw,
        seed: args.client.seed,
        settle_seconds: args.settle.as_secs_f64(),
        ..IdleReport::default()
    };
    let bars = Bars::new(args.output.progress);
    if args.serve.is_empty() {
        let name = args
            .client
            .to
            .iter()
            .map(|target| format!("ws://{}{}", target.host, target.path))
            .collect::<Vec<_>>()
            .join(" ");
        report
            .rounds
            .push(Client::start(args, &args.client.to, &args.watch.pids)?.round(name, 1, interrupt, bars)?);
    }
    for number in 1..=args.rounds {
        // Taking turns: what the machine does meanwhile meets all of them.
        for (mode, path) in servers(args) {
            let server = own(args, mode, path, interrupt)?;
            let target: Target = server.url(path.map_or("", |path| &path[1..])).parse()?;
            let pids = [server.pid()];
            let client = Client::start(args, &[target], &pids)?;
            let mut round = client.round(name(mode, path), u64::from(number), interrupt, bars)?;
            round.path = path.map(str::to_owned);
            round.workers = server.workers();
            server.stop()?;
            report.rounds.push(round);
        }
    }
    report.summarize();
    Ok(report)
}

/// The servers of a round: without the hub, and with it for each path.
fn servers(args: &IdleArgs) -> impl Iterator<Item = (Mode, Option<&str>)> {
    let paths = || std::iter::once(None).chain(args.path.iter().map(|path| Some(&path[..])));
    args.serve.iter().flat_map(move |&mode| paths().map(move |path| (mode, path)))
}

fn name(mode: Mode, path: Option<&str>) -> String {
    let path = path.map_or_else(String::new, |path| format!(", {path}"));
    format!("throng {}{path}", mode.name())
}

fn check(args: &IdleArgs) -> anyhow::Result<()> {
    ensure!(args.low < args.high, "--low must be less than --high: the slope is between the two");
    ensure!(!args.settle.is_zero(), "--settle must be longer than nothing");
    ensure!(args.settle <= args.settle_within, "--settle-within must be at least --settle");
    let has_compression = args.compression.is_some();
    ensure!(!(args.client.raw && has_compression), "--raw has no handshake to offer --compression in");
    ensure!(
        args.path.is_empty() || !args.serve.is_empty(),
        "--path is about the servers of --serve: with --to write the path into the address"
    );
    ensure!(
        args.path.is_empty() || args.echoes == 0,
        "--path is for subscribers, whose messages the hub refuses: give --echoes 0"
    );
    ensure!(args.path.is_empty() || !args.client.raw, "--raw has no handshake to name a --path in");
    ensure!(!(args.client.raw && args.size == 0), "--raw has no messages of 0 bytes: give a larger --size");
    if args.serve.is_empty() {
        ensure!(
            args.server.workers.is_none() && args.server.server_bin.is_none(),
            "--workers and --server-bin are about the server of --serve, not about one that runs already"
        );
        ensure!(
            !args.watch.pids.is_empty(),
            "give --pid, the server's process on this machine, whose memory is looked at, or --serve for throng"
        );
        ensure!(
            args.rounds == 1,
            "--rounds needs a fresh server for each, which only --serve has: start yours anew and run this again"
        );
    } else {
        let needs_offer = args.serve.iter().any(|mode| *mode != Mode::Off);
        ensure!(
            !needs_offer || has_compression,
            "--serve shared and dedicated compress nothing without --compression"
        );
    }
    Ok(())
}

/// throng with its hub where there is a path, and one that echoes otherwise.
fn own(args: &IdleArgs, mode: Mode, path: Option<&str>, interrupt: &Interrupt) -> anyhow::Result<Running> {
    let app = if path.is_none() { App::Echo } else { App::Hub };
    let want = Want {
        pings: Some((args.ping_interval, args.ping_interval)),
        compression: Some(mode.name()),
        workers: args.server.workers,
        ..Want::of(app, u64::from(args.high) + SPARE)
    };
    Program::Throng(args.server.server_bin.clone()).start(&want, interrupt)
}
