//! What has come of a request.

/// What has come of a request. What is answered is in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routed {
    /// Its WebSocket is open.
    WebSocket,
    /// It is answered, and another request may follow.
    Answered,
    /// The answer is the last thing on the connection.
    Ended,
    /// It waits for the decision of this number.
    Later(u64),
}
