//! The status codes of responses, and the header fields that each of them requires.

use std::fmt;

/// The status code of a final response: 200 to 599 (RFC 9110, section 15).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(u16);

impl Status {
    /// 200: the response has the requested content.
    pub const OK: Self = Self(200);
    /// 204: the request was carried out, and the response has no body.
    pub const NO_CONTENT: Self = Self(204);
    /// 400: the request is malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// 401: credentials are missing or wrong.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403: the request was understood and is refused.
    pub const FORBIDDEN: Self = Self(403);
    /// 404: the target does not exist.
    pub const NOT_FOUND: Self = Self(404);
    /// 405: the target does not support the method. The response names GET and HEAD as allowed, unless the handler adds a field `Allow`.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 413: the request has a body that is longer than the server takes (RFC 9110, section 15.5.14).
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    /// 426: the request does not ask for an upgrade, or asks for another version of the protocol (RFC 6455, section 4.2.2).
    pub const UPGRADE_REQUIRED: Self = Self(426);
    /// 429: too many requests from this client (RFC 6585, section 4).
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    /// 431: the head is too large (RFC 6585, section 5).
    pub const HEADER_FIELDS_TOO_LARGE: Self = Self(431);
    /// 500: a bug of the server.
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    /// 503: the server is at a limit, or going down.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);

    /// Returns the status with this code, or `None` if it is not the code of a final response.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if matches!(code, 200..=599) { Some(Self(code)) } else { None }
    }

    /// Returns the code.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns `true` for an error: 400 to 599.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 >= 400
    }

    pub(super) const fn reason(self) -> &'static str {
        match self.0 {
            200 => "OK",
            204 => "No Content",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            413 => "Content Too Large",
            426 => "Upgrade Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            // The phrase is optional and has no meaning (RFC 9112, section 4).
            _ => "",
        }
    }

    /// Returns the header fields that the status requires, in addition to `Connection`.
    pub(super) const fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self.0 {
            // RFC 9110 section 15.5.6.
            405 => &[("Allow", "GET, HEAD")],
            // RFC 9110 section 15.5.22. RFC 6455-4.2.2-4 and 6455-4.4-1: with the versions that are understood.
            426 => &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
            429 | 503 => &[("Retry-After", "5")],
            _ => &[],
        }
    }

    /// Returns the option that the `Connection` field has with this status, in addition to `close`.
    pub(super) const fn connection_option(self) -> Option<&'static str> {
        // RFC 9110 section 7.8: a sender of `Upgrade` also names it in `Connection`.
        if self.0 == 426 { Some("upgrade") } else { None }
    }

    /// Returns `true` if a response with this status may have a body.
    pub(super) const fn has_body(self) -> bool {
        // RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5.
        !matches!(self.0, 204 | 205 | 304)
    }

    /// Returns `true` if a response with this status has the field `Content-Length`.
    pub(super) const fn has_length(self) -> bool {
        // RFC 9110 section 8.6: not in a 204; in a 304 it would be that of the 200. RFC 9110 section 15.3.6: a 205 says 0.
        !matches!(self.0, 204 | 304)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({})", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_statuses_are_statuses() {
        let legal: Vec<u16> = (0..=999).filter(|&code| Status::new(code).is_some()).collect();
        assert_eq!(legal, (200..=599).collect::<Vec<_>>());
        assert!(!Status::NO_CONTENT.is_error() && Status::BAD_REQUEST.is_error());
    }
}
