//! Load generator and measurements for throng and any other WebSocket server.

use std::process::ExitCode;

use clap::Parser;
use throng_bench::{floor, hold};

/// Load generator and measurements for throng and any other WebSocket server.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
enum Cli {
    /// Open connections to a WebSocket server, keep them for a time, and count every loss with its reason.
    Hold(hold::HoldArgs),
    /// Serve bare TCP: accept, register with epoll and nothing else. What the system calls alone cost.
    Floor(floor::FloorArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse() {
        Cli::Hold(args) => hold::run(&args),
        Cli::Floor(args) => floor::run(&args).map(|()| true),
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
