//! What load machines ask an agent for, and what it answers: a line of JSON each, over one TCP connection of each load machine. The
//! end of the connection is the end of its machine.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::measure::environment::Environment;
use crate::servers::host::{Host, Reading, Sample, ServerPlan, ServerShape};

/// The form of all this. Both sides must have the same.
pub(crate) const PROTOCOL: u32 = 2;
/// Most load machines of a session.
pub(crate) const MOST_MACHINES: u32 = 1024;

/// Which of several load machines this is, written `1/2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Its number, from 1 on.
    pub(crate) number: u32,
    /// How many there are, up to [`MOST_MACHINES`].
    pub(crate) of: u32,
}

/// Where everybody who takes part in a measurement waits for the others, and the server's machine is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Point {
    /// The server listens, and the clients stand ready.
    Ready,
    /// All connections have opened or failed.
    Ramped,
    /// The hold is over.
    Held,
    /// All connections have been closed, and the kernel has taken back what they took.
    Closed,
}

/// The clients of one load machine, or of all, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clients {
    /// Connections they count as open.
    pub(crate) open: u64,
    /// Processor time they have taken, in nanoseconds.
    pub(crate) cpu_nanos: u64,
    /// Their user memory in bytes.
    pub(crate) user_bytes: u64,
    /// Pings they have answered.
    pub(crate) pings_answered: u64,
    /// Pings answered since the hold began by the open connection that answered fewest.
    pub(crate) min_pings: u64,
}

/// What was found when all had come to a [`Point`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Meeting {
    /// The server and its machine.
    pub(crate) reading: Reading,
    /// The clients of all load machines.
    pub(crate) clients: Clients,
}

/// What a load machine says. It says nothing more, but [`Ask::Waiting`], until it is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// The first line of all: begin a session when all load machines have come.
    Enter {
        /// [`PROTOCOL`].
        protocol: u32,
        machine: Machine,
        /// The kernel's `boot_id`: machines that share it are one, such as containers and namespaces.
        boot_id: String,
    },
    /// Start a server for the connections of all load machines.
    Start(ServerPlan),
    /// Read the server's machine when all load machines have asked for that.
    Meet(Point, Clients),
    /// Stop the server.
    Stop,
    /// End the session.
    Leave,
    /// What the server is like now. It is answered at once.
    Sample,
    /// The machine still waits for its answer; there is none to this.
    Waiting,
    /// An early end for all, with the reason; there is no answer to this.
    Quit(String),
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// A session has begun.
    Entered(Box<Entered>),
    /// The server listens, for so many connections of all machines.
    Started(ServerShape, u64),
    /// All have come.
    Met(Box<Meeting>),
    /// What the server is like.
    Sampled(Sample),
    /// It is done.
    Done,
    /// The session has ended early, or never began, for this reason. Nothing follows.
    Refused(String),
}

/// What a session begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entered {
    pub(crate) session: String,
    pub(crate) environment: Environment,
    pub(crate) sharing_kernel: u32,
}

impl Machine {
    /// The only one.
    pub(crate) const ONLY: Self = Self { number: 1, of: 1 };

    /// Itself, if there can be such a one.
    pub(super) fn checked(self) -> anyhow::Result<Self> {
        let Self { number, of } = self;
        ensure!(
            (1..=MOST_MACHINES).contains(&of),
            "there can be 1 to {MOST_MACHINES} load machines, not {of}"
        );
        ensure!((1..=of).contains(&number), "of {of} load machines none has the number {number}");
        Ok(self)
    }

    /// Its share of so many connections.
    pub(crate) const fn share(self, connections: u32) -> u32 {
        connections / self.of + (self.number <= connections % self.of) as u32
    }
}

impl Meeting {
    /// Reads the server's machine, where all have come to a point.
    pub(crate) fn at(point: Point, clients: Clients, host: &mut Host) -> anyhow::Result<Self> {
        let reading = if point == Point::Closed { host.last_reading() } else { host.reading(clients.open) };
        Ok(Self { reading: reading?, clients })
    }
}

impl Ask {
    /// Puts what another machine asks for to it. `false` if that is something else.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Start(all), Self::Start(own)) if all.is_like(own) => all.connections += own.connections,
            (Self::Meet(point, all), Self::Meet(own_point, own)) if point == own_point => all.add(own),
            (Self::Stop, Self::Stop) | (Self::Leave, Self::Leave) => {}
            _ => return false,
        }
        true
    }
}

impl Clients {
    /// Adds those of another machine.
    fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.cpu_nanos += other.cpu_nanos;
        self.user_bytes += other.user_bytes;
        self.pings_answered += other.pings_answered;
        self.min_pings = self.min_pings.min(other.min_pings);
    }
}

impl FromStr for Machine {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parse = || {
            let (number, of) = text.split_once('/')?;
            Some(Self { number: number.parse().ok()?, of: of.parse().ok()? })
        };
        parse().with_context(|| format!("`{text}` is no machine: write 1/2 for the first of two"))?.checked()
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_written_as_one_of_so_many() {
        let machine: Machine = "2/3".parse().unwrap();
        assert_eq!((machine, machine.to_string()), (Machine { number: 2, of: 3 }, "2/3".to_owned()));
        for wrong in ["", "2", "0/3", "4/3", "1/0", "1/1025", "a/b", "1/2/3"] {
            assert!(wrong.parse::<Machine>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn clients_of_all_are_added_up_and_the_fewest_pings_count() {
        let meet = |open, min_pings| {
            Ask::Meet(Point::Held, Clients { open, min_pings, cpu_nanos: 5, ..Clients::default() })
        };
        let mut all = meet(3, 4);
        assert!(all.join(&meet(2, 2)) && !all.join(&Ask::Stop));
        let expected = Clients { open: 5, min_pings: 2, cpu_nanos: 10, ..Clients::default() };
        assert_eq!(all, Ask::Meet(Point::Held, expected));
    }

    #[test]
    fn shares_sum_up_to_all() {
        for (connections, of) in [(10, 3), (100_000, 7), (5, 5), (1_000_000, 2), (16_000_000, 1024)] {
            let shares: Vec<u32> = (1..=of).map(|number| Machine { number, of }.share(connections)).collect();
            assert_eq!(shares.iter().sum::<u32>(), connections);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
