//! The admin port at the program's end.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use super::super::client::eventually;
use super::super::command::read_answer;
use super::Program;

#[test]
fn a_request_under_way_at_the_end_is_answered() {
    let mut program = Program::hub(None, &[]);
    let address: SocketAddr = program.ready["admin"].as_str().unwrap().parse().unwrap();
    let mut under_way = program.dial_admin();
    let half = b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel";
    under_way.write_all(half).unwrap();
    let mut idle = program.dial_admin();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    program.signal("TERM");
    // There are no clients: the workers end at once.
    eventually("nobody is let in any more", || TcpStream::connect(address).is_err());
    under_way.write_all(b"lo").unwrap();
    let answered = read_answer(&mut under_way);
    assert_eq!((answered.status, &*answered.code()), (503, "busy"), "{answered:?}");
    // The signal may have come before the question.
    assert!(["ok\n", "draining\n"].contains(&&*read_answer(&mut idle).body));
    assert_eq!(program.exit_code(), 0);
}

#[test]
fn half_a_request_does_not_hold_up_the_end() {
    let mut program = Program::hub(None, &[]);
    let mut half = program.dial_admin();
    half.write_all(b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel").unwrap();
    program.signal("TERM");
    assert_eq!(program.exit_code(), 0);
}
