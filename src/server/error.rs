//! Errors of a server as a whole.

use std::{fmt, io};

use super::Listen;
use crate::budget::MAX_LISTENERS;
use crate::settings::RangeError;

/// A configuration that cannot be served. The message says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No address to listen on is given.
    NoListener,
    /// There are more than 16 addresses to listen on: a connection's record has no room for a greater listener number.
    TooManyListeners {
        /// The number of addresses given.
        given: usize,
    },
    /// A setting is out of its range.
    OutOfRange(RangeError),
    /// More connections are requested than one descriptor table holds, and private tables are not allowed.
    DescriptorLimit {
        /// Connections wanted.
        wanted: usize,
        /// Connections that fit.
        room: usize,
        /// The limit, `RLIMIT_NOFILE`.
        limit: usize,
    },
    /// More connections are requested than the requested number of workers can hold.
    TooFewWorkers {
        /// Connections wanted.
        wanted: usize,
        /// Workers asked for.
        workers: usize,
        /// Workers needed.
        needed: usize,
    },
    /// The descriptors that the requested workers need for themselves leave no room for connections.
    TooManyWorkers {
        /// Workers asked for.
        workers: usize,
        /// The most workers that leave room for connections.
        most: usize,
        /// The limit, `RLIMIT_NOFILE`.
        limit: usize,
    },
    /// Two addresses to listen on are equal, or one contains the other.
    SamePlace {
        /// The first of the two addresses.
        first: Listen,
        /// The second of the two addresses.
        second: Listen,
    },
    /// The permissions of Unix sockets are not valid, or allow no connection.
    UnixMode {
        /// The permissions.
        mode: u32,
    },
    /// Connections are to be steered to the workers' cores, but the workers are not pinned.
    SteeredUnpinned,
    /// A worker's share of `buffer-limit` does not hold what one connection may need.
    BufferShare {
        /// Bytes that all workers need together.
        needed: usize,
        /// The number of workers.
        workers: usize,
    },
    /// A worker's share of `backlog-limit` does not hold one connection's outbox.
    BacklogShare {
        /// Bytes that all workers need together.
        needed: usize,
        /// The number of workers.
        workers: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("there is no address to listen on: give at least one"),
            Self::TooManyListeners { given } => write!(
                f,
                "there are {given} addresses to listen on and {MAX_LISTENERS} are the most: leave out some, or listen on 0.0.0.0 or [::] for \
                 all addresses of a port"
            ),
            Self::OutOfRange(error) => error.fmt(f),
            Self::DescriptorLimit { wanted, room, limit } => write!(
                f,
                "{wanted} connections do not fit the descriptor limit of {limit}, which leaves room for {room}: raise it \
                 (ulimit -n, LimitNOFILE=), lower max-connections, or allow private descriptor tables"
            ),
            Self::TooFewWorkers { wanted, workers, needed } => write!(
                f,
                "{wanted} connections do not fit {workers} workers under the descriptor limit: give {needed} workers or \
                 more, or raise the limit (ulimit -n, LimitNOFILE=)"
            ),
            Self::TooManyWorkers { workers, most, limit } => write!(
                f,
                "what {workers} workers need for themselves leaves no room for the connections under the descriptor limit of \
                 {limit}: give {most} workers at most, or raise the limit (ulimit -n, LimitNOFILE=)"
            ),
            Self::SamePlace { first, second } => {
                write!(f, "{first} and {second} are the same address to listen on: leave out one of the two")
            }
            Self::UnixMode { mode } => write!(
                f,
                "unix-mode {mode:#o} must be from 0 to 0o777 and include write permission, which a client needs to connect: give 0660 \
                 for the owner and the group, or 0666 for all users"
            ),
            Self::SteeredUnpinned => f.write_str(
                "steer gives connections to the workers on their cores, which no-pin leaves to the scheduler: leave out one \
                 of the two",
            ),
            Self::BufferShare { needed, workers } => write!(
                f,
                "the share of buffer-limit of each of {workers} workers must hold one message, which throng.v1 may make six \
                 times as long, and one outbox: give {needed} bytes or more, or lower max-message, outbox-limit or workers"
            ),
            Self::BacklogShare { needed, workers } => write!(
                f,
                "the share of backlog-limit of each of {workers} workers must hold one outbox, which throng.v1 extends for two of \
                 the longest messages: give {needed} bytes or more, or lower outbox-limit, max-message or workers"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<RangeError> for ConfigError {
    fn from(error: RangeError) -> Self {
        Self::OutOfRange(error)
    }
}

/// The reason why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is invalid, or does not fit the machine.
    Config(ConfigError),
    /// The server cannot listen on an address.
    Listen {
        /// The address.
        listen: Listen,
        /// The error of the system.
        error: io::Error,
    },
    /// The system refused another resource, such as a thread or a descriptor.
    System {
        /// The failed action.
        what: &'static str,
        /// The error of the system.
        error: io::Error,
    },
}

impl StartError {
    pub(super) const fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listen { listen, error } => write!(f, "cannot listen on {listen}: {error}"),
            Self::System { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Listen { error, .. } | Self::System { error, .. } => Some(error),
        }
    }
}

/// The reason why a running server failed: a bug, or a failure of the machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// A worker could not continue.
    Worker {
        /// The number of the worker.
        worker: usize,
        /// The error of the system.
        error: io::Error,
    },
    /// A worker panicked: its handler panicked, or throng has a bug. The panic's message is on standard error.
    Panicked {
        /// The number of the worker.
        worker: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker { worker, error } => write!(f, "worker {worker} failed: {error}"),
            Self::Panicked { worker } => write!(f, "worker {worker} panicked"),
        }
    }
}

impl std::error::Error for RunError {}
