//! The two servers that are measured: throng and the floor.

use std::process::Command;

use anyhow::Context;

use super::C1mArgs;
use crate::interrupt::Interrupt;
pub(super) use crate::server::Server;
use crate::server::{Serve, serve};

impl Server {
    /// Starts `throng serve` and waits until it listens.
    pub(super) fn throng(args: &C1mArgs, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let options = Serve {
            program: args.server_bin.as_deref(),
            connections: u64::from(args.connections),
            ping_interval: args.ping_interval,
            pong_timeout: args.pong_timeout,
            workers: args.workers,
        };
        serve(&options, interrupt)
    }

    /// Starts `throng-bench floor` with as many workers as throng has, and waits until it listens.
    pub(super) fn floor(args: &C1mArgs, workers: usize, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("cannot find this program's file")?);
        command.args(["floor", "-n"]).arg(args.connections.to_string());
        Self::start("the floor", command, Some(workers), interrupt)
    }
}
