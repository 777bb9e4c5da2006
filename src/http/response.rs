//! Error responses: why a request is not served, as status, explanation and the header fields each status demands.

use std::fmt;

/// The status code of an error response: 400 to 599 (RFC 9110, sections 15.5 and 15.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(u16);

impl Status {
    /// 400: the request is malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// 401: credentials are missing or wrong.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403: understood and refused.
    pub const FORBIDDEN: Self = Self(403);
    /// 404: nothing is there.
    pub const NOT_FOUND: Self = Self(404);
    /// 405: the method is neither GET nor HEAD.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 426: the request does not ask for an upgrade, or asks for another version of the protocol (RFC 6455, section 4.2.2).
    pub const UPGRADE_REQUIRED: Self = Self(426);
    /// 429: too many requests from this client (RFC 6585, section 4).
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    /// 431: the head is too large (RFC 6585, section 5).
    pub const HEADER_FIELDS_TOO_LARGE: Self = Self(431);
    /// 500: our bug.
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    /// 503: at a limit, or going down.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);

    /// The status with this number, or `None` where that is not the number of an error.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if matches!(code, 400..=599) { Some(Self(code)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    const fn reason(self) -> &'static str {
        match self.0 {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            426 => "Upgrade Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            // The phrase is optional and has no meaning (RFC 9112, section 4).
            _ => "",
        }
    }

    /// Header fields that the status calls for.
    const fn fields(self) -> &'static str {
        match self.0 {
            // RFC 9110 section 15.5.6.
            405 => "Connection: close\r\nAllow: GET, HEAD\r\n",
            // RFC 9110 section 15.5.22. RFC 6455-4.2.2-4 and 6455-4.4-1: with the versions that are understood.
            426 => "Connection: upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            429 | 503 => "Connection: close\r\nRetry-After: 5\r\n",
            _ => "Connection: close\r\n",
        }
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

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    status: Status,
    detail: &'static str,
}

impl Refusal {
    /// A refusal with an explanation of one line, which is the response's body.
    #[must_use]
    pub const fn new(status: Status, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The explanation.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        self.detail
    }

    /// Appends the response to `out`: it says that the connection ends with it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_head(out);
        out.extend_from_slice(self.detail.as_bytes());
        out.push(b'\n');
    }

    /// Appends the same response without its body, which is the answer to HEAD (RFC 9110, section 9.3.2).
    pub fn write_head(&self, out: &mut Vec<u8>) {
        let Self { status, detail } = self;
        let head = format!(
            "HTTP/1.1 {status} {}\r\n{}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            status.reason(),
            status.fields(),
            detail.len() + 1,
        );
        out.extend_from_slice(head.as_bytes());
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: Status) -> String {
        let mut out = Vec::new();
        Refusal::new(status, "why").write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_has_status_fields_and_body() {
        assert_eq!(
            response(Status::BAD_REQUEST),
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 4\r\n\r\nwhy\n"
        );
        assert!(response(Status::METHOD_NOT_ALLOWED).contains("\r\nAllow: GET, HEAD\r\n"));
        assert!(response(Status::SERVICE_UNAVAILABLE).contains("\r\nRetry-After: 5\r\n"));
        let upgrade = response(Status::UPGRADE_REQUIRED);
        assert!(upgrade.contains("\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), "{upgrade}");
        assert!(response(Status::new(599).unwrap()).starts_with("HTTP/1.1 599 \r\n"));
    }

    #[test]
    fn the_answer_to_head_is_the_same_without_its_body() {
        for status in [Status::BAD_REQUEST, Status::METHOD_NOT_ALLOWED, Status::UPGRADE_REQUIRED] {
            let mut head = Vec::new();
            Refusal::new(status, "why").write_head(&mut head);
            assert_eq!(response(status), String::from_utf8(head).unwrap() + "why\n");
        }
    }

    #[test]
    fn only_errors_are_refusals() {
        let legal: Vec<u16> = (0..=999).filter(|&code| Status::new(code).is_some()).collect();
        assert_eq!(legal, (400..=599).collect::<Vec<_>>());
    }
}
