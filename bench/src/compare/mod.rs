//! `throng-bench compare`: throng beside its floor and other servers, by turns.

mod args;
mod cells;
mod judge;
mod measure;
mod page;
mod pictures;
mod report;
mod rows;
mod servers;

use std::path::PathBuf;

use anyhow::ensure;

use crate::measure::cores::Cores;
use crate::measure::environment::{Environment, today};
use crate::measure::interrupt::Interrupt;
use crate::report::{Report, deliver, files, json};

use crate::servers::peers::Peers;
pub(crate) use args::CompareArgs;
use cells::Cell;
use measure::Scene;
pub(crate) use report::{CompareReport, LeftOut, SCHEMA};
use servers::Subject;

/// Runs the command. `false` when a measurement failed or there was no time for all of them.
pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<bool> {
    args.check()?;
    let peers = Peers::read(args.peers.as_deref(), &args.peer)?;
    let (subjects, left_out) = servers::choose(args, &peers)?;
    let cells = Cell::all(args);
    ensure!(!cells.is_empty(), "every cell has more than 256 MiB on their way: give a smaller --size");
    let interrupt = Interrupt::listen()?;
    let environment = Environment::read();
    let cores = Cores::take(args.server_core, args.client_core)?;
    let from = peers.file.as_ref().map(|file| file.display().to_string());
    eprintln!(
        "other servers are those of {}",
        from.as_deref().unwrap_or("the command line: there is no bench/peers/peers.toml")
    );
    for LeftOut { server, reason } in &left_out {
        eprintln!("LEFT OUT  {server}: {reason}");
    }
    let report = CompareReport {
        schema: SCHEMA,
        date: today(),
        environment,
        seed: args.seed,
        server_core: args.server_core,
        client_core: args.client_core,
        rounds: args.rounds,
        peers: peers
            .file
            .as_ref()
            .and_then(|file| file.file_name())
            .map(|name| name.to_string_lossy().into_owned()),
        servers: subjects.iter().map(Subject::note).collect(),
        left_out,
        ..CompareReport::default()
    };
    let scene = Scene { args, cores, interrupt: &interrupt };
    let directory = files::directory(&args.results, &report.name())?;
    let mut run = Run { scene, directory, cells, subjects, report };
    run.all_rounds()?;
    run.directory.iter().for_each(|directory| files::say_where(directory));
    deliver(&run.report, args.json.as_deref(), None)
}

struct Run<'a> {
    scene: Scene<'a>,
    /// Where the report goes.
    directory: Option<PathBuf>,
    cells: Vec<Cell>,
    subjects: Vec<Subject>,
    report: CompareReport,
}

impl Run<'_> {
    /// Measures round by round until all are done or somebody interrupts it. What there is is written after each.
    fn all_rounds(&mut self) -> anyhow::Result<()> {
        for round in 1..=self.report.rounds {
            let done = self.round(round);
            if done.is_ok() {
                self.report.rounds_done = round;
            }
            self.summarize();
            self.write()?;
            match done {
                Ok(()) => {}
                Err(_) if self.scene.interrupt.is_raised() => {
                    eprintln!("interrupted in round {round}: what was measured is kept");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every cell, and in it every server: what the machine does meanwhile meets all of them. In each round another one begins.
    fn round(&mut self, round: u32) -> anyhow::Result<()> {
        for &cell in &self.cells {
            let first = (round as usize - 1) % self.subjects.len();
            let (before, from) = self.subjects.split_at(first);
            for subject in from.iter().chain(before) {
                let measured = self.scene.measure(cell, subject, round)?;
                eprintln!("round {round}/{}  {}", self.report.rounds, page::Line(&measured));
                self.report.measurements.push(measured);
            }
        }
        Ok(())
    }

    fn write(&self) -> anyhow::Result<()> {
        let json = self.scene.args.json.as_deref();
        if let Some(file) = json.filter(|_| !json::is_standard(json)) {
            json::write_json(file, &self.report)?;
        }
        self.directory.iter().try_for_each(|directory| files::write_all(&self.report, directory))
    }

    fn summarize(&mut self) {
        let servers: Vec<String> = self.subjects.iter().map(|subject| subject.name.clone()).collect();
        self.report.rows = rows::rows(&self.cells, &servers, &self.report.measurements);
        self.report.judgement = judge::judge(&self.report.rows);
    }
}
