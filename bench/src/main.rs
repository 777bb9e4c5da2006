//! Load generator and measurements for throng and any other WebSocket server.

use std::process::ExitCode;

use clap::Parser;
use throng_bench::{agent, broadcast, c1m, churn, compare, connect, echo, floor, hold, idle, merge};

/// Load generator and measurements for throng and any other WebSocket server.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
enum Cli {
    /// Hold a million connections against throng through full ping cycles, and print what each of them cost.
    C1m(c1m::C1mArgs),
    /// Hold connections against throng while others come and go beside them, and see that it does them no harm.
    Churn(churn::ChurnArgs),
    /// Open connections to a WebSocket server, keep them for a time, and count every loss with its reason.
    Hold(hold::HoldArgs),
    /// Say what one idle connection more takes of a WebSocket server's user memory, before and after it has echoed.
    Idle(idle::IdleArgs),
    /// Send messages to a WebSocket server that sends them back, and check and time every echo.
    Echo(echo::EchoArgs),
    /// Publish to subscribers of topics, and check, time and account for every delivery.
    Broadcast(Box<broadcast::BroadcastArgs>),
    /// Open connections to a WebSocket server and leave again, and say how many a second it took.
    Connect(connect::ConnectArgs),
    /// Measure throng beside its floor and other servers, by turns, and say who is ahead where.
    Compare(Box<compare::CompareArgs>),
    /// Run servers on this machine for load machines elsewhere (`c1m --server`).
    Agent(agent::AgentArgs),
    /// Put the reports of several load machines together.
    Merge(merge::MergeArgs),
    /// Measure what the system calls of a WebSocket server cost on this machine without its code.
    Floor(floor::measure::FloorArgs),
    /// Serve without WebSocket code: the system calls of such a server and nothing else.
    FloorServer(floor::FloorServerArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse() {
        Cli::C1m(args) => c1m::run(&args),
        Cli::Churn(args) => churn::run(&args),
        Cli::Hold(args) => hold::run(&args),
        Cli::Idle(args) => idle::run(&args),
        Cli::Echo(args) => echo::run(&args),
        Cli::Broadcast(args) => broadcast::run(&args),
        Cli::Connect(args) => connect::run(&args),
        Cli::Compare(args) => compare::run(&args),
        Cli::Agent(args) => agent::run(&args),
        Cli::Merge(args) => merge::run(&args),
        Cli::Floor(args) => floor::measure::run(&args),
        Cli::FloorServer(args) => floor::server::run(&args).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("throng-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
