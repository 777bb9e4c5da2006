//! Settings that are a choice between names.

use crate::choices;

choices! {
    /// Whether messages are compressed with clients that offer it (permessage-deflate, RFC 7692), and at what cost in memory.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Compression {
        /// Messages are not compressed.
        #[default]
        Off = "off",
        /// Each message is compressed on its own, in both directions: a connection keeps nothing. A worker has one compressor and one
        /// decompressor, about half a megabyte, once they are needed.
        Shared = "shared",
        /// Messages may refer to those before them, which makes small messages much smaller. From its first compressed message on, a
        /// connection keeps the last bytes of each direction, at most `compression-window` of each, and a side record of 272 bytes.
        Dedicated = "dedicated",
    }
}

choices! {
    /// Whether workers are pinned to cores.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Pinning {
        /// The scheduler chooses the cores.
        Off = "true",
        /// As many workers are pinned as fill all cores evenly: none where there are fewer workers than cores, so that several servers
        /// on a machine do not share the first cores. With [`Steering::ByCore`] all workers are pinned.
        #[default]
        Even = "false",
    }
}

choices! {
    /// Which worker gets a new connection.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum Steering {
        /// The worker on the core where the kernel deals with the connection's first packet (`SO_INCOMING_CPU`, Linux 6.2).
        ByCore = "true",
        /// Any worker.
        #[default]
        Off = "false",
    }
}

/// Whether workers may have private descriptor tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DescriptorTables {
    /// All workers use the table of the process.
    #[default]
    Shared,
    /// Each worker gets a private table where the connections do not fit one table. A [`Handler`](crate::Handler) must then not use a
    /// descriptor that was opened elsewhere, standard streams aside, and a descriptor that it opens must not be used elsewhere. That holds
    /// for log lines too: those of a handler must go to standard error or to another thread. The workers' own are written by a thread in
    /// the table of the thread that starts the server.
    PrivateIfNeeded,
}
