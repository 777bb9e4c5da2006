//! What is said in the log of clients that are refused, and by which thread.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use throng::Server;
use throng::sys::fdtable;

use super::app::App;
use super::client::{Client, dial, eventually};
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
    let builder = Server::builder().pin(false).private_tables(true).max_connections(limit);
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
