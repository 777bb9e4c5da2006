//! The result of routing a request.

use crate::worker::app::decision::PendingDecision;

/// The result of routing a request. The answer, if any, is in the reply buffer.
#[derive(Debug)]
pub(super) enum Routed {
    /// The WebSocket is open.
    WebSocket,
    /// The request is answered, and another one may follow.
    Answered,
    /// The request is answered, and the connection ends after that.
    Ended,
    /// The request waits for this decision.
    Later(PendingDecision),
}
