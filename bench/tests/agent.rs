//! An agent and two load machines, over the wire.

#[path = "support/stand_in.rs"]
mod stand_in;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use stand_in::StandIn;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

/// An agent, whose servers are stand-ins, in a directory that goes with it.
struct Agent {
    child: Child,
    port: String,
    server: StandIn,
}

impl Agent {
    fn start(name: &str) -> Self {
        let server = StandIn::new(name, 0);
        let mut command = Command::new(PROGRAM);
        command.args(["agent", "--once", "--listen", "127.0.0.1:0", "--server-bin"]).arg(&server.0);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let (_, port) = ready["listen"].as_str().unwrap().rsplit_once(':').unwrap();
        Self { child, port: port.to_owned(), server }
    }

    /// Starts `c1m` as the load machine of this number, with 31 connections for both.
    fn machine(&self, number: u32, arguments: &[&str]) -> Child {
        let mut command = Command::new(PROGRAM);
        command.args(["c1m", "--server", "127.0.0.1", "--agent-port", &self.port, "-n", "31"]);
        command.args(["--machine", &format!("{number}/2"), "--ping-interval", "1s", "--probe-time", "0s"]);
        command.args(arguments).arg("--json").arg(self.report(number));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn report(&self, number: u32) -> PathBuf {
        self.server.0.with_file_name(format!("{number}.json"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json_of(output: &[u8]) -> Value {
    serde_json::from_slice(output).unwrap()
}

#[test]
fn load_machines_take_every_step_together_and_read_the_same() {
    let mut agent = Agent::start("agent");
    let early = agent.machine(1, &["--cycles", "1"]);
    // The later one is waited for, longer than an answer may take.
    thread::sleep(Duration::from_millis(1_500));
    let late = agent.machine(2, &["--cycles", "1"]);
    for machine in [early, late] {
        let output = machine.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert!(agent.child.wait().unwrap().success());
    let reports = [1, 2].map(|number| json_of(&fs::read(agent.report(number)).unwrap()));
    let measured = reports.each_ref().map(|report| &report["runs"][0]["throng"]);
    assert_eq!(reports[0]["part"]["session"], reports[1]["part"]["session"]);
    assert_eq!(reports.each_ref().map(|report| &report["sharing_kernel"]), [&json!(2); 2]);
    // Each opens its share, and both are told what the server's machine read for all.
    assert_eq!(measured.map(|throng| &throng["opened"]), [&json!(16), &json!(15)]);
    assert_eq!(measured.map(|throng| &throng["connections"]), [&json!(31); 2]);
    for read in ["open_after_ramp", "open_after_hold", "user", "sum", "kernel"] {
        assert_eq!(measured[0][read], measured[1][read], "{read}");
    }
    let both = json!({ "client": 31, "server": 31 });
    assert_eq!((&measured[0]["open_after_ramp"], &measured[0]["open_after_hold"]), (&both, &both));

    let mut merge = Command::new(PROGRAM);
    merge.args(["merge", "--json", "-"]).args([agent.report(2), agent.report(1)]);
    let output = merge.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let merged = json_of(&output.stdout);
    let throng = &merged["runs"][0]["throng"];
    assert_eq!(
        (&throng["opened"], &throng["closed"], &throng["machines"]),
        (&31.into(), &31.into(), &2.into())
    );
    assert_eq!(throng["open_after_hold"], both);
}

#[test]
fn an_early_end_is_heard_of_by_the_others() {
    let mut agent = Agent::start("early");
    let mut ended = agent.machine(1, &["--cycles", "60"]);
    let other = agent.machine(2, &["--cycles", "60"]);
    let (mut says, mut line) = (BufReader::new(agent.child.stderr.take().unwrap()), String::new());
    says.read_line(&mut line).unwrap();
    assert!(line.starts_with("session ") && line.ends_with(" begins\n"), "{line}");
    assert!(Command::new("kill").args(["-INT", &ended.id().to_string()]).status().unwrap().success());
    assert!(!ended.wait().unwrap().success());
    let Output { status, stderr, .. } = other.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(
        stderr.contains(
            "the agent: load machine 1/2 has ended: measuring throng with 31 connections: interrupted"
        ),
        "{stderr}"
    );
    assert_eq!((status.code(), agent.child.wait().unwrap().code()), (Some(1), Some(1)));
}

/// What the agent answers to these lines, the last it says.
fn answer(connection: &mut TcpStream, lines: &[Value]) -> Value {
    for line in lines {
        connection.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    let mut answer = String::new();
    BufReader::new(connection).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn machines_that_do_not_belong_together_are_told() {
    let mut agent = Agent::start("strangers");
    let connect = || TcpStream::connect(format!("127.0.0.1:{}", agent.port)).unwrap();
    let enter = |protocol: u32, number: u32, of: u32| json!({ "enter": { "protocol": protocol, "machine": { "number": number, "of": of }, "boot_id": "" } });
    let refused = |lines: &[Value], why: &str| {
        let answer = answer(&mut connect(), lines);
        assert!(answer["refused"].as_str().is_some_and(|text| text.contains(why)), "{why}: {answer}");
    };
    refused(&[enter(1, 1, 2)], "version 2");
    refused(&[json!("stop")], "enters a session");
    refused(&[json!("POST")], "same commit");
    refused(&[enter(2, 3, 2)], "none has the number 3");
    let mut one = connect();
    one.write_all(format!("{}\n", enter(2, 1, 2)).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(200));
    refused(&[enter(2, 1, 3)], "session of 2");
    refused(&[enter(2, 1, 2)], "call themselves 1/2");
    let mut two = connect();
    let (entered, also) = (answer(&mut two, &[enter(2, 2, 2)]), answer(&mut one, &[]));
    assert!(entered["entered"]["session"].is_string() && entered == also, "{entered}");
    refused(&[enter(2, 1, 2)], "busy");
    one.write_all(b"\"stop\"\n").unwrap();
    let why = answer(&mut two, &[json!("waiting"), json!("leave")]);
    assert!(why["refused"].as_str().is_some_and(|text| text.contains("same options")), "{why}");
    assert_eq!((answer(&mut one, &[]), agent.child.wait().unwrap().code()), (why, Some(1)));
}

#[test]
fn the_end_of_a_connection_is_that_of_its_machine() {
    let mut agent = Agent::start("gone");
    let mut ended = agent.machine(1, &["--cycles", "60"]);
    let other = agent.machine(2, &["--cycles", "60"]);
    let (mut says, mut line) = (BufReader::new(agent.child.stderr.take().unwrap()), String::new());
    says.read_line(&mut line).unwrap();
    ended.kill().unwrap();
    ended.wait().unwrap();
    let output = other.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("the agent: load machine 1/2 has ended: it has ended early"), "{stderr}");
    assert_eq!((output.status.code(), agent.child.wait().unwrap().code()), (Some(1), Some(1)));
}

#[test]
fn no_agent_is_told_with_the_way_to_one() {
    let mut command = Command::new(PROGRAM);
    let output = command.args(["c1m", "--server", "127.0.0.1", "--agent-port", "1"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("scripts/c1m --serve"), "{error}");
}
