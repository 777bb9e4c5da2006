//! A server on another machine, and what this load machine is among others.

use std::net::IpAddr;

use anyhow::ensure;

use crate::agent::PORT;
use crate::agent::remote::Remote;
use crate::agent::wire::Machine;
use crate::interrupt::Interrupt;

/// Where the server is, if not on this machine.
#[derive(Debug, Clone, clap::Args)]
pub struct ElsewhereArgs {
    /// Measure a server on this host, where `throng-bench agent` runs. Several names or addresses of the one host, separated by
    /// commas, give so many times more ports to connect from; the agent is asked at the first.
    #[arg(long, value_name = "HOST", value_delimiter = ',', conflicts_with = "server_bin")]
    pub server: Vec<String>,
    /// The agent's port.
    #[arg(long, value_name = "PORT", default_value_t = PORT, requires = "server")]
    pub agent_port: u16,
    /// Which of several load machines this is: 1/2 for the first of two. Each takes its share of -n, and all must be given the same
    /// options. `throng-bench merge` puts their reports together.
    #[arg(long, value_name = "K/M", default_value_t = Machine::ONLY, requires = "server")]
    pub machine: Machine,
    /// Addresses of this machine to connect from, separated by commas [default: the kernel's choice].
    #[arg(long, value_name = "IP", value_delimiter = ',', requires = "server")]
    pub source: Vec<IpAddr>,
}

impl ElsewhereArgs {
    /// Begins a session with the agent of the server's machine, if that is another one.
    ///
    /// # Errors
    /// When there is none, or it is busy.
    pub(super) fn enter(&self, interrupt: &Interrupt) -> anyhow::Result<Option<Remote>> {
        let Some(host) = self.server.first() else { return Ok(None) };
        for host in &self.server {
            ensure!(
                !host.is_empty() && !host.contains("//"),
                "`{host}` is no host: --server takes names or addresses, without a port (--agent-port)"
            );
        }
        if self.machine.of > 1 {
            eprintln!("load machine {}: waiting for the others at {host}", self.machine);
        }
        Remote::enter(&format!("{host}:{}", self.agent_port), self.machine, interrupt).map(Some)
    }
}
