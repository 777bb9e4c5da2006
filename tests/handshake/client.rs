//! RFC 6455 section 4.1: what the client asks and which answers it takes.

use throng::http::{HeadBuffer, parse_head};
use throng::ws::client::{ResponseError, check_response, encode_key, request};
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
    use ResponseError::{Malformed, NoUpgrade, Status, UnaskedExtension, WrongAccept};
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let upgrades = "Upgrade: websocket\r\nConnection: Upgrade";
    for (error, status, fields) in [
        (Malformed, "HTTP/1.0 101 x", format!("{upgrades}\r\n{accept}")),
        (Malformed, "HTTP/2 101 x", format!("{upgrades}\r\n{accept}")),
        (Malformed, "SSH-2.0-x", String::new()),
        (Malformed, "HTTP/1.1 101 x", "no colon".into()),
        (Malformed, "HTTP/1.1 101 x", format!("{upgrades}\r\n{accept}\r\nX: {}", "y".repeat(8 * 1024))),
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
            UnaskedExtension,
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
    let endless = format!("HTTP/1.1 101 x\r\nX: {}", "y".repeat(8 * 1024));
    assert_eq!(check(&endless[..8 * 1024 - 1]), Ok(None));
    assert_eq!(check(&endless[..8 * 1024]), Err(ResponseError::Malformed));
}
