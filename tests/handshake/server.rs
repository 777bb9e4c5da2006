//! RFC 6455 section 4.2.1: every part of the request that can be wrong, with the status that must answer it.

use throng::http::{HeadBuffer, MAX_HEAD, MAX_HEADERS, Refusal, parse_head};
use throng::ws::handshake::{Upgrade, accept_key};

/// The request of RFC 6455 section 1.2.
const SAMPLE: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

fn head(lines: &[&str]) -> String {
    lines.join("\r\n") + "\r\n\r\n"
}

/// The sample without the line that starts with `prefix` and with `lines` at its end, a new request line at its start.
fn sample_but(prefix: &str, lines: &[&str]) -> String {
    assert!(SAMPLE.iter().any(|line| line.starts_with(prefix)), "{prefix} is not in the sample");
    let mut kept: Vec<&str> =
        SAMPLE.into_iter().filter(|line| prefix.is_empty() || !line.starts_with(prefix)).collect();
    if prefix == "GET" {
        kept.splice(0..0, lines.iter().copied());
    } else {
        kept.extend(lines);
    }
    head(&kept)
}

fn judge(head: &str) -> Result<Upgrade, Refusal> {
    let mut buffer = HeadBuffer::default();
    let (request, len) = parse_head(head.as_bytes(), &mut buffer)?.expect("the head is complete");
    assert_eq!(len, head.len());
    Upgrade::of(&request)
}

fn refused(head: &str) -> (u16, String) {
    let refusal = judge(head).expect_err(head);
    let mut response = Vec::new();
    refusal.write(&mut response);
    (refusal.status().get(), String::from_utf8(response).unwrap())
}

#[test]
fn the_sample_of_the_rfc_is_answered_as_there() {
    // RFC 6455 sections 1.2 and 1.3.
    assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let upgrade = judge(&head(&SAMPLE)).unwrap();
    let answer = |subprotocol| {
        let mut out = b"before".to_vec();
        upgrade.accept(subprotocol, None, &mut out);
        String::from_utf8(out).unwrap()
    };
    let start = "beforeHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert_eq!(answer(None), format!("{start}\r\n"));
    assert_eq!(answer(Some("chat")), format!("{start}Sec-WebSocket-Protocol: chat\r\n\r\n"));
}

#[test]
fn legal_variants_are_accepted() {
    let key = "Sec-WebSocket-Key";
    for (prefix, lines) in [
        ("GET", &["GET / HTTP/1.1"][..]),
        ("GET", &["GET /?a=b HTTP/1.1"]),
        ("GET", &["GET ws://server.example.com/chat HTTP/1.1"]),
        ("GET", &["\r\nGET / HTTP/1.1"]),
        ("Host", &["HOST:server.example.com:8080"]),
        ("Host", &["hOsT: [::1]:80"]),
        ("Upgrade", &["uPGRADE: WebSocket"]),
        ("Upgrade", &["Upgrade: h2c, websocket"]),
        ("Upgrade", &["Upgrade: websocket/13, \tWEBSOCKET\t,"]),
        ("Upgrade", &["Upgrade: h2c", "Upgrade: websocket"]),
        ("Connection", &["Connection: keep-alive, Upgrade"]),
        ("Connection", &["connection: upgrade"]),
        ("Connection", &["Connection: keep-alive", "Connection: ,UPGRADE"]),
        (key, &["sec-websocket-key:   dGhlIHNhbXBsZSBub25jZQ==  \t"]),
        (key, &["SEC-WEBSOCKET-KEY: AAAAAAAAAAAAAAAAAAAAAA=="]),
        (key, &["Sec-WebSocket-Key: //////////////////++/w=="]),
        ("Sec-WebSocket-Version", &["sec-websocket-version:13 "]),
        ("", &["Sec-WebSocket-Protocol: chat"]),
        ("", &["Sec-WebSocket-Protocol: chat, v2.x-y!", "sec-websocket-protocol: ,other ,"]),
        // That names are unique is the client's duty (section 4.1); the first of two wins.
        ("", &["Sec-WebSocket-Protocol: chat, chat"]),
        ("", &["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y=\"1\""]),
        ("", &["Sec-WebSocket-Extensions: a", "Sec-WebSocket-Extensions: b"]),
        // Clients that offer nothing say so in this way, too.
        ("", &["Sec-WebSocket-Protocol:", "Sec-WebSocket-Extensions:"]),
        ("", &["Sec-WebSocket-Protocol: ,"]),
        ("", &["Content-Length: 0"]),
        ("", &["Origin: https://example.com", "Cookie: a=\u{e4}", "X-Empty:"]),
    ] {
        let request = sample_but(prefix, lines);
        let judged = judge(&request);
        assert!(judged.is_ok(), "{judged:?} to {request}");
    }
}

/// RFC 6455-4.2.1-7: it is 16 bytes when decoded, whatever the four bits behind them are. The sample key in the note of section
/// 4.1 has some, and RFC 4648 section 3.5 leaves it to the decoder.
#[test]
fn a_key_with_bits_behind_its_last_byte_is_accepted() {
    for key in ["AQIDBAUGBwgJCgsMDQ4PEC==", "dGhlIHNhbXBsZSBub25jZR==", "//////////////////////=="] {
        let request = sample_but("Sec-WebSocket-Key", &[&format!("Sec-WebSocket-Key: {key}")]);
        let mut response = Vec::new();
        judge(&request).expect(key).accept(None, None, &mut response);
        let response = String::from_utf8(response).unwrap();
        let accept = std::str::from_utf8(&accept_key(key.as_bytes())).unwrap().to_owned();
        assert!(response.contains(&accept), "made of the key as it was sent: {response}");
    }
}

#[test]
fn every_wrong_part_has_its_status() {
    let key = |value: &str| format!("Sec-WebSocket-Key: {value}");
    let (version, protocol, extensions) =
        ("Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions");
    for (status, prefix, lines) in [
        // 1: a GET in HTTP/1.1 or higher.
        (405, "GET", &["POST /chat HTTP/1.1"][..]),
        (405, "GET", &["get /chat HTTP/1.1"]),
        (426, "GET", &["HEAD /chat HTTP/1.1"]),
        (400, "GET", &["GET /chat HTTP/1.0"]),
        (400, "GET", &["GET /chat HTTP/2.0"]),
        (400, "GET", &["GET /chat"]),
        (400, "GET", &["GET chat HTTP/1.1"]),
        (400, "GET", &["GET /chat#top HTTP/1.1"]),
        (400, "GET", &["GET ws:///chat HTTP/1.1"]),
        // 2: one Host.
        (400, "Host", &[]),
        (400, "Host", &["Host:"]),
        (400, "Host", &["Host: a", "Host: a"]),
        (400, "Host", &["Host: a b"]),
        (400, "Host", &["Host: http://a/"]),
        (400, "Host", &["Host : a"]),
        // 3: an upgrade to a WebSocket.
        (426, "Upgrade", &[]),
        (426, "Upgrade", &["Upgrade:"]),
        (426, "Upgrade", &["Upgrade: h2c"]),
        (426, "Upgrade", &["Upgrade: web socket"]),
        (426, "Upgrade", &["Upgrade: websocket2"]),
        // 4: of this connection.
        (400, "Connection", &[]),
        (400, "Connection", &["Connection: keep-alive"]),
        (400, "Connection", &["Connection: Upgrade keep-alive"]),
        (400, "Connection", &["Connection: Upgraded"]),
        // 5: one key of 16 bytes.
        (400, "Sec-WebSocket-Key", &[]),
        (400, "Sec-WebSocket-Key", &["Sec-WebSocket-Key:"]),
        (400, "", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]),
        (400, "", &["sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="]),
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25j")]), // 15 bytes
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZWU=")]), // 17
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZWVl")]), // 18
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZQ")]),
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZQ=")]),
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZQ===")]),
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZ===")]),
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBs=SBub25jZQ==")]),
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25j Q==")]),
        (400, "Sec-WebSocket-Key", &[&key("__________-_________-w==")]), // the alphabet of URLs
        (400, "Sec-WebSocket-Key", &[&key("dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==")]),
        // 6: version 13.
        (400, version, &[]),
        (400, "", &["Sec-WebSocket-Version: 13"]),
        (400, version, &["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13"]),
        (426, version, &["Sec-WebSocket-Version:"]),
        (426, version, &["Sec-WebSocket-Version: 8"]),
        (426, version, &["Sec-WebSocket-Version: 14"]),
        (426, version, &["Sec-WebSocket-Version: 013"]),
        (426, version, &["Sec-WebSocket-Version: 13, 8"]),
        (426, version, &["Sec-WebSocket-Version: thirteen"]),
        // 8: subprotocols are tokens.
        (400, "", &[&format!("{protocol}: a b")]),
        (400, "", &[&format!("{protocol}: a;b")]),
        (400, "", &[&format!("{protocol}: \"a\"")]),
        (400, "", &[&format!("{protocol}: a"), &format!("{protocol}: b/c")]),
        (400, "", &[&format!("{protocol}: \u{e4}")]),
        // 9: extensions follow their grammar.
        (400, "", &[&format!("{extensions}: a;")]),
        (400, "", &[&format!("{extensions}: a b")]),
        (400, "", &[&format!("{extensions}: a; b=\"c d\"")]),
        (400, "", &[&format!("{extensions}: a"), &format!("{extensions}: =")]),
        // The server takes no bodies.
        (413, "", &["Content-Length: 5"]),
        (400, "", &["Content-Length: 0, 5"]),
        (413, "", &["Transfer-Encoding: chunked"]),
        // RFC 9112: what other parsers may read otherwise.
        (400, "", &["X: a\r\n folded"]),
        (400, "", &["X: a\nY: b"]),
        (400, "", &["X: a\rY: b"]),
        (400, "", &["X\u{e4}: a"]),
        (400, "", &["no colon"]),
        // Limits.
        (431, "", &["X: y"; MAX_HEADERS]),
        (431, "", &[&format!("X: {}", "y".repeat(MAX_HEAD))]),
    ] {
        let request = sample_but(prefix, lines);
        let (seen, response) = refused(&request);
        assert_eq!(seen, status, "to {request}");
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(response.contains("close\r\n"), "a refusal ends the connection: {response}");
        assert_eq!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"), status == 426, "{response}");
        assert_eq!(response.contains("\r\nAllow: GET, HEAD\r\n"), status == 405, "{response}");
    }
}

#[test]
fn every_byte_of_the_sample_counts() {
    let sample = head(&SAMPLE);
    for end in 0..sample.len() {
        let mut buffer = HeadBuffer::default();
        let parsed = parse_head(&sample.as_bytes()[..end], &mut buffer).expect("no prefix is wrong");
        assert!(parsed.is_none(), "complete after {end} bytes");
    }
}
