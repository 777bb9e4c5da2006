//! Refusals of requests: error responses with fixed texts.

use std::fmt;

use super::Status;
use super::response::{Persistence, Response, write_head};

const TEXT: &str = "text/plain; charset=utf-8";

/// The refusal of a request: an error response with one line of text that says why. The connection ends after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    status: Status,
    detail: &'static str,
}

impl Refusal {
    /// Makes a refusal with an explanation of one line, which is the response's body. The status should be an error.
    #[must_use]
    pub const fn new(status: Status, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// Returns the status of the response.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Returns the explanation.
    #[must_use]
    pub const fn detail(&self) -> &'static str {
        self.detail
    }

    /// Appends the response to `out`. The response says that the connection ends after it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_head(out);
        if self.status.has_body() {
            out.extend_from_slice(self.detail.as_bytes());
            out.push(b'\n');
        }
    }

    /// Appends the response without its body to `out`, as the answer to a HEAD request (RFC 9110, section 9.3.2).
    pub fn write_head(&self, out: &mut Vec<u8>) {
        write_head(out, self.status, Persistence::Close, b"", TEXT, self.detail.len() + 1);
    }
}

impl From<Refusal> for Response {
    fn from(Refusal { status, detail }: Refusal) -> Self {
        Self::new(status).with_detail(detail).body(TEXT, format!("{detail}\n")).close()
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
        assert_eq!(
            response(Status::METHOD_NOT_ALLOWED),
            "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET, HEAD\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\nwhy\n"
        );
        assert_eq!(
            response(Status::UPGRADE_REQUIRED),
            "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\n\r\nwhy\n"
        );
        assert!(response(Status::SERVICE_UNAVAILABLE).contains("\r\nRetry-After: 5\r\n"));
        assert!(response(Status::new(599).unwrap()).starts_with("HTTP/1.1 599 \r\n"));
    }

    #[test]
    fn the_answer_to_head_is_without_the_body() {
        for status in [Status::BAD_REQUEST, Status::METHOD_NOT_ALLOWED, Status::UPGRADE_REQUIRED] {
            let mut head = Vec::new();
            Refusal::new(status, "why").write_head(&mut head);
            assert_eq!(response(status), String::from_utf8(head).unwrap() + "why\n");
        }
    }

    #[test]
    fn a_refusal_is_the_response_that_it_becomes() {
        for status in (200..=599).filter_map(Status::new) {
            let refusal = Refusal::new(status, "why");
            let mut out = Vec::new();
            Response::from(refusal).write(Persistence::KeepAlive, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), response(status));
        }
    }
}
