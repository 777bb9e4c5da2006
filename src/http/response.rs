//! Responses: status, header fields and body, written as bytes.

use std::borrow::Cow;
use std::fmt;

use super::{Status, is_token};

/// A response that a handler gives: a status, header fields and a body.
///
/// The server adds the fields that state the body's length and whether the connection stays open. It adds no `Date`: where a response should
/// have one (RFC 9110, section 6.6.1), the handler adds it.
///
/// ```
/// use throng::http::{Response, Status};
///
/// let refused = Response::new(Status::UNAUTHORIZED)
///     .field("WWW-Authenticate", "Bearer")?
///     .body("application/json", r#"{"error":"no token"}"#);
/// # Ok::<(), throng::http::FieldError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: Status,
    /// The header fields of the handler, as whole lines.
    fields: Vec<u8>,
    content_type: Cow<'static, str>,
    body: Cow<'static, [u8]>,
    persistence: Persistence,
    /// The reason for the log, where the response is a refusal.
    detail: &'static str,
}

/// Whether a connection is used for another request after a response (RFC 9112, section 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Another request may follow on the connection.
    KeepAlive,
    /// The response says that the connection ends after it.
    Close,
}

/// Why a header field cannot be added to a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is not a token (RFC 9110, section 5.1).
    Name,
    /// The value has a control character, which could end the line, or space around it (RFC 9110, section 5.5).
    Value,
    /// The server writes this field itself: `Connection`, `Content-Length`, `Content-Type`, `Transfer-Encoding` or `Upgrade`.
    Reserved(&'static str),
}

/// The header fields that the server writes itself.
const RESERVED: [&str; 5] = ["Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Upgrade"];

impl Response {
    /// Makes a response with this status, without fields and without a body. The connection may be used for another request after it.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self {
            status,
            fields: Vec::new(),
            content_type: Cow::Borrowed(""),
            body: Cow::Borrowed(b""),
            persistence: Persistence::KeepAlive,
            detail: "the handler refuses it",
        }
    }

    /// Adds a header field. A field that the status requires, such as `Retry-After` with 503, replaces the server's own.
    ///
    /// # Errors
    /// [`FieldError::Name`] if the name is not a token. [`FieldError::Value`] if the value has a control character other than a tab, or
    /// begins or ends with a space. [`FieldError::Reserved`] for a field that the server writes itself: `Connection` (see
    /// [`close`](Self::close)), `Content-Length` and `Content-Type` (see [`body`](Self::body)), `Transfer-Encoding`, `Upgrade`. A field with
    /// a fixed name and a checked value causes no error.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        let value = value.as_ref();
        if !is_token(name.as_bytes()) {
            return Err(FieldError::Name);
        }
        if let Some(reserved) = RESERVED.iter().find(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(FieldError::Reserved(reserved));
        }
        let is_legal = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        if !value.iter().all(is_legal) || value.trim_ascii().len() != value.len() {
            return Err(FieldError::Value);
        }
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.fields.extend_from_slice(part);
        }
        Ok(self)
    }

    /// Sets the body and its media type (RFC 9110, section 8.3), in place of an earlier body. With a status that has no body (204, 205,
    /// 304), the body is not sent.
    ///
    /// # Panics
    /// The media type has a control character.
    #[must_use]
    pub fn body(mut self, media_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        assert!(!media_type.bytes().any(|byte| byte.is_ascii_control()), "a media type is one line");
        self.content_type = Cow::Borrowed(media_type);
        self.body = Cow::Owned(body.into());
        self
    }

    /// Makes the connection end after the response.
    #[must_use]
    pub const fn close(mut self) -> Self {
        self.persistence = Persistence::Close;
        self
    }

    pub(super) const fn with_detail(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Returns whether the response allows the connection to stay open after it.
    #[must_use]
    pub const fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Returns the reason for the log, where the response is a refusal.
    pub(crate) const fn detail(&self) -> &'static str {
        self.detail
    }

    /// Returns an upper bound of the response's bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        const OWN_LINES: usize = 256;
        OWN_LINES + self.fields.len() + self.content_type.len() + self.body.len()
    }

    /// Appends the response to `out`. The response says that the connection ends if `persistence` or the response itself is
    /// [`Persistence::Close`].
    pub fn write(&self, persistence: Persistence, out: &mut Vec<u8>) {
        self.write_head(persistence, out);
        if self.status.has_body() {
            out.extend_from_slice(&self.body);
        }
    }

    /// Appends the response without its body to `out`, as the answer to a HEAD request (RFC 9110, section 9.3.2).
    pub fn write_head(&self, persistence: Persistence, out: &mut Vec<u8>) {
        let persistence = persistence.and(self.persistence);
        write_head(out, self.status, persistence, &self.fields, &self.content_type, self.body.len());
    }
}

impl Persistence {
    /// Returns `KeepAlive` if both are `KeepAlive`, and `Close` otherwise.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::KeepAlive, Self::KeepAlive) => Self::KeepAlive,
            _ => Self::Close,
        }
    }
}

/// Appends the head of a response whose body has `len` bytes; `fields` are whole lines.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    status: Status,
    persistence: Persistence,
    fields: &[u8],
    content_type: &str,
    len: usize,
) {
    let mut add = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    add(&[format!("HTTP/1.1 {status} {}\r\n", status.reason()).as_bytes()]);
    let close = (persistence == Persistence::Close).then_some("close");
    match (status.connection_option(), close) {
        (Some(option), Some(close)) => {
            add(&[b"Connection: ", option.as_bytes(), b", ", close.as_bytes(), b"\r\n"])
        }
        (Some(option), None) | (None, Some(option)) => add(&[b"Connection: ", option.as_bytes(), b"\r\n"]),
        (None, None) => {}
    }
    for (name, value) in status.fields() {
        if !has_field(fields, name) {
            add(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
    }
    add(&[fields]);
    let len = if status.has_body() { len } else { 0 };
    if len > 0 && !content_type.is_empty() {
        add(&[b"Content-Type: ", content_type.as_bytes(), b"\r\n"]);
    }
    if status.has_length() {
        add(&[format!("Content-Length: {len}\r\n").as_bytes()]);
    }
    add(&[b"\r\n"]);
}

/// Returns `true` if one of these lines is a field called `name`.
fn has_field(lines: &[u8], name: &str) -> bool {
    let is_it = |line: &[u8]| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            && line.get(name.len()) == Some(&b':')
    };
    lines.split(|&byte| byte == b'\n').any(is_it)
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name of a header field must be a token"),
            Self::Value => f.write_str(
                "the value of a header field must have no control characters, and no space around it",
            ),
            Self::Reserved(name) => write!(f, "the server writes the header field {name} itself"),
        }
    }
}

impl std::error::Error for FieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Response, persistence: Persistence) -> String {
        let mut out = Vec::new();
        response.write(persistence, &mut out);
        let mut head = Vec::new();
        response.write_head(persistence, &mut head);
        assert!(out.starts_with(&head) && head.ends_with(b"\r\n\r\n"));
        assert!(out.len() <= response.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_that_is_not_the_last_says_nothing_of_the_connection() {
        let response = Response::new(Status::OK).body("text/plain", "ok\n");
        assert_eq!(
            text(&response, Persistence::KeepAlive),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
        );
        let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
        assert_eq!(text(&response, Persistence::Close), closing);
        assert_eq!(text(&response.close(), Persistence::KeepAlive), closing);
    }

    #[test]
    fn statuses_without_a_body_have_none() {
        for (code, end) in [(204, "\r\n"), (304, "\r\n"), (205, "Content-Length: 0\r\n\r\n")] {
            let response = Response::new(Status::new(code).unwrap()).body("text/plain", "nobody reads it");
            let text = text(&response, Persistence::KeepAlive);
            let (line, rest) = text.split_once("\r\n").unwrap();
            assert_eq!((line.starts_with(&format!("HTTP/1.1 {code} ")), rest), (true, end));
        }
        let empty = text(&Response::new(Status::OK), Persistence::KeepAlive);
        assert_eq!(empty, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn fields_of_the_handler_go_before_those_that_the_status_calls_for() {
        let response = Response::new(Status::SERVICE_UNAVAILABLE).field("retry-after", "60").unwrap();
        let text = text(&response.field("X-A", "b").unwrap(), Persistence::KeepAlive);
        assert_eq!(
            text,
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 60\r\nX-A: b\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn no_field_ends_its_line_or_is_the_servers() {
        let add = |name: &str, value: &[u8]| Response::new(Status::OK).field(name, value).map(|_| ());
        assert_eq!(add("X", b""), Ok(()));
        assert_eq!(add("X", "a\tb \u{e4}".as_bytes()), Ok(()));
        for value in [&b"a\r\nSet-Cookie: b"[..], b"a\n", b"\0", b"\x7f", b" a", b"a ", b"\ta"] {
            assert_eq!(add("X", value), Err(FieldError::Value), "{}", value.escape_ascii());
        }
        for name in ["", "a b", "a:", "a\r\n", "\u{e4}"] {
            assert_eq!(add(name, b"a"), Err(FieldError::Name), "{name:?}");
        }
        for (name, reserved) in [
            ("Connection", "Connection"),
            ("content-length", "Content-Length"),
            ("CONTENT-TYPE", "Content-Type"),
            ("Transfer-Encoding", "Transfer-Encoding"),
            ("upgrade", "Upgrade"),
        ] {
            assert_eq!(add(name, b"a"), Err(FieldError::Reserved(reserved)), "{name}");
        }
    }
}
