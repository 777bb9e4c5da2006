//! Request heads: the request line and the header fields (RFC 9112, sections 2 to 5).

use std::borrow::Cow;
use std::fmt;
use std::mem::MaybeUninit;

use super::{Refusal, Status, is_authority};

/// The default limit of the bytes of a request head, the blank line included.
pub const MAX_HEAD: usize = 16 * 1024;
/// The default limit of the header fields of a request: room for those that browsers send and proxies add.
pub const MAX_HEADERS: usize = 100;
/// The number of header fields that a [`HeadBuffer`] has room for.
pub const MOST_HEADERS: usize = 256;

/// The limits of a request head. A head that exceeds them is answered with 431.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Most bytes, the blank line included.
    pub bytes: usize,
    /// Most header fields; never more than [`MOST_HEADERS`].
    pub fields: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: MAX_HEAD, fields: MAX_HEADERS }
    }
}

/// Scratch space for the list of a parsed head's header fields, with the limits of the head. Only the used part is written, so making a
/// buffer for each head costs nothing.
#[derive(Debug)]
pub struct HeadBuffer<'b> {
    fields: [MaybeUninit<httparse::Header<'b>>; MOST_HEADERS],
    limits: HeadLimits,
}

impl HeadBuffer<'_> {
    /// Makes a buffer for heads within these limits.
    #[must_use]
    pub const fn new(limits: HeadLimits) -> Self {
        Self { fields: [const { MaybeUninit::uninit() }; MOST_HEADERS], limits }
    }
}

impl Default for HeadBuffer<'_> {
    /// Makes a buffer for heads within the default limits.
    fn default() -> Self {
        Self::new(HeadLimits::default())
    }
}

/// A request head.
#[derive(Clone, Copy)]
pub struct Request<'b> {
    method: &'b str,
    path: &'b str,
    query: Option<&'b str>,
    headers: &'b [httparse::Header<'b>],
}

/// Parses a request head at the start of `bytes`. Returns the request and the head's length in bytes, or `None` while the head is
/// incomplete.
///
/// This parser is stricter than many others, which it can be because the server is never behind a lenient one: it refuses a bare LF, a
/// folded line and a NUL (RFC 9112 sections 2.2 and 5.2, RFC 9110 section 5.5).
///
/// # Errors
/// 400 for bytes that are not an HTTP/1.1 request, 431 for a head that exceeds the limits of `buffer`.
pub fn parse_head<'b>(
    bytes: &'b [u8],
    buffer: &'b mut HeadBuffer<'b>,
) -> Result<Option<(Request<'b>, usize)>, Refusal> {
    // The answer must not depend on whether bytes beyond the limit have arrived.
    let HeadBuffer { fields, limits } = buffer;
    let bytes = &bytes[..bytes.len().min(limits.bytes)];
    let fields = &mut fields[..limits.fields.min(MOST_HEADERS)];
    let mut parsed = httparse::Request::new(&mut []);
    let len = match parsed.parse_with_uninit_headers(bytes, fields) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() == limits.bytes => return Err(TOO_LARGE),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_MANY),
        Err(_) => return Err(bad("this is not an HTTP/1.1 request")),
    };
    if has_bare_newline(&bytes[..len]) {
        return Err(bad("a line must end with CR LF"));
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(bad("the request line is incomplete"));
    };
    // RFC 6455-4.2.1-2: 1.1 or higher, and no higher version has heads of this form.
    if version != 1 {
        return Err(bad("HTTP/1.1 is required"));
    }
    let (path, query) =
        if (method, target) == ("OPTIONS", "*") { ("*", None) } else { split_target(target)? };
    Ok(Some((Request { method, path, query, headers: parsed.headers }, len)))
}

/// Returns `true` if `bytes` begin with a HEAD request, which may be incomplete or malformed: its response has no body.
pub(crate) fn is_head_method(bytes: &[u8]) -> bool {
    // Empty lines before a request are ignored (RFC 9112, section 2.2).
    let line = bytes.iter().position(|byte| !b"\r\n".contains(byte)).map_or(&[][..], |start| &bytes[start..]);
    line.starts_with(b"HEAD ")
}

const TOO_LARGE: Refusal = Refusal::new(
    Status::HEADER_FIELDS_TOO_LARGE,
    "the request head has more bytes than are taken here: cookies and a long query count",
);
const TOO_MANY: Refusal = Refusal::new(
    Status::HEADER_FIELDS_TOO_LARGE,
    "the request has more header fields than are taken here: those that proxies add count",
);

const fn bad(detail: &'static str) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, detail)
}

impl<'b> Request<'b> {
    /// Returns the method, such as `GET`.
    #[must_use]
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// Returns the path of the target, with its leading slash and as it was sent: nothing is decoded. The path of `OPTIONS *`, which asks
    /// about the server as a whole, is `*` (RFC 9112, section 3.2.4).
    #[must_use]
    pub const fn path(&self) -> &'b str {
        self.path
    }

    /// Returns the query of the target without the question mark, as it was sent: nothing is split or decoded. `None` if the target has no
    /// query.
    #[must_use]
    pub const fn query(&self) -> Option<&'b str> {
        self.query
    }

    /// Returns the names and values in the query, decoded as `application/x-www-form-urlencoded` (URL Standard, section 5.1): pairs are
    /// separated by `&`, a name and its value by the first `=`, `+` stands for a space, and `%XX` for a byte. Bytes that are not UTF-8
    /// become U+FFFD.
    ///
    /// ```
    /// use throng::http::{HeadBuffer, parse_head};
    ///
    /// let mut buffer = HeadBuffer::default();
    /// let head = b"GET /chat?name=J%C3%BCrgen+K&color= HTTP/1.1\r\nHost: h\r\n\r\n";
    /// let (request, _) = parse_head(head, &mut buffer).unwrap().unwrap();
    /// let name = request.query_pairs().find(|(name, _)| name == "name").map(|(_, value)| value);
    /// assert_eq!(name.as_deref(), Some("Jürgen K"));
    /// ```
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'b, str>, Cow<'b, str>)> + use<'b> {
        form_urlencoded::parse(self.query.unwrap_or_default().as_bytes())
    }

    /// Returns all header fields in order. Names compare without case. Values may have any bytes except control characters.
    pub fn headers(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b> {
        self.headers.iter().map(|header| (header.name, header.value))
    }

    /// Returns the values of all fields called `name`, in order.
    pub fn header_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'n> {
        self.headers().filter(move |(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the value of the first field called `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.header_all(name).next()
    }

    /// Returns the subprotocols that the client offers, over all fields, in the client's order of preference (RFC 6455-11.3.4-1).
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.list("sec-websocket-protocol")
    }

    /// Returns the members of a header field that is a comma-separated list, over all its lines, without empty members (RFC 9110, section
    /// 5.6.1). Lines that are not UTF-8 are left out as well.
    pub(crate) fn list<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b str> + use<'b, 'n> {
        self.header_all(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty())
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, query, .. } = self;
        f.debug_struct("Request")
            .field("method", method)
            .field("path", path)
            .field("query", query)
            .finish_non_exhaustive()
    }
}

fn has_bare_newline(head: &[u8]) -> bool {
    let mut previous = 0;
    head.iter().any(|&byte| std::mem::replace(&mut previous, byte) != b'\r' && byte == b'\n')
}

/// Returns path and query of a target in origin or absolute form (RFC 9112, sections 3.2.1 and 3.2.2).
fn split_target(target: &str) -> Result<(&str, Option<&str>), Refusal> {
    if !target.is_ascii() {
        // RFC 3986 section 2: a URI is made of ASCII characters; others are percent-encoded.
        return Err(bad("the target must be ASCII: percent-encode other characters"));
    }
    if target.contains('#') {
        // RFC 6455-3-1: a WebSocket URI has no fragment.
        return Err(bad("the target must not have a fragment"));
    }
    // RFC 6455-4.2.1-3: a resource name, or an absolute URI that contains one.
    let origin = if target.starts_with('/') {
        target
    } else if let Some(rest) = after_scheme(target) {
        let (authority, origin) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if !is_authority(authority.as_bytes()) {
            return Err(bad("the target must name a host"));
        }
        origin
    } else {
        return Err(bad("the target must be a path"));
    };
    let (path, query) = match origin.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (origin, None),
    };
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// Returns the rest of a target in absolute form after a scheme of HTTP or WebSocket; `None` for another scheme or form.
fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T>(head: &[u8], read: impl FnOnce(Request<'_>, usize) -> T) -> Result<Option<T>, Status> {
        parse_within(HeadLimits::default(), head, read)
    }

    fn parse_within<T>(
        limits: HeadLimits,
        head: &[u8],
        read: impl FnOnce(Request<'_>, usize) -> T,
    ) -> Result<Option<T>, Status> {
        let mut buffer = HeadBuffer::new(limits);
        match parse_head(head, &mut buffer) {
            Ok(parsed) => Ok(parsed.map(|(request, len)| read(request, len))),
            Err(refusal) => Err(refusal.status()),
        }
    }

    #[test]
    fn reads_the_parts_of_a_request() {
        let head = b"GET /chat?room=1&x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nSec-WebSocket-Protocol: a, ,b\r\n\r\nrest";
        parse(head, |request, len| {
            assert_eq!(len, head.len() - 4);
            assert_eq!(
                (request.method(), request.path(), request.query()),
                ("GET", "/chat", Some("room=1&x"))
            );
            assert_eq!(request.header("HOST"), Some(&b"h"[..]));
            assert_eq!(request.header("nope"), None);
            assert_eq!(request.header_all("x-A").collect::<Vec<_>>(), [b"1", b"2"]);
            assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b"]);
        })
        .unwrap()
        .unwrap();
    }

    #[test]
    fn a_query_is_pairs_of_names_and_values() {
        let pairs = |target: &str| {
            let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let read = |request: Request<'_>, _| {
                request.query_pairs().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>()
            };
            parse(head.as_bytes(), read).unwrap().unwrap()
        };
        assert_eq!(pairs("/?a=b&c=d=e&f&=g&&a=%41+%2b%C3%A4"), ["a:b", "c:d=e", "f:", ":g", "a:A +ä"]);
        assert_eq!(pairs("/?%61=%ff%4"), ["a:\u{fffd}%4"]);
        assert_eq!([pairs("/"), pairs("/?")], [[""; 0]; 2]);
    }

    #[test]
    fn every_prefix_of_a_good_head_is_incomplete() {
        let head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(parse(&head[..end], |_, _| ()), Ok(None), "{end}");
        }
        assert_eq!(parse(head, |_, len| len), Ok(Some(head.len())));
    }

    #[test]
    fn targets_in_absolute_form_are_read_too() {
        for (target, path, query) in [
            ("http://h/a?b", "/a", Some("b")),
            ("ws://h:1", "/", None),
            ("http://h?q", "/", Some("q")),
            ("/?", "/", Some("")),
            ("WSS://h/a/b", "/a/b", None),
            ("/a?to=http://h/b", "/a", Some("to=http://h/b")),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
            let seen = parse(head.as_bytes(), |request, _| {
                (request.path().to_owned(), request.query().map(str::to_owned))
            });
            assert_eq!(seen, Ok(Some((path.to_owned(), query.map(str::to_owned)))), "{target}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for head in [
            &b"\x16\x03\x01\x02\x00"[..],
            b"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
            b"GET /#a HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET chat HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET chat?to=http://h/b HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /?\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET /\xe4 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET http://user@h/a HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET gopher://h/a HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
            b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / http/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
            b"GET / HTTP/1.1\r\n: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nH\xc3\xb6st: h\r\n\r\n",
            b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\n\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\0\r\n\r\n",
            b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
        ] {
            let seen = parse(head, |_, _| ());
            assert_eq!(seen, Err(Status::BAD_REQUEST), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn an_asterisk_is_the_target_of_options_alone() {
        let path = |method: &str| {
            let head = format!("{method} * HTTP/1.1\r\nHost: h\r\n\r\n");
            parse(head.as_bytes(), |request, _| request.path().to_owned())
        };
        assert_eq!(path("OPTIONS"), Ok(Some("*".to_owned())));
        for method in ["GET", "HEAD", "POST", "options"] {
            assert_eq!(path(method), Err(Status::BAD_REQUEST), "{method}");
        }
    }

    #[test]
    fn requests_for_a_head_are_known_by_their_first_bytes() {
        for head in ["HEAD / HTTP/1.1\r\n\r\n", "\r\n\r\nHEAD / HTTP/1.0\r\n", "HEAD \0", "HEAD "] {
            assert!(is_head_method(head.as_bytes()), "{head:?}");
        }
        for other in
            ["", "\r\n", "HEAD", "HEADS /", "head / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHEAD : x\r\n"]
        {
            assert!(!is_head_method(other.as_bytes()), "{other:?}");
        }
    }

    /// Found by fuzzing: the answer was 400 when the byte beyond the limit had arrived, and 431 when it had not.
    #[test]
    fn what_is_wrong_beyond_the_limit_is_not_looked_at() {
        let mut head = b"GET / HTTP/1.1\r\nHost: h\r\nX: ".to_vec();
        head.resize(MAX_HEAD, b'x');
        head.extend_from_slice(b"\0\r\n\r\n");
        for end in MAX_HEAD..=head.len() {
            assert_eq!(parse(&head[..end], |_, _| ()), Err(Status::HEADER_FIELDS_TOO_LARGE), "{end} bytes");
        }
    }

    #[test]
    fn the_head_has_limits_of_bytes_and_fields() {
        let with_padding = |padding: usize| {
            let mut head = b"GET / HTTP/1.1\r\nHost: h\r\nX: ".to_vec();
            head.resize(head.len() + padding, b'x');
            head.extend_from_slice(b"\r\n\r\n");
            head
        };
        let with_fields = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(fields));
        let over = Err(Status::HEADER_FIELDS_TOO_LARGE);
        for limits in [
            HeadLimits::default(),
            HeadLimits { bytes: 1024, fields: 8 },
            HeadLimits { bytes: 64 * 1024, fields: MOST_HEADERS },
        ] {
            let HeadLimits { bytes, fields } = limits;
            let most = bytes - with_padding(0).len();
            assert_eq!(parse_within(limits, &with_padding(most), |_, len| len), Ok(Some(bytes)));
            assert_eq!(parse_within(limits, &with_padding(most + 1), |_, len| len), over);
            let endless = &with_padding(2 * bytes)[..bytes];
            assert_eq!(parse_within(limits, &endless[..bytes - 1], |_, len| len), Ok(None));
            assert_eq!(parse_within(limits, endless, |_, len| len), over);
            let len = with_fields(fields).len();
            assert_eq!(parse_within(limits, with_fields(fields).as_bytes(), |_, len| len), Ok(Some(len)));
            assert_eq!(parse_within(limits, with_fields(fields + 1).as_bytes(), |_, len| len), over);
        }
    }

    /// A head with cookies of 8.5 KB, and the fields that two proxies and a browser add.
    #[test]
    fn what_proxies_pass_on_is_no_error() {
        let mut head = String::from("GET /chat HTTP/1.1\r\nHost: h\r\n");
        for chunk in 1..=3 {
            head += &format!("Cookie: .AspNetCore.CookiesC{chunk}={}\r\n", "x".repeat(2_900));
        }
        for field in 0..80 {
            head += &format!("X-Envoy-Or-Cf-{field}: {}\r\n", "y".repeat(40));
        }
        head += "\r\n";
        assert_eq!(parse(head.as_bytes(), |_, len| len), Ok(Some(head.len())));
    }
}
