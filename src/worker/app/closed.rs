//! Reasons why connections end, independent of the protocol.

use std::fmt;

use crate::ws::{CloseCode, CloseFrame, DecodeError, ProtocolError};

/// Why one side closes a connection, whatever the connection's protocol. On a WebSocket each reason is sent as a [`CloseCode`] (RFC 6455,
/// section 7.4), and a `CloseCode` converts to a reason: functions that close a connection take either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The purpose of the connection is fulfilled: 1000.
    Done,
    /// The server ends, or the client leaves: 1001.
    GoingAway,
    /// An endpoint received a type of data that it does not support: 1003.
    Unsupported,
    /// An endpoint broke a rule of the application: 1008.
    Policy,
    /// An endpoint received a message that is too long: 1009.
    TooLong,
    /// A bug keeps the server from continuing: 1011.
    Internal,
    /// The server has no room for the connection at the moment: 1013.
    TryAgainLater,
    /// Another close code, for example one that is free for applications (4000 to 4999).
    Code(CloseCode),
}

impl CloseReason {
    /// Returns the WebSocket close code for this reason.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Done => CloseCode::NORMAL,
            Self::GoingAway => CloseCode::GOING_AWAY,
            Self::Unsupported => CloseCode::UNSUPPORTED_DATA,
            Self::Policy => CloseCode::POLICY_VIOLATION,
            Self::TooLong => CloseCode::MESSAGE_TOO_BIG,
            Self::Internal => CloseCode::INTERNAL_ERROR,
            Self::TryAgainLater => CloseCode::TRY_AGAIN_LATER,
            Self::Code(code) => code,
        }
    }
}

impl From<CloseCode> for CloseReason {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::NORMAL => Self::Done,
            CloseCode::GOING_AWAY => Self::GoingAway,
            CloseCode::UNSUPPORTED_DATA => Self::Unsupported,
            CloseCode::POLICY_VIOLATION => Self::Policy,
            CloseCode::MESSAGE_TOO_BIG => Self::TooLong,
            CloseCode::INTERNAL_ERROR => Self::Internal,
            CloseCode::TRY_AGAIN_LATER => Self::TryAgainLater,
            other => Self::Code(other),
        }
    }
}

/// The reason and text with which one side closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending<'a> {
    /// The reason; `None` where the peer sent no close code.
    pub reason: Option<CloseReason>,
    /// The reason in words; may be empty.
    pub text: &'a str,
}

impl fmt::Display for CloseReason {
    /// Writes the reason in words, with the close code: `going away (1001)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Done => "normal closure",
            Self::GoingAway => "going away",
            Self::Unsupported => "unsupported data",
            Self::Policy => "policy violation",
            Self::TooLong => "message too long",
            Self::Internal => "internal error",
            Self::TryAgainLater => "try again later",
            Self::Code(_) => "close code",
        };
        write!(f, "{words} ({})", self.close_code())
    }
}

impl fmt::Display for Ending<'_> {
    /// Writes the reason, and the text in quotes with control characters escaped: `going away (1001) "bye"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => reason.fmt(f)?,
            None => f.write_str("no close code")?,
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {:?}", self.text) }
    }
}

impl<'a> From<CloseFrame<'a>> for Ending<'a> {
    fn from(frame: CloseFrame<'a>) -> Self {
        Self { reason: frame.code.map(CloseReason::from), text: frame.reason }
    }
}

/// Why a connection ended, and which side ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed<'a> {
    /// The peer closed the connection, with this reason.
    ByPeer(Ending<'a>),
    /// The server closed the connection, with this reason: its handler, a [`Handle`](crate::Handle), or the end of the server.
    ByUs(Ending<'a>),
    /// The peer broke the protocol.
    Failed(ProtocolError),
    /// The peer did not answer a Ping in time.
    PongTimeout,
    /// A message that the peer had begun did not end in time.
    MessageTimeout,
    /// A message from another thread did not fit the outbox, because the peer reads too slowly.
    OutboxOverflow,
    /// The worker had no buffer memory left for the connection.
    BuffersExhausted,
    /// The connection ended without a Close frame: it was reset, or the peer is gone (1006 in the API of browsers).
    Lost,
}

impl fmt::Display for Closed<'_> {
    /// Writes which side ended the connection, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer(ending) => write!(f, "the peer closed the connection: {ending}"),
            Self::ByUs(ending) => write!(f, "the server closed the connection: {ending}"),
            Self::Failed(error) => write!(f, "the peer broke the protocol: {error}"),
            Self::PongTimeout => f.write_str("the peer did not answer a Ping in time"),
            Self::MessageTimeout => f.write_str("a message of the peer did not end in time"),
            Self::OutboxOverflow => f.write_str("the connection's outbox is full"),
            Self::BuffersExhausted => f.write_str("the worker has no buffer memory left"),
            Self::Lost => f.write_str("the connection was lost without a Close frame"),
        }
    }
}

impl<'a> Closed<'a> {
    /// Splits off the reason's text: returns this value with an empty text, and the text.
    pub(in crate::worker) fn without_reason(self) -> (Closed<'static>, &'a str) {
        let silent = |ending: Ending<'a>| Ending { reason: ending.reason, text: "" };
        match self {
            Self::ByPeer(ending) => (Closed::ByPeer(silent(ending)), ending.text),
            Self::ByUs(ending) => (Closed::ByUs(silent(ending)), ending.text),
            Self::Failed(error) => (Closed::Failed(error), ""),
            Self::PongTimeout => (Closed::PongTimeout, ""),
            Self::MessageTimeout => (Closed::MessageTimeout, ""),
            Self::OutboxOverflow => (Closed::OutboxOverflow, ""),
            Self::BuffersExhausted => (Closed::BuffersExhausted, ""),
            Self::Lost => (Closed::Lost, ""),
        }
    }

    /// Returns this value with `text` as the reason's text, in the variants that have one.
    pub(in crate::worker) const fn with_reason(self, text: &'a str) -> Self {
        match self {
            Self::ByPeer(ending) => Self::ByPeer(Ending { reason: ending.reason, text }),
            Self::ByUs(ending) => Self::ByUs(Ending { reason: ending.reason, text }),
            other => other,
        }
    }
}

impl From<DecodeError> for Closed<'_> {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Protocol(error) => Self::Failed(error),
            DecodeError::OutOfBuffers => Self::BuffersExhausted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_connection_is_described_in_a_line() {
        let ending = |reason, text| Ending { reason, text };
        for (closed, line) in [
            (
                Closed::ByPeer(ending(Some(CloseReason::GoingAway), "bye\n")),
                r#"the peer closed the connection: going away (1001) "bye\n""#,
            ),
            (Closed::ByPeer(ending(None, "")), "the peer closed the connection: no close code"),
            (
                Closed::ByUs(ending(CloseCode::new(4001).map(CloseReason::from), "")),
                "the server closed the connection: close code (4001)",
            ),
            (Closed::Failed(ProtocolError::InvalidUtf8), "the peer broke the protocol: text is not UTF-8"),
        ] {
            assert_eq!(closed.to_string(), line);
        }
    }

    #[test]
    fn reasons_and_close_codes_stand_for_each_other() {
        for number in 0..=u16::MAX {
            let Some(code) = CloseCode::new(number) else { continue };
            let reason = CloseReason::from(code);
            assert_eq!(reason.close_code(), code);
            assert_eq!(CloseReason::from(reason.close_code()), reason);
        }
    }
}
