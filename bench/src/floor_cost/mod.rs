//! `throng-bench floor`: what the kernel alone costs on this machine.

mod echo;

use std::time::Duration;

use serde::Serialize;

use crate::args::duration;
use crate::c1m::load::LoadArgs;
use crate::c1m::page::measured;
use crate::c1m::report::Measurement;
use crate::c1m::session::measure;
use crate::measure::environment::{Environment, today};
use crate::measure::interrupt::Interrupt;
use crate::report::page::Page;
use crate::report::{Report, deliver};
use crate::servers::LOOPBACK;
use crate::servers::host::{Kind, Programs};
use echo::{EchoFloor, echo};

/// Measures what the system calls of a WebSocket server cost on this machine without its code: connections that are only
/// accepted and registered with epoll, connections that are pinged, and messages that are sent back.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("server_bin", |bin| bin.help("The server whose number of workers is taken [default: throng beside this program]")))]
pub(crate) struct FloorArgs {
    /// Connections to hold.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// How connections are opened and held.
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// How long messages are sent back, alone and many at a time.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) echo_time: Duration,
}

/// What the floor costs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FloorReport {
    pub(crate) date: String,
    pub(crate) environment: Environment,
    pub(crate) accept: Measurement,
    pub(crate) ping: Measurement,
    pub(crate) echo: Vec<EchoFloor>,
}

/// Runs the command. `false` when connections were lost or pings missed.
pub(crate) fn run(args: &FloorArgs) -> anyhow::Result<bool> {
    let interrupt = Interrupt::listen()?;
    let programs = Programs { server_bin: args.load.server.server_bin.clone(), listen: LOOPBACK };
    let measure = |kind| measure(&programs, &args.load, kind, args.connections, &interrupt);
    let report = FloorReport {
        date: today(),
        environment: Environment::read(),
        accept: measure(Kind::Accept)?.report,
        ping: measure(Kind::Floor)?.report,
        echo: echo(args.echo_time, &args.load, &interrupt)?,
    };
    deliver(&report, args.load.output.json.as_deref(), None)
}

impl Report for FloorReport {
    fn is_clean(&self) -> bool {
        [&self.accept, &self.ping].iter().all(|measurement| measurement.problems.is_empty())
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        page.machine("machine", &self.environment);
        for measurement in [&self.accept, &self.ping] {
            page.gap();
            measured(&mut page, measurement);
        }
        for echo in &self.echo {
            page.gap();
            write!(page, "{echo}");
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Echoed;

    #[test]
    fn every_field_of_the_report_is_documented() {
        let report = FloorReport {
            date: String::new(),
            environment: Environment::default(),
            accept: Measurement::default(),
            ping: Measurement::default(),
            echo: vec![EchoFloor { echo: Echoed::default(), cpu_us_per_echo: 1.0 }],
        };
        crate::report::documented::check(&report, "floor");
    }
}
