//! Load generator and measurements for throng and any other WebSocket server.

mod agent;
mod args;
mod broadcast;
mod c1m;
mod churn;
mod compare;
mod connect;
mod echo;
mod engine;
mod floor;
mod floor_cost;
mod hold;
mod idle;
mod measure;
mod merge;
mod plot;
mod report;
mod servers;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

use args::keep_braces;

/// Load generator and measurements for throng and any other WebSocket server.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
enum Cli {
    /// Hold a million connections against throng through full ping cycles, and print what each of them cost.
    C1m(c1m::C1mArgs),
    /// Hold connections against throng while others come and go beside them, and see that it does them no harm.
    Churn(churn::args::ChurnArgs),
    /// Open connections to a WebSocket server, keep them for a time, and count every loss with its reason.
    Hold(hold::args::HoldArgs),
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
    Floor(floor_cost::FloorArgs),
    /// Serve without WebSocket code: the system calls of such a server and nothing else.
    FloorServer(floor::FloorServerArgs),
}

fn main() -> ExitCode {
    let mut command = keep_braces(Cli::command());
    let matches = command.get_matches_mut();
    let args = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
    let result = reached(args).and_then(run);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("throng-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Finds out where servers that have several addresses take connections, for commands that are told of servers.
fn reached(mut args: Cli) -> anyhow::Result<Cli> {
    match &mut args {
        Cli::Hold(args) => args.client.reach()?,
        Cli::Idle(args) => args.client.reach()?,
        Cli::Echo(args) => args.client.reach()?,
        Cli::Broadcast(args) => args.reach()?,
        Cli::Connect(args) => args.client.reach()?,
        _ => {}
    }
    Ok(args)
}

fn run(args: Cli) -> anyhow::Result<bool> {
    match args {
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
        Cli::Floor(args) => floor_cost::run(&args),
        Cli::FloorServer(args) => floor::server::run(&args).map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_help_texts_are_no_line_breaks() {
        let braces = |text: &str| text.matches("{n}").count();
        let mut command = keep_braces(Cli::command());
        let mut seen = 0;
        for raw in Cli::command().get_subcommands() {
            let texts = raw.get_arguments().filter_map(|arg| arg.get_long_help().or(arg.get_help()));
            let written: usize = texts.map(|text| braces(&text.to_string())).sum();
            let same = command.find_subcommand_mut(raw.get_name()).expect("it is there");
            let said = same.render_long_help().to_string();
            assert_eq!(braces(&said), written, "{said}");
            seen += written;
        }
        assert!(seen >= 2, "the texts that this is about");
    }
}
