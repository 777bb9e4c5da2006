//! Malformed handshakes: each gets the error response it deserves, whole and well-formed, and no reset overtakes it.

use std::io::{Read, Write};

use super::super::app::start;
use super::super::client::{Bystander, dial};
use super::response::status_of;
use super::{ARRIVALS, Arrival, CLOSE, FIN, REQUEST, TEXT, masked, nothing_is_left};

/// The sample request with `line` (without its end) replaced by `by`.
fn with(line: &str, by: &str) -> Vec<u8> {
    let line = format!("{line}\r\n");
    assert_eq!(REQUEST.matches(&line).count(), 1, "{line:?} is not in the sample");
    REQUEST.replacen(&line, by, 1).into_bytes()
}

/// The sample request with fields behind its own.
fn and(fields: &str) -> Vec<u8> {
    let fields = format!("13\r\n{fields}\r\n\r\n");
    REQUEST.replace("13\r\n\r\n", &fields).into_bytes()
}

const GET: &str = "GET /chat HTTP/1.1";
const HOST: &str = "Host: server.example.com";
const UPGRADE: &str = "Upgrade: websocket";
const CONNECTION: &str = "Connection: Upgrade";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";

/// Sends each in every way, and awaits its status and the end of the stream.
fn are_refused(cases: &[(u16, Vec<u8>)]) {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for (status, request) in cases {
        for arrival in ARRIVALS {
            let mut stream = dial(running.address);
            arrival.send(&mut stream, request);
            let mut response = Vec::new();
            let ended = stream.read_to_end(&mut response);
            assert!(ended.is_ok(), "{ended:?} after {arrival:?} {}", request.escape_ascii());
            assert_eq!(status_of(&response), *status, "to {arrival:?} {}", request.escape_ascii());
        }
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    let stats = running.server.stats();
    assert_eq!((stats.refused_requests, stats.opened), ((ARRIVALS.len() * cases.len()) as u64, 1));
    assert_eq!((stats.handshake_timeouts, stats.close_timeouts), (0, 0));
}

#[test]
fn a_broken_request_line_is_400_and_another_method_405() {
    are_refused(&[
        (400, with(GET, "GET /chat HTTP/1.0\r\n")),
        (400, with(GET, "GET /chat HTTP/0.9\r\n")),
        (400, with(GET, "GET /chat HTTP/1.2\r\n")),
        (400, with(GET, "GET /chat HTTP/2.0\r\n")),
        (400, with(GET, "GET /chat http/1.1\r\n")),
        (400, with(GET, "GET /chat\r\n")),
        (400, with(GET, "GET  /chat HTTP/1.1\r\n")),
        (400, with(GET, "GET\t/chat HTTP/1.1\r\n")),
        (400, with(GET, " GET /chat HTTP/1.1\r\n")),
        (400, with(GET, "GET /a b HTTP/1.1\r\n")),
        (400, with(GET, "GET chat HTTP/1.1\r\n")),
        (400, with(GET, "GET * HTTP/1.1\r\n")),
        (400, with(GET, "GET server.example.com:80 HTTP/1.1\r\n")),
        (400, with(GET, "GET ws:///chat HTTP/1.1\r\n")),
        (400, with(GET, "GET ws://user@h/chat HTTP/1.1\r\n")),
        (400, with(GET, "GET ftp://h/chat HTTP/1.1\r\n")),
        (400, with(GET, "GET /chat#top HTTP/1.1\r\n")),
        (400, with(GET, "GET /ch\u{e4}t HTTP/1.1\r\n")),
        (400, with(GET, "GET /ch\0t HTTP/1.1\r\n")),
        (405, with(GET, "POST /chat HTTP/1.1\r\n")),
        (405, with(GET, "OPTIONS /chat HTTP/1.1\r\n")),
        (405, with(GET, "OPTIONS * HTTP/1.1\r\n")),
        (405, b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        (405, with(GET, "DELETE http://server.example.com/chat HTTP/1.1\r\n")),
        (400, with(GET, "POST * HTTP/1.1\r\n")),
        (400, with(GET, "OPTIONS * HTTP/1.0\r\n")),
        (405, with(GET, "get /chat HTTP/1.1\r\n")),
    ]);
}

#[test]
fn a_host_that_is_missing_twice_there_or_none_is_400() {
    let at_upgrade = REQUEST.find(UPGRADE).unwrap();
    are_refused(&[
        (400, with(HOST, "")),
        (400, with(HOST, "Host:\r\n")),
        (400, with(HOST, "Host: a\r\nHost: a\r\n")),
        (400, with(HOST, "Host: user@server.example.com\r\n")),
        (400, with(HOST, "Host: user:secret@server.example.com\r\n")),
        (400, with(HOST, "Host: server example.com\r\n")),
        (400, with(HOST, "Host: a, b\r\n")),
        (400, with(HOST, "Host: http://server.example.com/\r\n")),
        (400, with(HOST, "Host: server.example.com:80a\r\n")),
        (400, with(HOST, "Host: [::1\r\n")),
        (400, with(HOST, "Host: s\u{e4}rver\r\n")),
        (
            400,
            [&b"GET /chat HTTP/1.1\r\nHost: s\xe4rver\r\n"[..], &REQUEST.as_bytes()[at_upgrade..]].concat(),
        ),
        (400, with(HOST, "Host : server.example.com\r\n")),
    ]);
}

#[test]
fn what_asks_for_no_websocket_of_version_13_is_426() {
    are_refused(&[
        (426, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        (426, with(UPGRADE, "")),
        (426, with(UPGRADE, "Upgrade: h2c\r\n")),
        (426, with(UPGRADE, "Upgrade: websocket2, h2c\r\n")),
        (426, with(UPGRADE, "Upgrade: web socket\r\n")),
        (400, with(CONNECTION, "")),
        (400, with(CONNECTION, "Connection: close\r\n")),
        (400, with(CONNECTION, "Connection: keep-alive, Upgraded\r\n")),
        (426, with(VERSION, "Sec-WebSocket-Version: 013\r\n")),
        (426, with(VERSION, "Sec-WebSocket-Version: 8\r\n")),
        (426, with(VERSION, "Sec-WebSocket-Version: 13, 8\r\n")),
        (426, with(VERSION, "Sec-WebSocket-Version: 13;q=1\r\n")),
        (426, with(VERSION, "Sec-WebSocket-Version: -13\r\n")),
        (400, with(VERSION, "")),
        (400, with(VERSION, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n")),
    ]);
}

#[test]
fn a_key_that_is_not_16_bytes_in_base64_is_400() {
    let key = |key: &str| (400, with(KEY, &format!("Sec-WebSocket-Key: {key}\r\n")));
    are_refused(&[
        (400, with(KEY, "")),
        (400, with(KEY, &format!("{KEY}\r\n{KEY}\r\n"))),
        (400, with(KEY, &format!("{KEY}\r\nSEC-WEBSOCKET-KEY: AAAAAAAAAAAAAAAAAAAAAA==\r\n"))),
        key(""),
        key("dGhlIHNhbXBsZSBub25j"),
        key("dGhlIHNhbXBsZSBub25jZWU="),
        key("dGhlIHNhbXBsZSBub25jZWVl"),
        key("dGhlIHNhbXBsZSBub25jZQ"),
        key("dGhlIHNhbXBsZSBub25jZQ=!"),
        key("dGhlIHNhbXBs=SBub25jZQ=="),
        key("__________-_________-w=="),
        key("dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="),
        key("dGhlIHNhbXBsZSBub25jZ\u{e4}=="),
        key(&"A".repeat(4_000)),
    ]);
}

#[test]
fn a_body_is_413_and_smuggling_shapes_are_refused() {
    let body = "\r\n\r\nGET /x HTTP/1.1\r\nHost: h";
    are_refused(&[
        (413, and(&format!("Content-Length: 27{body}"))),
        (413, and("Content-Length: 0\r\nContent-Length: 5")),
        (400, and("Content-Length: 0, 0")),
        (400, and("Content-Length: +0")),
        (400, and("Content-Length: -1")),
        (400, and("Content-Length:")),
        (413, and("Content-Length: 18446744073709551616")),
        (413, and(&format!("Transfer-Encoding: chunked{body}"))),
        (413, and("Transfer-Encoding: identity")),
        (400, and("Transfer-Encoding: \u{b}chunked")),
        (413, and("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1")),
        (413, and("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0")),
        (400, and("Content-Length : 5")),
        (400, and("Transfer-Encoding\u{b}: chunked")),
    ]);
}

#[test]
fn lines_that_parsers_read_differently_are_400() {
    are_refused(&[
        (400, and("X: a\r\n folded")),
        (400, and("X: a\r\n\tfolded")),
        (400, with(HOST, " Host: server.example.com\r\n")),
        (400, and("X: a\nY: b")),
        (400, and("X: a\rY: b")),
        (400, REQUEST.replace("\r\n", "\n").into_bytes()),
        (400, REQUEST.replace("13\r\n\r\n", "13\r\n\n").into_bytes()),
        (400, [b"\n", REQUEST.as_bytes()].concat()),
        (400, and("X: a\0b")),
        (400, and("X\0: a")),
        (400, and("X: a\u{7f}")),
        (400, and("X: a\u{1}")),
        (400, and("no colon")),
        (400, and(": no name")),
        (400, and("X\u{e4}: a")),
        (400, and("X(Y): a")),
    ]);
}

#[test]
fn other_protocols_on_the_port_are_400() {
    let mut client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    client_hello.extend((0..506).map(|at: u32| at.wrapping_mul(167).to_le_bytes()[0]));
    are_refused(&[
        (400, client_hello),
        (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0".to_vec()),
        (400, b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10\x01\0\x80".to_vec()),
        (400, b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
        (400, b"*1\r\n$4\r\nPING\r\n".to_vec()),
        (400, b"EHLO example.com\r\n".to_vec()),
        (400, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec()),
        (400, vec![0; 64]),
        (400, vec![0xff; 64]),
        (400, b"<policy-file-request/>\0".to_vec()),
    ]);
}

#[test]
fn malformed_offers_are_400() {
    are_refused(&[
        (400, and("Sec-WebSocket-Protocol: a b")),
        (400, and("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b/c")),
        (400, and("Sec-WebSocket-Protocol: \u{e4}")),
        (400, and("Sec-WebSocket-Extensions: a;")),
        (400, and("Sec-WebSocket-Extensions: a; b=\"c d\"")),
        (400, and("Sec-WebSocket-Extensions: a; b=\"c")),
    ]);
}

#[test]
fn only_the_first_of_two_requests_is_answered() {
    let bad = with(HOST, "");
    are_refused(&[(400, [&bad, REQUEST.as_bytes()].concat()), (400, [&bad[..], &bad].concat())]);
}

#[test]
fn unusual_requests_that_break_no_rule_are_served() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    let farewell = [masked(FIN | TEXT, b"hi"), masked(CLOSE, &[3, 232])].concat();
    let requests = [
        REQUEST.as_bytes().to_vec(),
        with(GET, "\r\n\r\nGET /chat HTTP/1.1\r\n"),
        with(GET, "GET ws://other.example.com:8080/chat?a=b HTTP/1.1\r\n"),
        with(GET, "GET http://server.example.com HTTP/1.1\r\n"),
        with(HOST, "HOST:[::1]:8080 \t\r\n"),
        with(HOST, "Host: server.example.com:\r\n"),
        with(UPGRADE, "uPGRADE: h2c, WEBSOCKET\r\n"),
        with(UPGRADE, "Upgrade: h2c\r\nUpgrade: websocket\r\n"),
        with(UPGRADE, "Upgrade: ,websocket/13,WebSocket,\r\n"),
        with(CONNECTION, "Connection: keep-alive, Upgrade\r\n"),
        with(CONNECTION, "Connection: keep-alive\r\nconnection: UPGRADE\r\n"),
        with(VERSION, "Sec-WebSocket-Version:13 \t\r\n"),
        and("Content-Length: 0"),
        // What Python's websockets sends for a list of subprotocols without any.
        and("Sec-WebSocket-Protocol: "),
        and("Sec-WebSocket-Protocol: ,\r\nSec-WebSocket-Extensions:"),
        and("Cookie: \u{e4}\u{20ac}\r\nX-Empty:\r\nX-Quoted: \"a, b\""),
        [&REQUEST.as_bytes()[..REQUEST.len() - 2], b"X-Latin-1: \xe4\xff\r\n\r\n"].concat(),
    ];
    for request in &requests {
        for arrival in ARRIVALS {
            let mut stream = dial(running.address);
            arrival.send(&mut stream, &[&request[..], &farewell].concat());
            let mut got = Vec::new();
            let ended = stream.read_to_end(&mut got);
            let text = format!("{} to {arrival:?} {}", got.escape_ascii(), request.escape_ascii());
            assert!(ended.is_ok(), "{ended:?}: {text}");
            assert!(got.starts_with(b"HTTP/1.1 101 "), "{text}");
            assert!(
                got.ends_with(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi\x88\x02\x03\xe8"),
                "{text}"
            );
        }
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    assert_eq!(running.server.stats().closed_by_peer, 3 * requests.len() as u64);
}

#[test]
fn a_half_closed_client_gets_its_error_response() {
    let running = start(|builder| builder);
    for arrival in [Arrival::Whole, Arrival::ByteByByte] {
        let mut stream = dial(running.address);
        arrival.send(&mut stream, &with(HOST, ""));
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        assert_eq!(status_of(&response), 400, "{arrival:?}");
    }
    nothing_is_left(&running.server, 0);
}

#[test]
fn half_a_request_and_the_end_of_the_stream_is_the_end() {
    let running = start(|builder| builder);
    for end in 0..REQUEST.len() {
        let mut stream = dial(running.address);
        stream.write_all(&REQUEST.as_bytes()[..end]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        assert_eq!(response, b"", "{end}");
    }
    nothing_is_left(&running.server, 0);
    assert_eq!(running.server.stats().opened, 0);
}
