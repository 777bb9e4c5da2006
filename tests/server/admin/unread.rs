//! Answers that are given before the whole body has arrived: no reset overtakes them, however much is still to come.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::super::command::{Answered, read_answer};
use super::super::configuration::Scratch;
use super::Program;

/// Far more than the buffers of two sockets hold.
const LARGE: usize = 20_000_000;

/// Sends all of a large body, as clients do that do not look for an answer meanwhile, and then reads.
fn send_all(program: &Program, what: &str, fields: &str) -> Answered {
    let mut stream = program.dial_admin();
    let host = "Host: localhost\r\n";
    write!(stream, "{what} HTTP/1.1\r\n{host}{fields}Content-Length: {LARGE}\r\n\r\n").unwrap();
    stream.write_all(&vec![b'x'; LARGE]).unwrap_or_else(|error| panic!("{what} {fields}: {error}"));
    read_answer(&mut stream)
}

/// Sends the head and waits, as clients do that expect `100 Continue`: they need not send the body.
fn ask_first(program: &Program, what: &str, fields: &str) -> Answered {
    let mut stream = program.dial_admin();
    let expect = format!("Host: localhost\r\nExpect: 100-continue\r\nContent-Length: {LARGE}\r\n");
    write!(stream, "{what} HTTP/1.1\r\n{fields}{expect}\r\n").unwrap();
    read_answer(&mut stream)
}

fn is_answered(program: &Program, what: &str, fields: &str, status: u16) {
    for ask in [send_all, ask_first] {
        let answered = ask(program, what, fields);
        assert_eq!(answered.status, status, "{what} {fields}: {answered:?}");
        assert!(answered.head.to_lowercase().contains("connection: close"), "{}", answered.head);
        if status >= 400 {
            assert!(!answered.code().is_empty());
        }
    }
}

#[test]
fn an_answer_to_a_body_that_is_not_read_is_readable() {
    let program = Program::hub(None, &[]);
    for (what, fields, status) in [
        ("POST /publish/a", "", 413),
        ("POST /publish", "", 413),
        ("POST /broadcast", "", 413),
        ("POST /none", "", 404),
        ("PUT /publish/a", "", 405),
        ("POST /publish/a", "Content-Encoding: gzip\r\n", 415),
        ("POST /publish/a", "Content-Type: multipart/form-data; boundary=x\r\n", 415),
        ("POST /publish/a", "Content-Type: a\r\n", 400),
        ("POST /publish/a", "Origin: http://example.org\r\n", 403),
        ("GET /stats", "", 200),
    ] {
        is_answered(&program, what, fields, status);
    }
    let file = Scratch::new("unread-token", "0123456789abcdef\n");
    let program = Program::hub(None, &["--admin-token-file", file.path()]);
    is_answered(&program, "POST /publish/a", "", 401);
}

/// Without a length the limit is noticed on the way.
#[test]
fn an_answer_to_a_body_without_a_length_is_readable() {
    let program = Program::hub(None, &[]);
    let mut stream = program.dial_admin();
    stream
        .write_all(b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..LARGE / 0x10000 {
        stream.write_all(&chunk).unwrap();
    }
    assert_eq!(read_answer(&mut stream).code(), "too-large");
}

/// The head is over its limit long before it ends.
#[test]
fn an_answer_to_a_head_that_is_not_read_is_readable() {
    let program = Program::hub(None, &[]);
    let mut stream = program.dial_admin();
    stream.write_all(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nX: ").unwrap();
    stream.write_all(&vec![b'x'; LARGE]).unwrap();
    assert_eq!(read_answer(&mut stream).status, 431);
    let mut stream = program.dial_admin();
    stream.write_all(b"GET /stats HTTP/1.1\r\nno colon\r\n\r\n").unwrap();
    stream.write_all(&vec![b'x'; LARGE]).unwrap();
    assert_eq!(read_answer(&mut stream).status, 400);
}

#[test]
fn who_expects_100_continue_gets_it_where_the_body_is_wanted() {
    let program = Program::hub(None, &[]);
    let mut stream: TcpStream = program.dial_admin();
    let head = "POST /publish/a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    assert_eq!(read_answer(&mut stream).status, 200);
}
