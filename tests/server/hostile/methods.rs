//! Methods whose answers have no body.

use std::io::{Read, Write};

use super::super::app::start;
use super::super::client::{Bystander, dial};
use super::response::status_of;
use super::{Arrival, REQUEST, nothing_is_left};

/// What follows the body of an answer that has none would be the next answer (RFC 9112, section 6.3).
#[test]
fn head_is_answered_as_get_is_without_a_body() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    let get = |request: &str| request.replacen("HEAD ", "GET ", 1).into_bytes();
    for request in [
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD http://h/?a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        "\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n",
        "HEAD * HTTP/1.1\r\nHost: h\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: h\r\nbroken\r\n\r\n",
        &format!("HEAD / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(1_000)),
    ] {
        for arrival in [Arrival::Whole, Arrival::ByteByByte] {
            let [to_head, to_get] = [request.as_bytes().to_vec(), get(request)].map(|request| {
                let mut stream = dial(running.address);
                arrival.send(&mut stream, &request);
                let mut response = Vec::new();
                stream.read_to_end(&mut response).unwrap();
                response
            });
            let body = to_get.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            assert_eq!(
                to_head.escape_ascii().to_string(),
                to_get[..body].escape_ascii().to_string(),
                "{request}"
            );
            assert!(matches!(status_of(&to_get), 400 | 426 | 431));
        }
    }
    // One that could be a GET that upgrades does not.
    let mut stream = dial(running.address);
    stream.write_all(REQUEST.replacen("GET ", "HEAD ", 1).as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    assert!(response.starts_with(b"HTTP/1.1 426 ") && response.ends_with(b"\r\n\r\n"), "{response:?}");
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}
