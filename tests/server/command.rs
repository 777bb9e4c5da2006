//! `throng serve` as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

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

fn serve(limit: Option<u32>, arguments: &[&str]) -> Command {
    let limit = limit.map_or(String::new(), |limit| format!("ulimit -n {limit} && "));
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limit}exec \"$0\" serve \"$@\"")).arg(env!("CARGO_BIN_EXE_throng"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, which must come by itself: its exit code and what it said on standard error.
pub(crate) fn run(limit: Option<u32>, arguments: &[&str]) -> (i32, String) {
    let output = serve(limit, arguments).output().unwrap();
    assert!(output.stdout.is_empty(), "nothing is ready");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

impl Program {
    /// Starts it on any port of 127.0.0.1 and waits until it is ready.
    pub(crate) fn start(limit: Option<u32>, arguments: &[&str]) -> Self {
        let arguments = [&["--listen", "127.0.0.1:0", "--no-pin"], arguments].concat();
        let mut child = serve(limit, &arguments).stderr(Stdio::null()).spawn().unwrap();
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
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
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

    /// The body of an answer of its admin port.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = dial(self.ready["admin"].as_str().unwrap().parse().unwrap());
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    /// A counter of all workers together.
    pub(crate) fn count(&self, counter: &str) -> u64 {
        let report: Value = serde_json::from_str(&self.get("/stats")).unwrap();
        report["total"][counter].as_u64().expect("there is such a counter")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
