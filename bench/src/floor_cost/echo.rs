//! What a message there and back costs without WebSocket code.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::args::parse;
use crate::c1m::load::LoadArgs;
use crate::echo::{EchoArgs, measure};
use crate::engine::Echoed;
use crate::measure::interrupt::Interrupt;
use crate::report::Report;
use crate::report::units::number;
use crate::servers::program::Program;
use crate::servers::{App, Want};

/// Connections that send.
const CONNECTIONS: u32 = 100;
/// Messages of a connection on their way at the same time: the cost of a message alone, and of many in one read.
const DEPTHS: [u32; 2] = [1, 16];
/// Bytes of a message.
const SIZE: u32 = 64;

/// Messages that a bare TCP server of throng's shape sends back.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EchoFloor {
    pub(crate) echo: Echoed,
    pub(crate) cpu_us_per_echo: f64,
}

/// Measures closed loops of each of [`DEPTHS`], `time` each.
pub(crate) fn echo(time: Duration, load: &LoadArgs, interrupt: &Interrupt) -> anyhow::Result<Vec<EchoFloor>> {
    DEPTHS.iter().map(|&depth| echo_at(depth, time, load, interrupt)).collect()
}

fn echo_at(depth: u32, time: Duration, load: &LoadArgs, interrupt: &Interrupt) -> anyhow::Result<EchoFloor> {
    let want = Want { workers: load.server.workers, ..Want::of(App::Raw, CONNECTIONS.into()) };
    let server = Program::Floor.start(&want, interrupt)?;
    let time = humantime::format_duration(time).to_string();
    let options = [
        ("--to", server.url("")),
        ("--connections", CONNECTIONS.to_string()),
        ("--depth", depth.to_string()),
        ("--size", SIZE.to_string()),
        ("--duration", time),
        ("--seed", load.seed.to_string()),
        ("--pid", server.pid().to_string()),
    ];
    let options = options.iter().flat_map(|(name, value)| [*name, value]);
    let args: EchoArgs = parse(["--raw"].into_iter().chain(options))?;
    let report = measure(&args, interrupt)?;
    ensure!(report.is_clean(), "the floor's echoes went wrong: {}", report.page());
    server.stop()?;
    let cpu_us_per_echo = report.server.and_then(|costs| costs.cpu_us_per_echo);
    Ok(EchoFloor { echo: report.echo, cpu_us_per_echo: cpu_us_per_echo.context("nothing came back")? })
}

impl fmt::Display for EchoFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Echoed { connections, depth, size, per_second, latency_us, .. } = &self.echo;
        writeln!(
            f,
            "echo: {connections} connections of bare TCP, {depth} messages of {size} bytes on their way on each"
        )?;
        writeln!(
            f,
            "  echo       {}/s, {} us of the server each; {latency_us}",
            number(*per_second, 0),
            number(self.cpu_us_per_echo, 2)
        )
    }
}
