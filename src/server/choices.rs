//! Settings that are a choice between names.

use crate::choices;

choices! {
    /// Whether messages are compressed for clients that offer it (permessage-deflate, RFC 7692), and how much memory that takes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Compression {
        /// Messages are not compressed.
        #[default]
        Off = "off",
        /// Each message is compressed on its own, in both directions: a connection keeps no window. A worker makes one compressor and one
        /// decompressor, about half a megabyte, when they are first needed.
        Shared = "shared",
        /// Messages may refer to earlier messages, which makes small messages much smaller. From its first compressed message on, a
        /// connection keeps the last bytes of each direction, at most `compression-window` of each, and 272 bytes beside them.
        Dedicated = "dedicated",
    }
}

choices! {
    /// Placement of the workers on cores.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Pinning {
        /// The scheduler chooses the cores.
        Off = "true",
        /// Workers are pinned to cores, the same number on each core, and the scheduler places the rest. With fewer workers than cores none
        /// is pinned, so that several servers on a machine do not share the first cores. With [`Steering::ByCore`] all workers are pinned.
        #[default]
        Even = "false",
    }
}

choices! {
    /// Which worker gets a new connection.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Steering {
        /// The worker on the core where the kernel handles the connection's first packet (`SO_INCOMING_CPU`, Linux 6.2).
        ByCore = "true",
        /// Any worker.
        #[default]
        Off = "false",
    }
}

/// Whether workers may have private descriptor tables. A descriptor table is a process's list of open files; its size is limited
/// (`RLIMIT_NOFILE`, getrlimit(2)), and each connection takes an entry. A thread can have a table of its own (`CLONE_FILES`, unshare(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DescriptorTables {
    /// All workers use the table of the process.
    #[default]
    Shared,
    /// Each worker gets a private table when the connections do not fit one table. A [`Handler`](crate::Handler) must then not use a
    /// descriptor that another thread opened, except the standard streams, and no other thread may use a descriptor that the handler opens.
    /// This applies to log lines too: a handler must write them to standard error or pass them to another thread. The workers' own log
    /// lines are written by a thread in the table of the thread that starts the server.
    PrivateIfNeeded,
}
