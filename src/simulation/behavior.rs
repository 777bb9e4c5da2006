//! How clients behave, and how a connection may end.

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behavior {
    /// Most bytes that it sends at a time.
    pub(crate) write_size: usize,
    /// Most bytes that it reads at a time.
    pub(crate) read_size: usize,
    /// It reads once in so many turns.
    pub(crate) read_every: usize,
    /// Turns after which it answers a Ping; `None` for never.
    pub(crate) pong_delay: Option<usize>,
    pub(crate) answers_close: bool,
    /// It breaks the protocol once in so many turns.
    pub(crate) fault_every: usize,
    /// It ends, resets or vanishes once in so many turns.
    pub(crate) quit_every: usize,
}

/// The server's limits that a client keeps to, or breaks on purpose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) max_message: usize,
    pub(crate) max_frames: u32,
    /// Bytes of a message that fills an empty outbox to the last one when it is sent back.
    pub(crate) fills_outbox: usize,
    /// A message may end the server.
    pub(crate) may_drain: bool,
}

/// Why a connection is over for the application.
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
