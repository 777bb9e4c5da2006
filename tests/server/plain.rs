//! Plain HTTP on the serving port.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::app::start;
use super::client::{Bystander, dial};

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

/// Reads as many bytes as are expected.
fn read(stream: &mut TcpStream, expected: &str) {
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), expected);
}

#[test]
fn a_health_check_is_answered_again_and_again_on_one_connection() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    let mut stream = dial(running.address);
    for _ in 0..3 {
        stream.write_all(HEALTH.as_bytes()).unwrap();
        read(&mut stream, OK);
    }
    // Several at once, and the last of them.
    let last = HEALTH.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    stream.write_all([HEALTH, HEALTH, &last, HEALTH].concat().as_bytes()).unwrap();
    read(&mut stream, &OK.repeat(2));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, OK.replacen("\r\n", "\r\nConnection: close\r\n", 1));
    bystander.was_served();
    let stats = running.server.stats();
    assert_eq!((stats.responses, stats.refused_requests), (6, 0));
}

#[test]
fn a_request_may_be_cut_anywhere_with_another_behind_it() {
    let running = start(|builder| builder);
    let both = HEALTH.repeat(2);
    let mut stream = dial(running.address);
    for cut in 1..both.len() {
        let (first, second) = both.as_bytes().split_at(cut);
        stream.write_all(first).unwrap();
        if cut >= HEALTH.len() {
            read(&mut stream, OK);
        }
        stream.write_all(second).unwrap();
        read(&mut stream, &OK.repeat(if cut >= HEALTH.len() { 1 } else { 2 }));
    }
    assert_eq!(running.server.stats().handshake_timeouts, 0);
}
