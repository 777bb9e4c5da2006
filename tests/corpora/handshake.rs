//! Opening handshakes: whatever is asked or answered, in whatever pieces it comes, both sides keep to the rules, as read here by
//! simpler means.

use throng::http::{
    HeadBuffer, MAX_HEAD, MAX_HEADERS, Persistence, Refusal, Request, Response, Status, parse_head,
};
use throng::ws::client::{ResponseError, check_response, check_response_to_offer};
use throng::ws::deflate::{self, Agreement, ContextTakeover};
use throng::ws::handshake::{RequestKind, Upgrade, accept_key, refusal_of_http};

use super::input::{Input, cuts};
use super::offer::{Offer, is_answer, members};

/// The key that responses are checked against, of RFC 6455 section 1.2.
const KEY: &[u8; 24] = b"dGhlIHNhbXBsZSBub25jZQ==";

/// What the client has offered, by choice; it may have offered nothing.
const OFFERS: [&str; 4] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=12; client_no_context_takeover",
];

/// What an input came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// More bytes are needed.
    Incomplete,
    /// A request that is answered with this status.
    Refused(u16),
    Accepted {
        compressed: bool,
    },
    /// A response that opens a connection, with compression or without, or why it does not.
    Response(Result<bool, &'static str>),
}

/// An input is a byte that chooses the side, whether the head is to be [`long`] and what the server keeps of a context or the
/// client has offered, one that chooses the pieces, and a head.
pub(crate) fn check(input: &[u8]) -> Outcome {
    let mut input = Input::new(input);
    let choice = input.byte();
    let pieces = input.byte();
    let head = if choice & 4 == 0 { input.rest().to_vec() } else { long(input.rest()) };
    if choice & 1 == 0 {
        let context =
            if choice & 2 == 0 { ContextTakeover::Off } else { ContextTakeover::Window(choice >> 4) };
        kind(&head, pieces, context)
    } else {
        let offer = (choice & 2 != 0).then(|| OFFERS[usize::from(choice >> 4 & 3)]);
        answered(&head, pieces, offer)
    }
}

/// A head with 4,000 bytes for each of its first five tildes, which may stand everywhere: beyond the limit with an input well
/// below it.
fn long(head: &[u8]) -> Vec<u8> {
    let mut tildes = 0;
    let times = |byte: &u8| {
        tildes += usize::from(*byte == b'~');
        if *byte == b'~' && tildes <= 5 { 4_000 } else { 1 }
    };
    let times: Vec<usize> = head.iter().map(times).collect();
    head.iter().zip(times).flat_map(|(byte, times)| std::iter::repeat_n(*byte, times)).collect()
}

// --- The server's side ----------------------------------------------------------------------------------------------

fn kind(head: &[u8], pieces: u8, context: ContextTakeover) -> Outcome {
    let whole = answer(head, context);
    let ends = cuts(pieces, head.len()).into_iter().chain([head.len()]);
    let first = ends.map(|end| answer(&head[..end], context)).find(|answer| *answer != Answer::Incomplete);
    assert_eq!(first.as_ref().unwrap_or(&Answer::Incomplete), &whole, "in pieces {pieces}, and whole");
    match whole {
        Answer::Incomplete => {
            assert!(head.len() < MAX_HEAD);
            Outcome::Incomplete
        }
        Answer::Refused(status) => Outcome::Refused(status),
        Answer::Accepted { len, compressed } => {
            assert!(len <= MAX_HEAD);
            Outcome::Accepted { compressed }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Incomplete,
    Refused(u16),
    Accepted { len: usize, compressed: bool },
}

/// What a server says to `head`, as a worker goes about it.
fn answer(head: &[u8], context: ContextTakeover) -> Answer {
    let mut buffer = HeadBuffer::default();
    let judged = match parse_head(head, &mut buffer) {
        Ok(None) => return Answer::Incomplete,
        Ok(Some((request, len))) => {
            same_as_parsed(&request, &head[..len]);
            routed(&request);
            Upgrade::of(&request).map(|upgrade| (upgrade, request, len))
        }
        Err(refusal) => Err(refusal),
    };
    match judged {
        Err(refusal) => {
            refused(&refusal);
            Answer::Refused(refusal.status().get())
        }
        Ok((upgrade, request, len)) => {
            must_be_met(&request);
            let agreement = Agreement::of(&request, context);
            accepted(&upgrade, &request, agreement.as_ref());
            Answer::Accepted { len, compressed: agreement.is_some() }
        }
    }
}

/// A request asks for a WebSocket, or is a plain one, which may be answered on a connection that goes on.
fn routed(request: &Request<'_>) {
    let kind = RequestKind::of(request);
    let upgrade = Upgrade::of(request);
    match kind {
        Ok(RequestKind::WebSocket(kind)) => assert_eq!(upgrade, Ok(kind)),
        Err(refusal) => assert_eq!(upgrade, Err(refusal)),
        Ok(RequestKind::Http) => {
            assert_eq!(upgrade, Err(refusal_of_http(request)));
            // No body follows that another reader could take for a request, or the other way round.
            assert_eq!(request.header_all("host").count(), 1);
            assert!(request.header("transfer-encoding").is_none());
            assert!(
                request.header_all("content-length").all(|length| length.iter().all(|&digit| digit == b'0'))
            );
            if let Ok(response) = Response::new(Status::OK).field("X-Path", request.path()) {
                let mut out = Vec::new();
                response.body("text/plain", "ok").write(Persistence::KeepAlive, &mut out);
                let (status, fields, len) = parse(&out);
                assert_eq!((status, len, &out[len..]), (200, out.len() - 2, &b"ok"[..]));
                assert_eq!(fields[0], ("X-Path".into(), request.path().into()));
            }
        }
    }
}

/// The request is what httparse reads, and line for line what stands there.
fn same_as_parsed(request: &Request<'_>, mut head: &[u8]) {
    // Empty lines before a request are ignored (RFC 9112, section 2.2).
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    let lines: Vec<&[u8]> = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    // The last line is empty and so is what is behind it.
    assert_eq!(lines.len(), request.headers().count() + 3, "{}", head.escape_ascii());
    for ((name, value), line) in request.headers().zip(&lines[1..]) {
        let colon = line.iter().position(|&byte| byte == b':').expect("a field has a colon");
        assert_eq!((name.as_bytes(), value), (&line[..colon], line[colon + 1..].trim_ascii()));
    }
    let target: String =
        [request.path(), request.query().map_or("", |_| "?"), request.query().unwrap_or("")].concat();
    let has_target = |line: &[u8]| line.windows(target.len()).any(|part| part == target.as_bytes());
    assert!(request.path() == "/" || has_target(lines[0]), "{target}");
    assert!(request.path().starts_with('/') || (request.method(), &*target) == ("OPTIONS", "*"), "{target}");
    assert!(!target.contains('#'));
}

/// What RFC 6455 section 4.2.1 asks of a request that is accepted.
fn must_be_met(request: &Request<'_>) {
    let values = |name: &str| -> Vec<String> {
        request.header_all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    };
    let lists = |name, member: &str| {
        values(name)
            .iter()
            .flat_map(|value| value.split(','))
            .any(|one| one.trim().eq_ignore_ascii_case(member))
    };
    assert_eq!(request.method(), "GET");
    assert_eq!(values("host").len(), 1);
    assert!(lists("upgrade", "websocket") && lists("connection", "upgrade"));
    assert_eq!(values("sec-websocket-version"), ["13"]);
    let key = values("sec-websocket-key");
    assert_eq!(key.len(), 1);
    // Base64 of 16 bytes: 22 characters and two of padding.
    let digits = key[0].strip_suffix("==").expect("two characters of padding");
    assert_eq!(digits.len(), 22, "{key:?}");
    assert!(digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte)), "{key:?}");
    assert!(
        values("transfer-encoding").is_empty() && values("content-length").iter().all(|length| length == "0")
    );
}

/// The response to a request that is accepted: httparse reads it, the client takes it, and it grants what was asked for.
fn accepted(upgrade: &Upgrade, request: &Request<'_>, agreement: Option<&Agreement>) {
    let key: &[u8; 24] =
        request.header("sec-websocket-key").and_then(|key| key.try_into().ok()).expect("a key");
    let subprotocol = request.subprotocols().last();
    let mut response = Vec::new();
    upgrade.accept(subprotocol, None, &mut response);
    for end in 0..response.len() {
        assert_eq!(check_response(&response[..end], key), Ok(None), "{end}");
    }
    assert_eq!(check_response(&response, key), Ok(Some(response.len())));

    response.clear();
    upgrade.accept(subprotocol, agreement, &mut response);
    let (status, fields, len) = parse(&response);
    assert_eq!((status, len), (101, response.len()));
    let value = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| &field.1[..]);
    assert_eq!(value("Upgrade"), Some("websocket"));
    assert_eq!(value("Connection"), Some("Upgrade"));
    assert_eq!(value("Sec-WebSocket-Accept").map(str::as_bytes), Some(&accept_key(key)[..]));
    assert_eq!(value("Sec-WebSocket-Protocol"), subprotocol);
    let granted = value("Sec-WebSocket-Extensions");
    assert_eq!(granted.is_some(), agreement.is_some());
    let extensions: Vec<String> = request.header_all("sec-websocket-extensions").flat_map(members).collect();
    let offer = extensions.iter().find_map(|text| Some((text, Offer::parse(text)?)));
    match (granted, offer) {
        (None, offer) => assert!(offer.is_none(), "{offer:?} is declined"),
        (Some(granted), None) => panic!("{granted} is granted, and nothing was offered"),
        (Some(granted), Some((text, offer))) => {
            assert!(
                Offer::parse(granted).is_some_and(|granted| granted.answers(&offer)),
                "{granted} to {text}"
            );
            assert_eq!(check_response(&response, key), Err(ResponseError::UnofferedExtension));
            let offer: deflate::Offer = text.parse().expect("an offer that was granted");
            let heard = check_response_to_offer(&response, key, Some(&offer)).map(Option::unwrap).unwrap();
            assert_eq!(heard.len, response.len());
            assert_eq!(heard.compression.map(|heard| heard.server), agreement.map(|granted| granted.server));
        }
    }
}

/// An error response says what its status calls for, and ends the connection.
fn refused(refusal: &Refusal) {
    let mut response = Vec::new();
    refusal.write(&mut response);
    let (status, fields, len) = parse(&response);
    assert_eq!(status, refusal.status().get());
    let value = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| &field.1[..]);
    assert_eq!(value("Content-Length"), Some(&(response.len() - len).to_string()[..]));
    assert!(value("Connection").is_some_and(|options| options.ends_with("close")));
    let mut to_head = Vec::new();
    refusal.write_head(&mut to_head);
    assert_eq!(to_head, response[..len], "the answer to HEAD");
    match status {
        // RFC 9110 section 15.5.6; RFC 6455 section 4.2.2.
        405 => assert_eq!(value("Allow"), Some("GET, HEAD")),
        426 => {
            assert_eq!((value("Upgrade"), value("Sec-WebSocket-Version")), (Some("websocket"), Some("13")))
        }
        _ => assert!(matches!(status, 400 | 413 | 431), "{status}"),
    }
}

/// Status, header fields and length of a response head; no name is there twice.
fn parse(response: &[u8]) -> (u16, Vec<(String, String)>, usize) {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let len = parsed.parse(response).expect("a legal response").unwrap();
    assert_eq!(parsed.version, Some(1));
    let fields: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|field| {
            (field.name.to_owned(), String::from_utf8(field.value.to_vec()).expect("a response is text"))
        })
        .collect();
    for (i, (name, _)) in fields.iter().enumerate() {
        assert!(!fields[..i].iter().any(|before| before.0.eq_ignore_ascii_case(name)), "{name} twice");
    }
    (parsed.code.expect("a status"), fields, len)
}

// --- The client's side ----------------------------------------------------------------------------------------------

fn answered(head: &[u8], pieces: u8, offered: Option<&str>) -> Outcome {
    let offer: Option<deflate::Offer> = offered.map(|offer| offer.parse().unwrap());
    let check = |head: &[u8]| check_response_to_offer(head, KEY, offer.as_ref());
    let whole = check(head);
    let ends = cuts(pieces, head.len()).into_iter().chain([head.len()]);
    let first = ends.map(|end| check(&head[..end])).find(|checked| *checked != Ok(None));
    assert_eq!(first.as_ref().unwrap_or(&Ok(None)), &whole, "in pieces {pieces}, and whole");
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let parsed_len = parsed.parse(head);
    let values = |name: &str| -> Vec<&[u8]> {
        let named = parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    let extensions: Vec<String> = values("sec-websocket-extensions").into_iter().flat_map(members).collect();
    match whole {
        Ok(None) => {
            assert!(head.len() < MAX_HEAD);
            Outcome::Incomplete
        }
        Ok(Some(accepted)) => {
            assert!(accepted.len <= MAX_HEAD);
            assert_eq!(parsed_len.map(httparse::Status::unwrap), Ok(accepted.len));
            assert_eq!((parsed.version, parsed.code), (Some(1), Some(101)));
            let accept = values("sec-websocket-accept");
            assert_eq!(accept, [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], "of RFC 6455 section 1.3");
            let is_compressed = accepted.compression.is_some();
            assert!(if is_compressed { is_answer(&extensions, offered) } else { extensions.is_empty() });
            Outcome::Response(Ok(is_compressed))
        }
        Err(error) => Outcome::Response(Err(match error {
            ResponseError::Malformed => "malformed",
            ResponseError::Status(_) => "status",
            ResponseError::NoUpgrade => "no upgrade",
            ResponseError::WrongAccept => "wrong accept",
            ResponseError::UnofferedExtension => "unoffered extension",
            ResponseError::IllegalExtension => {
                assert!(!is_answer(&extensions, offered), "{extensions:?} to {offered:?}");
                "illegal extension"
            }
        })),
    }
}
