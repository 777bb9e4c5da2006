//! The behavior of clients, and the reasons why a connection ends.

/// The behavior of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behavior {
    /// The most bytes that the client sends at a time.
    pub(crate) write_size: usize,
    /// The most bytes that the client reads at a time.
    pub(crate) read_size: usize,
    /// The client reads once in this many turns.
    pub(crate) read_every: usize,
    /// Turns after which the client answers a Ping; `None` if it never does.
    pub(crate) pong_delay: Option<usize>,
    pub(crate) answers_close: bool,
    /// The client breaks the protocol once in this many turns.
    pub(crate) fault_every: usize,
    /// The client ends, resets or closes its connection once in this many turns.
    pub(crate) quit_every: usize,
}

/// The server's limits, which a client respects or breaks on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_message: usize,
    pub(crate) max_frames: u32,
    /// The size in bytes of a message whose echo fills an empty outbox exactly.
    pub(crate) fills_outbox: usize,
    /// Whether a message may make the application drain the server.
    pub(crate) may_drain: bool,
}

/// The reason why a connection has ended for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndReason {
    ByPeer(Option<u16>),
    ByUs(Option<u16>, String),
    Failed(u16),
    PongTimeout,
    MessageTimeout,
    Overflow,
    Exhausted,
    Lost,
}
