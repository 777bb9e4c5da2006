//! What there is to measure: a cell is one measurement that every server goes through in each round.

use std::fmt;

use super::args::{Column, CompareArgs};
use crate::args::Rate;

/// Most bytes of messages that may be on their way at the same time.
const MOST_ON_THEIR_WAY: u64 = 256 << 20;
/// Messages of a broadcast on their way: each alone, and many.
const IN_FLIGHT: [u32; 2] = [1, 16];

/// One of the things that are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    Idle {
        compressed: bool,
    },
    Echo {
        connections: u32,
        depth: u32,
        size: u32,
    },
    Broadcast {
        in_flight: u32,
    },
    Handshake,
    /// Connections that come and leave: so many a second, or as many as can.
    Churn {
        rate: Option<f64>,
    },
    Pings,
}

/// A figure that servers are held against each other by: less of it is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figure {
    /// Its name among the figures of a measurement.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
}

const CPU: &[Figure] = &[Figure { name: "cpu_us", unit: "us" }];
const BYTES: &[Figure] =
    &[Figure { name: "before_bytes", unit: "bytes" }, Figure { name: "after_bytes", unit: "bytes" }];

impl Cell {
    /// All that is wanted, in the order of the columns.
    pub(super) fn all(args: &CompareArgs) -> Vec<Self> {
        let mut cells = Vec::new();
        for column in Column::ALL.into_iter().filter(|&column| args.wants(column)) {
            match column {
                Column::Idle => cells.extend([false, true].map(|compressed| Self::Idle { compressed })),
                Column::Echo => cells.extend(echoes(args)),
                Column::Broadcast => cells.extend(IN_FLIGHT.map(|in_flight| Self::Broadcast { in_flight })),
                Column::Connect => cells.extend([
                    Self::Handshake,
                    Self::Churn { rate: Rate::per_second(args.churn_rate) },
                    Self::Churn { rate: None },
                ]),
                Column::Pings => cells.push(Self::Pings),
            }
        }
        cells
    }

    pub(super) const fn column(self) -> Column {
        match self {
            Self::Idle { .. } => Column::Idle,
            Self::Echo { .. } => Column::Echo,
            Self::Broadcast { .. } => Column::Broadcast,
            Self::Handshake | Self::Churn { .. } => Column::Connect,
            Self::Pings => Column::Pings,
        }
    }

    /// What servers are held against each other by.
    pub(super) const fn compared(self) -> &'static [Figure] {
        match self {
            Self::Idle { .. } => BYTES,
            _ => CPU,
        }
    }
}

/// The name of a cell, which is stable: the column and what tells it from the others there.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.column().name())?;
        match self {
            Self::Idle { compressed: false } => write!(f, "/plain"),
            Self::Idle { compressed: true } => write!(f, "/compressed"),
            Self::Echo { connections, depth, size } => write!(f, "/{connections}x{depth}x{size}"),
            Self::Broadcast { in_flight } => write!(f, "/{in_flight}"),
            Self::Handshake => write!(f, "/handshake"),
            Self::Churn { rate: Some(rate) } => write!(f, "/churn-{rate}"),
            Self::Churn { rate: None } => write!(f, "/churn-max"),
            Self::Pings => Ok(()),
        }
    }
}

/// Connections by depth by size, but for what would keep too much on its way.
fn echoes(args: &CompareArgs) -> impl Iterator<Item = Cell> {
    let sizes = args.size.iter().flat_map(move |&size| {
        let depths = args.depth.iter();
        depths.flat_map(move |&depth| {
            args.connections.iter().map(move |&connections| Cell::Echo { connections, depth, size })
        })
    });
    sizes.filter(|cell| match *cell {
        Cell::Echo { connections, depth, size } => {
            u64::from(connections) * u64::from(depth) * u64::from(size) <= MOST_ON_THEIR_WAY
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn cells(options: &[&str]) -> Vec<String> {
        let command = CompareArgs::augment_args(Command::new("compare")).no_binary_name(true);
        let args = CompareArgs::from_arg_matches(&command.get_matches_from(options)).unwrap();
        Cell::all(&args).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_column_has_its_cells() {
        let all = cells(&[]);
        for cell in [
            "idle/plain",
            "idle/compressed",
            "echo/64x16x20",
            "echo/1x16x1048576",
            "broadcast/1",
            "broadcast/16",
            "connect/handshake",
            "connect/churn-2000",
            "connect/churn-max",
            "pings",
        ] {
            assert!(all.iter().any(|one| one == cell), "{cell} is not in {all:?}");
        }
        assert_eq!(cells(&["--only", "pings,broadcast"]), ["broadcast/1", "broadcast/16", "pings"]);
    }

    #[test]
    fn cells_that_would_not_fit_are_left_out() {
        let echoes = cells(&["--only", "echo"]);
        // 4 sizes by 2 depths by 4 numbers, without 16 KiB by 16 by 10,000 and 1 MiB by 1 by 1,000 and more.
        assert_eq!(echoes.len(), 32 - 1 - 5, "{echoes:?}");
        for (cell, fits) in
            [("echo/1000x16x16384", true), ("echo/10000x16x16384", false), ("echo/64x16x1048576", false)]
        {
            assert_eq!(echoes.iter().any(|one| one == cell), fits, "{cell}");
        }
        assert_eq!(
            cells(&["--only", "echo", "--connections", "5", "--depth", "2", "--size", "7"]),
            ["echo/5x2x7"]
        );
    }
}
