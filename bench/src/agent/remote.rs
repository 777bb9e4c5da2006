//! A load machine's end of a session with an agent.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::net::sockopt;

use super::wire::{Answer, Ask, Clients, Entered, Machine, Meeting, PROTOCOL, Point};
use crate::measure::environment::boot_id;
use crate::measure::interrupt::Interrupt;
use crate::measure::lines::Lines;
use crate::servers::host::{Sample, ServerPlan, ServerShape};

/// How long the agent may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// How often the agent is told that this machine still waits.
const WAIT: Duration = Duration::from_secs(1);
/// An agent whose kernel has answered nothing for so long has ended, asked in this many intervals.
const SILENCE: Duration = Duration::from_secs(90);
const PROBES: u32 = 9;

/// A session with an agent. Dropping it ends the session for all machines that take part, with the program.
pub(crate) struct Remote {
    lines: Lines,
    machine: Machine,
    entered: Entered,
}

impl Remote {
    /// Begins a session with the agent at `HOST:PORT`, as soon as all load machines have come.
    pub(crate) fn enter(address: &str, machine: Machine, interrupt: &Interrupt) -> anyhow::Result<Self> {
        let stream = connect(address).with_context(|| {
            format!(
                "cannot reach the agent at {address} (scripts/c1m --serve, or throng-bench agent, on the server's machine)"
            )
        })?;
        let name = format!("the agent at {address}");
        let mut lines = Lines::of(&name, stream.try_clone()?, stream, interrupt)?;
        let enter = Ask::Enter { protocol: PROTOCOL, machine, boot_id: boot_id() };
        let Answer::Entered(entered) = ask(&mut lines, &enter)? else { return Err(unexpected()) };
        Ok(Self { lines, machine, entered: *entered })
    }

    /// Which load machine this is.
    pub(crate) const fn machine(&self) -> Machine {
        self.machine
    }

    /// What the agent said at the beginning.
    pub(crate) const fn entered(&self) -> &Entered {
        &self.entered
    }

    /// Has a server started with room for the connections of the plan and those of the other machines. Returns its shape and the
    /// number of all connections.
    pub(crate) fn start(&mut self, plan: &ServerPlan) -> anyhow::Result<(ServerShape, u64)> {
        match ask(&mut self.lines, &Ask::Start(plan.clone()))? {
            Answer::Started(shape, connections) => Ok((shape, connections)),
            _ => Err(unexpected()),
        }
    }

    /// Waits for the other machines, and has the server's machine read.
    pub(crate) fn meet(&mut self, point: Point, clients: Clients) -> anyhow::Result<Meeting> {
        match ask(&mut self.lines, &Ask::Meet(point, clients))? {
            Answer::Met(meeting) => Ok(*meeting),
            _ => Err(unexpected()),
        }
    }

    /// What the server is like now.
    pub(crate) fn sample(&mut self) -> anyhow::Result<Sample> {
        match ask(&mut self.lines, &Ask::Sample)? {
            Answer::Sampled(sample) => Ok(sample),
            _ => Err(unexpected()),
        }
    }

    /// Stops the server.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        ask(&mut self.lines, &Ask::Stop).map(drop)
    }

    /// Ends the session in order.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        ask(&mut self.lines, &Ask::Leave).map(drop)
    }

    /// Ends the session for all machines, with a reason.
    pub(crate) fn quit(mut self, why: &str) {
        // An agent that cannot be reached finds out by itself.
        let _ = self.lines.say(&Ask::Quit(why.to_owned()));
    }
}

fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let mut connected = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in address.to_socket_addrs()? {
        connected = TcpStream::connect_timeout(&address, CONNECT);
        if connected.is_ok() {
            break;
        }
    }
    let stream = connected?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, SILENCE / (PROBES + 1))?;
    sockopt::set_tcp_keepintvl(&stream, SILENCE / (PROBES + 1))?;
    sockopt::set_tcp_keepcnt(&stream, PROBES)?;
    Ok(stream)
}

/// Asks, and says every second that it waits until it is answered: the agent takes its time, and so do the other machines.
fn ask(lines: &mut Lines, ask: &Ask) -> anyhow::Result<Answer> {
    // Where the agent listens no more it has said why.
    let _ = lines.say(ask);
    loop {
        match lines.try_hear(WAIT)? {
            Some(Answer::Refused(why)) => bail!("the agent: {why}"),
            Some(answer) => return Ok(answer),
            None => drop(lines.say(&Ask::Waiting)),
        }
    }
}

fn unexpected() -> anyhow::Error {
    anyhow::anyhow!("the agent gave an answer to something else")
}
