//! Close codes and the body of a Close frame (RFC 6455, sections 5.5.1 and 7.4).

use std::fmt;

use super::ProtocolError;

/// A status code that may be sent in a Close frame.
///
/// These codes are 1000-1003 and 1007-1014 (RFC 6455 section 7.4.1 and the IANA registry of close codes), 3000-3999 (registered by
/// frameworks) and 4000-4999 (private). 1004 is reserved; 1005, 1006 and 1015 only describe local events and are never sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server is going down, or the browser has left the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the peer sent a type of data that is not accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the data does not fit the message's type, such as a text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated and no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client expected an extension that the server did not negotiate.
    pub const EXTENSION_REQUIRED: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server is restarting.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded; the client may try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Returns the code with this number, or `None` if the code must not be sent.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        // RFC 6455-7.4.1-1, 6455-7.4.1-2, 6455-7.4.1-4 and 6455-7.4.2-1: every code, sent or received, is made here.
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The body of a Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The status code; `None` for an empty body, which browsers report as 1005.
    pub code: Option<CloseCode>,
    /// The reason, at most 123 bytes; empty if the frame has none.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// The longest reason in bytes: the 125 bytes of a control frame less the two of the code.
    pub const MAX_REASON: usize = 123;

    /// Parses the body of a Close frame.
    ///
    /// # Errors
    /// Returns an error for a body of one byte, a code that must not be sent, and a reason that is not UTF-8.
    pub fn parse(body: &'a [u8]) -> Result<Self, ProtocolError> {
        let (code, reason) = match body {
            [] => return Ok(Self { code: None, reason: "" }),
            // RFC 6455-5.5.1-1
            [_] => return Err(ProtocolError::CloseBodyTooShort),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let code = CloseCode::new(code).ok_or(ProtocolError::InvalidCloseCode(code))?;
        // RFC 6455-8.1-1
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Self { code: Some(code), reason })
    }
}

/// Returns the longest prefix of `reason` that fits a Close frame and ends on a character boundary.
pub(crate) fn clip_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(CloseFrame::MAX_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_codes_that_may_travel_are_legal() {
        let legal: Vec<u16> = (0..=u16::MAX).filter(|&code| CloseCode::new(code).is_some()).collect();
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(legal, expected);
    }

    #[test]
    fn bodies_are_read_or_refused() {
        let code = |number| CloseCode::new(number);
        assert_eq!(CloseFrame::parse(b""), Ok(CloseFrame { code: None, reason: "" }));
        assert_eq!(CloseFrame::parse(b"\x03\xe8"), Ok(CloseFrame { code: code(1000), reason: "" }));
        assert_eq!(CloseFrame::parse(b"\x0f\xa0bye"), Ok(CloseFrame { code: code(4000), reason: "bye" }));
        assert_eq!(CloseFrame::parse(b"\x03"), Err(ProtocolError::CloseBodyTooShort));
        assert_eq!(CloseFrame::parse(b"\x03\xed"), Err(ProtocolError::InvalidCloseCode(1005)));
        assert_eq!(CloseFrame::parse(b"\x03\xe8\xff"), Err(ProtocolError::InvalidUtf8));
    }

    #[test]
    fn reasons_are_clipped_between_characters() {
        assert_eq!(clip_reason("short"), "short");
        assert_eq!(clip_reason(&"x".repeat(124)).len(), 123);
        assert_eq!(clip_reason(&"é".repeat(62)).len(), 122);
    }
}
