//! `GET /health`, which load balancers and service managers ask for.

use std::io::Write;

use super::super::client::{Client, Got, PATIENCE, eventually};
use super::super::command::{Answered, read_answer};
use super::super::configuration::Scratch;
use super::Program;

fn ask(program: &Program, request: &str) -> Answered {
    let mut stream = program.dial_admin();
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(&mut stream)
}

/// What HAProxy's `option httpchk GET /health` sends, and whoever else knows no name of this machine.
#[test]
fn health_is_told_to_http_1_0_without_a_host_and_nothing_else_is() {
    let file = Scratch::new("health-token", "0123456789abcdef\n");
    for arguments in [&[][..], &["--admin-token-file", file.path()]] {
        let program = Program::hub(None, arguments);
        for request in [
            "GET /health HTTP/1.0\r\n\r\n",
            "GET /health HTTP/1.0\r\nHost: throng.example.org\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: throng.example.org\r\nConnection: close\r\n\r\n",
        ] {
            let answered = ask(&program, request);
            assert_eq!((answered.status, &*answered.body), (200, "ok\n"), "{request}");
        }
        let head = ask(&program, "HEAD /health HTTP/1.0\r\n\r\n");
        assert_eq!((head.status, &*head.body), (200, ""));
        let status = if arguments.is_empty() { 403 } else { 401 };
        for request in [
            "GET /stats HTTP/1.0\r\n\r\n",
            "GET /health/ HTTP/1.0\r\n\r\n",
            "GET //health HTTP/1.0\r\n\r\n",
            "GET /stats HTTP/1.0\r\nHost: throng.example.org\r\n\r\n",
        ] {
            assert_eq!(ask(&program, request).status, status, "{request}");
        }
    }
}

#[test]
fn health_says_draining_from_the_drains_start() {
    let program = Program::hub(None, &["--drain-timeout", "60s", "--close-timeout", "60s"]);
    let mut client = Client::ask(program.address, "/topics/a", "").unwrap();
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(program.get("/health"), "ok\n");
    program.signal("TERM");
    // Whoever has been told to go does not: the drain goes on.
    assert_eq!(client.get_answering(), Got::Close(1001));
    for request in
        ["GET /health HTTP/1.0\r\n\r\n", "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"]
    {
        let answered = ask(&program, request);
        assert_eq!((answered.status, &*answered.body), (503, "draining\n"));
    }
    assert_eq!(ask(&program, "HEAD /health HTTP/1.0\r\n\r\n").status, 503);
    // Everything else is still answered.
    assert_eq!(program.count("open"), 0);
    drop(client);
    let mut program = program;
    eventually("it ends", || program.has_ended());
}
