//! A server on another machine, and what this load machine is among others.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::ensure;

use crate::agent::PORT;
use crate::agent::remote::Remote;
use crate::agent::wire::Machine;
use crate::measure::interrupt::Interrupt;

/// Where the server is, if not on this machine.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ElsewhereArgs {
    /// Measure a server on this host, where `throng-bench agent` runs. Several names or addresses of the one host, separated by
    /// commas, give so many times more ports to connect from; the agent is asked at the first.
    #[arg(long, value_name = "HOST", value_delimiter = ',', conflicts_with = "server_bin")]
    pub(crate) server: Vec<String>,
    /// The agent's port.
    #[arg(long, value_name = "PORT", default_value_t = PORT, requires = "server")]
    pub(crate) agent_port: u16,
    /// Which of several load machines this is: 1/2 for the first of two. Each takes its share of -n, and all must be given the same
    /// options. `throng-bench merge` puts their reports together.
    #[arg(long, value_name = "K/M", default_value_t = Machine::ONLY, requires = "server")]
    pub(crate) machine: Machine,
    /// Addresses of this machine to connect from, separated by commas [default: the kernel's choice].
    #[arg(long, value_name = "IP", value_delimiter = ',', requires = "server")]
    pub(crate) source: Vec<IpAddr>,
}

impl ElsewhereArgs {
    /// Begins a session with the agent of the server's machine, if that is another one.
    pub(super) fn enter(&self, interrupt: &Interrupt) -> anyhow::Result<Option<Remote>> {
        let Some(host) = self.hosts().into_iter().next() else { return Ok(None) };
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

    /// The server's hosts as they are written in an address.
    pub(super) fn hosts(&self) -> Vec<String> {
        let is_ipv6 = |host: &String| host.parse::<Ipv6Addr>().is_ok();
        let written = |host: &String| if is_ipv6(host) { format!("[{host}]") } else { host.clone() };
        self.server.iter().map(written).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_hosts_are_written_in_brackets() {
        let args = ElsewhereArgs {
            server: ["box", "10.0.0.5", "fd00::5", "[fd00::5]"].map(str::to_owned).to_vec(),
            agent_port: PORT,
            machine: Machine::ONLY,
            source: Vec::new(),
        };
        assert_eq!(args.hosts(), ["box", "10.0.0.5", "[fd00::5]", "[fd00::5]"]);
    }
}
