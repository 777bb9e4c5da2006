//! What is said in the log of clients that are refused, and by which thread.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::thread::sleep;

use throng::sys::fdtable;
use throng::sys::signals::APART;
use throng::{DescriptorTables, Pinning, Server};

use super::app::App;
use super::client::{Client, Got, dial, eventually};
use super::command::{Program, read_answer};

/// A request that no WebSocket comes of.
fn be_refused(program: &Program) {
    let mut stream = dial(program.address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut stream).status, 426);
}

#[test]
fn a_refused_request_is_a_line_at_debug_with_its_reason() {
    let (program, log) = Program::start_telling(&[("THRONG_LOG", "debug")], None, &["--app", "echo"]);
    be_refused(&program);
    log.says("refused a request");
    let text = log.text();
    let line = text.lines().find(|line| line.contains("refused a request")).unwrap();
    assert!(line.contains("status=426") && line.contains("peer=\"127.0.0.1:"), "{line}");
    assert!(line.contains("reason=\""), "{line}");

    let (mut program, log) = Program::start_telling(&[], None, &["--app", "echo"]);
    be_refused(&program);
    program.signal("TERM");
    assert_eq!(program.exit_code(), 0);
    log.says("ended");
    assert!(!log.text().contains("refused"), "{}", log.text());
}

#[test]
fn a_request_that_does_not_come_in_time_is_a_line_at_debug() {
    let arguments = ["--app", "echo", "--handshake-timeout", "100ms"];
    let (program, log) = Program::start_telling(&[("THRONG_LOG", "debug")], None, &arguments);
    let mut stream = dial(program.address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    log.says("dropped a connection");
    let text = log.text();
    let line = text.lines().find(|line| line.contains("dropped a connection")).unwrap();
    let peer = format!("peer=\"{}\"", stream.local_addr().unwrap());
    assert!(line.contains(&peer) && line.contains("handshake-timeout"), "{line}");
}

#[test]
fn a_refusal_of_the_admin_port_is_a_line_at_debug_with_its_reason() {
    let variables = [("THRONG_LOG", "debug"), ("THRONG_ADMIN_TOKEN", "0123456789abcdef")];
    let (program, log) = Program::start_telling(&variables, None, &["--admin", "127.0.0.1:0"]);
    assert_eq!(program.ask("POST /publish/a%20b", "Authorization: Bearer guess\r\n", b"x").status, 401);
    log.says("refused a request to the admin port");
    let text = log.text();
    let line = text.lines().find(|line| line.contains("refused a request to the admin")).unwrap();
    for said in
        ["peer=\"127.0.0.1:", "method=POST", "path=\"/publish/a%20b\"", "status=401", "code=\"unauthorized\""]
    {
        assert!(line.contains(said), "{line}");
    }
    assert!(line.contains("reason=\"this is not the token\"") && !text.contains("guess"), "{text}");
    // What is no request is told of as well.
    let mut stream = program.dial_admin();
    stream.write_all(b"\x16\x03\x01 a client of TLS\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut stream).status, 400);
    log.says("dropped a connection to the admin port");
}

#[test]
fn a_full_server_says_so_and_not_for_each_client() {
    let arguments = ["--app", "echo", "--max-connections", "1", "--workers", "1"];
    let (mut program, log) = Program::start_telling(&[], None, &arguments);
    let client = Client::open(program.address);
    for _ in 0..20 {
        let response = Client::ask(program.address, "/", "").err().expect("there is no room");
        assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    }
    log.says(
        "clients are refused: the server is full worker=0 of=\"max-connections\" open=1 max_connections=1",
    );
    program.signal("TERM");
    drop(client);
    assert_eq!(program.exit_code(), 0);
    log.says("ended");
    let told = log.text().matches("the server is full").count();
    // Once in ten seconds.
    assert!((1..=3).contains(&told), "{told} times: {}", log.text());
}

/// A collector of logs that hangs: the pipe is full, and nobody has closed it.
#[test]
fn a_log_that_nobody_reads_holds_up_neither_the_admin_port_nor_the_end() {
    let arguments = ["--admin", "127.0.0.1:0", "--drain-timeout", "1h", "--close-timeout", "1h"];
    let (mut program, mut stderr) = Program::start_unread(&[("THRONG_LOG", "debug")], &arguments);
    // More than a pipe holds.
    for _ in 0..1_000 {
        be_refused(&program);
    }
    for _ in 0..300 {
        assert_eq!(program.ask("GET /nowhere", "", b"").status, 404);
    }
    assert_eq!(program.get("/health"), "ok\n");
    let mut client = Client::ask(program.address, "/topics/a", "").unwrap();
    program.signal("TERM");
    assert_eq!(client.get(), Got::Close(1001));
    sleep(2 * APART);
    program.signal("TERM");
    assert_eq!(program.exit_code(), 1);
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains("refused a request"), "{log}");
}

/// Lines, each with the thread that wrote it.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<String>>);

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let thread = std::thread::current();
        let line = format!("{}: {}", thread.name().unwrap_or_default(), String::from_utf8_lossy(bytes));
        self.0.lock().unwrap().push_str(&line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn workers_with_tables_of_their_own_write_no_lines_themselves() {
    let recorder = Recorder::default();
    let writer = recorder.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _lines = tracing::subscriber::set_default(subscriber);
    let limit = usize::try_from(fdtable::limits().unwrap().0).unwrap();
    let builder = Server::builder()
        .pinning(Pinning::Off)
        .descriptor_tables(DescriptorTables::PrivateIfNeeded)
        .max_connections(limit);
    let server = builder.listen("127.0.0.1:0".parse().unwrap()).start(|_| App::silent()).unwrap();
    assert!(server.private_tables());
    let mut stream = dial(server.addresses()[0]);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(read_answer(&mut stream).status, 426);
    eventually("it is told", || recorder.0.lock().unwrap().contains("refused a request"));
    drop(server);
    let lines = recorder.0.lock().unwrap().clone();
    let by: Vec<&str> =
        lines.lines().filter_map(|line| line.split_once(':').map(|(thread, _)| thread)).collect();
    let refused = lines.lines().find(|line| line.contains("refused a request")).unwrap();
    assert!(refused.starts_with("throng-log: "), "{refused}");
    let is_worker =
        |name: &&str| name.strip_prefix("throng-").is_some_and(|rest| rest.parse::<u32>().is_ok());
    assert!(!by.iter().any(is_worker), "{lines}");
}
