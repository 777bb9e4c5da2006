//! RFC 6455 section 4.1: what the client asks and which answers it takes.

use throng::http::{HeadBuffer, MAX_HEAD, parse_head};
use throng::ws::client::{
    ResponseError, check_response, check_response_to_offer, encode_key, request, request_with_extensions,
};
use throng::ws::deflate::{Agreement, ContextTakeover, Offer};
use throng::ws::handshake::Upgrade;

/// The key of RFC 6455 section 1.2.
fn key() -> [u8; 24] {
    let key = encode_key(*b"the sample nonce");
    assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
    key
}

fn check(response: &str) -> Result<Option<usize>, ResponseError> {
    check_response(response.as_bytes(), &key())
}

#[test]
fn both_sides_agree_and_every_prefix_is_incomplete() {
    for subprotocols in ["", "chat", "v2.chat, chat"] {
        let mut asked = Vec::new();
        request(&mut asked, "[::1]:8080", "/chat?room=1", &key(), subprotocols);
        for end in 0..asked.len() {
            assert!(parse_head(&asked[..end], &mut HeadBuffer::default()).unwrap().is_none(), "{end}");
        }
        let mut buffer = HeadBuffer::default();
        let (request, len) = parse_head(&asked, &mut buffer).unwrap().unwrap();
        assert_eq!(len, asked.len());
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.subprotocols().collect::<Vec<_>>().join(", "), subprotocols);

        let mut answered = Vec::new();
        Upgrade::of(&request).unwrap().accept(request.subprotocols().next(), None, &mut answered);
        for end in 0..answered.len() {
            assert_eq!(check_response(&answered[..end], &key()), Ok(None), "{end}");
        }
        let len = answered.len();
        answered.extend_from_slice(b"\x81\x02hi");
        assert_eq!(check_response(&answered, &key()), Ok(Some(len)), "a frame may follow at once");
        let other = encode_key([0; 16]);
        assert_eq!(check_response(&answered, &other), Err(ResponseError::WrongAccept));
    }
}

#[test]
fn legal_answers_are_taken() {
    for fields in [
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "upgrade:WebSocket \r\nCONNECTION: upgrade\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\nServer: x\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Extensions:\r\n",
    ] {
        let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let response = format!("HTTP/1.1 101 Whatever\r\n{fields}{accept}\r\n\r\n");
        assert_eq!(check(&response), Ok(Some(response.len())), "{response}");
    }
}

#[test]
fn every_other_answer_has_its_error() {
    use ResponseError::{Malformed, NoUpgrade, Status, UnofferedExtension, WrongAccept};
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let upgrades = "Upgrade: websocket\r\nConnection: Upgrade";
    for (error, status, fields) in [
        (Malformed, "HTTP/1.0 101 x", format!("{upgrades}\r\n{accept}")),
        (Malformed, "HTTP/2 101 x", format!("{upgrades}\r\n{accept}")),
        (Malformed, "SSH-2.0-x", String::new()),
        (Malformed, "HTTP/1.1 101 x", "no colon".into()),
        (Malformed, "HTTP/1.1 101 x", format!("{upgrades}\r\n{accept}\r\nX: {}", "y".repeat(MAX_HEAD))),
        (Status(200), "HTTP/1.1 200 OK", format!("{upgrades}\r\n{accept}")),
        (Status(503), "HTTP/1.1 503 x", "Connection: close".into()),
        (Status(401), "HTTP/1.0 401 x", String::from("A: b")),
        (NoUpgrade, "HTTP/1.1 101 x", format!("Connection: Upgrade\r\n{accept}")),
        (NoUpgrade, "HTTP/1.1 101 x", format!("Upgrade: h2c\r\nConnection: Upgrade\r\n{accept}")),
        (NoUpgrade, "HTTP/1.1 101 x", format!("Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n{accept}")),
        (NoUpgrade, "HTTP/1.1 101 x", format!("Upgrade: websocket\r\n{accept}")),
        (NoUpgrade, "HTTP/1.1 101 x", format!("Upgrade: websocket\r\nConnection: close\r\n{accept}")),
        (WrongAccept, "HTTP/1.1 101 x", upgrades.into()),
        (
            WrongAccept,
            "HTTP/1.1 101 x",
            format!("{upgrades}\r\nSec-WebSocket-Accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        ),
        (WrongAccept, "HTTP/1.1 101 x", format!("{upgrades}\r\n{accept}\r\n{accept}")),
        (
            UnofferedExtension,
            "HTTP/1.1 101 x",
            format!("{upgrades}\r\n{accept}\r\nSec-WebSocket-Extensions: permessage-deflate"),
        ),
    ] {
        let response = format!("{status}\r\n{fields}\r\n\r\n");
        assert_eq!(check(&response), Err(error), "{response}");
    }
}

#[test]
fn an_answer_without_an_end_is_given_up_at_the_limit() {
    let endless = format!("HTTP/1.1 101 x\r\nX: {}", "y".repeat(MAX_HEAD));
    assert_eq!(check(&endless[..MAX_HEAD - 1]), Ok(None));
    assert_eq!(check(&endless[..MAX_HEAD]), Err(ResponseError::Malformed));
}

/// The agreement that an answer to an offer of compression brings, as its own words.
fn compression(offer: &str, answer: &str) -> Result<Option<String>, ResponseError> {
    let offer: Offer = offer.parse().unwrap();
    let response = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{answer}\r\n\r\n"
    );
    let accepted = check_response_to_offer(response.as_bytes(), &key(), Some(&offer))?.unwrap();
    assert_eq!(accepted.len, response.len());
    Ok(accepted.compression.map(|agreement| {
        let mut words = Vec::new();
        agreement.write(&mut words);
        String::from_utf8(words).unwrap()
    }))
}

#[test]
fn an_offer_is_sent_as_it_is_and_its_answer_taken() {
    let words = "permessage-deflate; client_max_window_bits";
    let offer = words.parse().unwrap();
    let mut asked = Vec::new();
    request_with_extensions(&mut asked, "h", "/", &key(), "chat", words);
    let mut buffer = HeadBuffer::default();
    let (request, _) = parse_head(&asked, &mut buffer).unwrap().unwrap();
    assert_eq!(request.header("sec-websocket-extensions"), Some(words.as_bytes()));
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["chat"]);
    let agreement = Agreement::of(&request, ContextTakeover::Window(11)).unwrap();
    let mut answered = Vec::new();
    Upgrade::of(&request).unwrap().accept(None, Some(&agreement), &mut answered);
    for end in 0..answered.len() {
        assert_eq!(check_response_to_offer(&answered[..end], &key(), Some(&offer)), Ok(None), "{end}");
    }
    let accepted = check_response_to_offer(&answered, &key(), Some(&offer)).unwrap().unwrap();
    assert_eq!((accepted.len, accepted.compression), (answered.len(), Some(agreement)));
    assert_eq!(
        check_response(&answered, &key()),
        Err(ResponseError::UnofferedExtension),
        "to a request without"
    );
}

#[test]
fn legal_answers_to_an_offer_are_taken() {
    const PLAIN: &str = "permessage-deflate";
    for (offer, answer, agreed) in [
        (PLAIN, "A: b", None),
        (PLAIN, "Sec-WebSocket-Extensions:", None),
        (PLAIN, "Sec-WebSocket-Extensions: permessage-deflate", Some("")),
        (PLAIN, "sec-websocket-extensions:,permessage-deflate ,", Some("")),
        // What nobody asked for, but a server may say (sections 7.1.1.2 and 7.1.2.1).
        (
            PLAIN,
            "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_max_window_bits=\"9\"",
            Some("; server_max_window_bits=9; client_no_context_takeover"),
        ),
        (
            PLAIN,
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
            Some("; server_no_context_takeover"),
        ),
        // A hint need not be repeated, and holds for the client all the same (section 7.1.1.2).
        (
            "permessage-deflate; client_no_context_takeover; client_max_window_bits=10",
            "Sec-WebSocket-Extensions: permessage-deflate",
            Some("; client_no_context_takeover; client_max_window_bits=10"),
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8",
            Some("; client_max_window_bits=8"),
        ),
        (
            "permessage-deflate; server_max_window_bits=12",
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12",
            Some("; server_max_window_bits=12"),
        ),
        (
            "permessage-deflate; server_max_window_bits=12",
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",
            Some("; server_max_window_bits=8"),
        ),
    ] {
        let agreed = agreed.map(|parameters| format!("{PLAIN}{parameters}"));
        assert_eq!(compression(offer, answer), Ok(agreed), "{offer} answered by {answer}");
    }
}

#[test]
fn answers_that_do_not_fit_the_offer_fail_the_connection() {
    use ResponseError::{IllegalExtension, UnofferedExtension};
    const PLAIN: &str = "permessage-deflate";
    const WINDOW: &str = "permessage-deflate; client_max_window_bits";
    for (error, offer, answer) in [
        (UnofferedExtension, PLAIN, "permessage-bzip2"),
        (UnofferedExtension, PLAIN, "permessage-deflate, x-webkit-deflate-frame"),
        (UnofferedExtension, PLAIN, "Permessage-Deflate"),
        (IllegalExtension, PLAIN, "permessage-deflate, permessage-deflate"),
        (IllegalExtension, PLAIN, "permessage-deflate; unknown"),
        (IllegalExtension, PLAIN, "permessage-deflate;"),
        (IllegalExtension, PLAIN, "permessage-deflate; server_no_context_takeover=1"),
        (
            IllegalExtension,
            PLAIN,
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ),
        (IllegalExtension, PLAIN, "permessage-deflate; server_max_window_bits"),
        (IllegalExtension, PLAIN, "permessage-deflate; server_max_window_bits=7"),
        (IllegalExtension, PLAIN, "permessage-deflate; server_max_window_bits=16"),
        (IllegalExtension, PLAIN, "permessage-deflate; server_max_window_bits=09"),
        // The client has not said that it understands (section 7.1.2.2).
        (IllegalExtension, PLAIN, "permessage-deflate; client_max_window_bits=15"),
        (IllegalExtension, WINDOW, "permessage-deflate; client_max_window_bits"),
        (IllegalExtension, WINDOW, "permessage-deflate; client_max_window_bits=16"),
        (
            IllegalExtension,
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=10",
        ),
        // What was asked of the server is not granted (sections 7.1.1.1 and 7.1.2.1).
        (IllegalExtension, "permessage-deflate; server_no_context_takeover", "permessage-deflate"),
        (IllegalExtension, "permessage-deflate; server_max_window_bits=10", "permessage-deflate"),
        (
            IllegalExtension,
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=11",
        ),
    ] {
        let field = format!("Sec-WebSocket-Extensions: {answer}");
        assert_eq!(compression(offer, &field), Err(error.clone()), "{offer} answered by {answer}");
    }
    let twice =
        "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate";
    assert_eq!(compression(PLAIN, twice), Err(IllegalExtension), "several fields are one list");
}
