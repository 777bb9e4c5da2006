//! `throng serve` as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::client::{dial, eventually};

/// A running `throng serve`, killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    /// The line it said on standard output.
    pub(crate) ready: Value,
    /// Where it listens first.
    pub(crate) address: SocketAddr,
}

/// What a program says on standard error, as it comes.
pub(crate) struct Log(Arc<Mutex<String>>);

impl Log {
    fn of(stderr: ChildStderr) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let log = Self(Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                said.lock().unwrap().extend([&line, "\n"]);
            }
        });
        log
    }

    /// All of it until now.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// Waits until it has said that.
    pub(crate) fn says(&self, what: &str) {
        eventually(&format!("it says {what:?}"), || self.text().contains(what));
    }
}

/// What the answer to a request was.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().expect("there is a code").to_owned()
    }
}

fn serve(limit: Option<u32>, arguments: &[&str]) -> Command {
    serve_after(&limit.map_or(String::new(), |limit| format!("ulimit -n {limit} && ")), arguments)
}

/// The program as a shell starts it after it has done something.
fn serve_after(before: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{before}exec \"$0\" serve \"$@\"")).arg(env!("CARGO_BIN_EXE_throng"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, which must come by itself: its exit code and what it said on standard error.
pub(crate) fn run(limit: Option<u32>, arguments: &[&str]) -> (i32, String) {
    run_in(&[], limit, arguments)
}

/// The same with variables in its environment.
pub(crate) fn run_in(variables: &[(&str, &str)], limit: Option<u32>, arguments: &[&str]) -> (i32, String) {
    let output = serve(limit, arguments).envs(variables.iter().copied()).output().unwrap();
    assert!(output.stdout.is_empty(), "nothing is ready");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

impl Program {
    /// Starts an echo on any port of 127.0.0.1 and waits until it is ready.
    pub(crate) fn echo(limit: Option<u32>, arguments: &[&str]) -> Self {
        Self::start(limit, &[&["--app", "echo"], arguments].concat())
    }

    /// Starts a hub with an admin port, on any ports of 127.0.0.1, and waits until it is ready.
    pub(crate) fn hub(limit: Option<u32>, arguments: &[&str]) -> Self {
        Self::start(limit, &[&["--admin", "127.0.0.1:0"], arguments].concat())
    }

    /// Starts it on any port of 127.0.0.1 and waits until it is ready.
    pub(crate) fn start(limit: Option<u32>, arguments: &[&str]) -> Self {
        Self::start_in(&[], limit, &[&["--listen", "127.0.0.1:0", "--no-pin"], arguments].concat())
    }

    /// Starts it with variables in its environment, and waits until it is ready.
    pub(crate) fn start_in(variables: &[(&str, &str)], limit: Option<u32>, arguments: &[&str]) -> Self {
        let mut command = serve(limit, arguments);
        Self::spawn(command.envs(variables.iter().copied()).stderr(Stdio::null()))
    }

    /// The same, and what it says on standard error.
    pub(crate) fn start_telling(
        variables: &[(&str, &str)],
        limit: Option<u32>,
        arguments: &[&str],
    ) -> (Self, Log) {
        let mut command = serve(limit, &[&["--listen", "127.0.0.1:0"], arguments].concat());
        let mut program = Self::spawn(command.envs(variables.iter().copied()));
        let stderr = program.child.stderr.take().expect("it is piped");
        (program, Log::of(stderr))
    }

    /// As many as are taken, each started by a shell after it has done something.
    pub(crate) fn started_by(before: &str, arguments: &[&str]) -> impl Iterator<Item = Self> {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = serve_after(before, &arguments);
        command.stderr(Stdio::null());
        std::iter::repeat_with(move || Self::spawn(&mut command))
    }

    /// The same with a standard error that nobody will read.
    pub(crate) fn start_unheard(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = serve(None, &[&["--listen", "127.0.0.1:0"], arguments].concat());
        Self::spawn(command.envs(variables.iter().copied()).stderr(writer))
    }

    /// The same with one that somebody could read and does not; it is returned.
    pub(crate) fn start_unread(variables: &[(&str, &str)], arguments: &[&str]) -> (Self, ChildStderr) {
        let mut command = serve(None, &[&["--listen", "127.0.0.1:0"], arguments].concat());
        let mut program = Self::spawn(command.envs(variables.iter().copied()));
        let stderr = program.child.stderr.take().expect("it is piped");
        (program, stderr)
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect("the line is JSON");
        let address = ready["listen"][0].as_str().unwrap().parse().unwrap();
        Self { child, ready, address }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its anonymous resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    /// By how many KiB its resident memory was larger, at most, during `act` than before.
    pub(crate) fn peak(&self, act: impl FnOnce()) -> u64 {
        let before = self.status("VmRSS:");
        // proc_pid_clear_refs(5): the peak begins anew.
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
        act();
        self.status("VmHWM:").saturating_sub(before)
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) fn exit_code(&mut self) -> i32 {
        eventually("the program's end", || self.has_ended());
        self.child.wait().ok().as_ref().and_then(ExitStatus::code).expect("no signal killed it")
    }

    /// A connection to its admin port.
    pub(crate) fn dial_admin(&self) -> TcpStream {
        dial(self.ready["admin"].as_str().expect("there is an admin port").parse().unwrap())
    }

    /// Asks its admin port: a method and a target, further fields (each with its end of line), and a body.
    pub(crate) fn ask(&self, what: &str, fields: &str, body: &[u8]) -> Answered {
        let mut stream = self.dial_admin();
        let host = if fields.contains("Host:") { "" } else { "Host: localhost\r\n" };
        let length = body.len();
        let head =
            format!("{what} HTTP/1.1\r\n{host}{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        read_answer(&mut stream)
    }

    /// The body of an answer of its admin port.
    pub(crate) fn get(&self, path: &str) -> String {
        let answered = self.ask(&format!("GET {path}"), "", b"");
        assert_eq!(answered.status, 200, "{answered:?}");
        answered.body
    }

    /// A counter of all workers together.
    pub(crate) fn count(&self, counter: &str) -> u64 {
        let report: Value = serde_json::from_str(&self.get("/stats")).unwrap();
        report["total"][counter].as_u64().expect("there is such a counter")
    }
}

/// Reads an answer up to the end of the connection.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Answered {
    let mut response = String::new();
    // No reset follows an answer, not even where the request was not read to its end.
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {response:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("there is a status");
    Answered { status, head: head.to_owned(), body: body.to_owned() }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
