//! `throng-bench agent`: the server's side of a measurement whose clients are on other machines.
//!
//! Load machines begin a session when all of them have come, and take every step of it together: start a server, wait for each
//! other, have the server's machine read, stop the server. What was read goes to all of them alike, so that their reports can be
//! put together.

mod door;
pub(crate) mod remote;
mod session;
pub(crate) mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::ensure;

use crate::measure::interrupt::Interrupt;
use crate::report::json::print_line;
use crate::servers::host::Programs;
use session::Session;

/// Where agents listen when nobody says something else.
pub(crate) const PORT: u16 = 9200;

/// Runs servers on this machine for load machines elsewhere (`c1m --server`), and tells them what connections cost here.
///
/// Whoever reaches its port can have servers started on this machine, though no other program: let it listen where only the load
/// machines are. It ends on SIGTERM and SIGINT.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AgentArgs {
    /// Address to listen on for load machines.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT))]
    pub(crate) listen: SocketAddr,
    /// Address that servers listen on for connections; port 0 takes a free one each time.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:0")]
    pub(crate) server_listen: SocketAddr,
    /// The server program [default: throng beside this program].
    #[arg(long, value_name = "PATH")]
    pub(crate) server_bin: Option<PathBuf>,
    /// End after one session. The exit code says whether it came to its end.
    #[arg(long)]
    pub(crate) once: bool,
}

/// Runs the command until it is told to end. `false` when the one session it was to serve ended early.
pub(crate) fn run(args: &AgentArgs) -> anyhow::Result<bool> {
    let interrupt = Interrupt::listen()?;
    let (address, events) = door::listen(args.listen)?;
    print_line(&serde_json::json!({ "ready": true, "listen": address }))?;
    let programs = Programs { server_bin: args.server_bin.clone(), listen: args.server_listen };
    loop {
        // On the main thread: servers die with the thread that started them.
        let end = Session::new(&events, &programs, &interrupt).serve();
        ensure!(!interrupt.is_raised(), "interrupted");
        match &end {
            Ok(()) => eprintln!("the session is over"),
            Err(why) => eprintln!("the session has ended early: {why:#}"),
        }
        if args.once {
            return Ok(end.is_ok());
        }
    }
}
