//! `churn` against throng itself, and against a server that harms those who stay.

#[path = "support/stand_in.rs"]
mod stand_in;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use stand_in::StandIn;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");
const LONG: Duration = Duration::from_secs(20);

fn churn(server: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["churn", "--held", "200", "--population", "200", "--life", "300ms", "--json", "-"]);
    command.arg("--server-bin").arg(server).args(arguments);
    command
}

/// Runs `churn` and returns whether it was content, and its report.
fn report_of(mut command: Command) -> (bool, Value) {
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn comers_and_goers_do_no_harm_to_those_that_stay() {
    let throng = Path::new(PROGRAM).with_file_name("throng");
    let stand_in = StandIn::new("churn-good", 0);
    // A build of everything has put it there; without it, the library it is made of will do.
    let server = if throng.is_file() { &throng } else { &stand_in.0 };
    let (clean, report) = report_of(churn(server, &["--for", "3s"]));
    assert!(clean, "{report:#}");
    assert_eq!(report["opening"]["opened"], 200);
    assert_eq!((&report["outcome"]["lost"], &report["outcome"]["closed"]), (&json!({}), &200.into()));
    let left = report["visits"]["left"].as_object().unwrap();
    let ways = ["closing_handshake", "fin", "reset", "deaf", "mid_handshake", "mid_message"];
    assert!(ways.iter().all(|&way| left[way].as_u64().unwrap() > 20), "{report:#}");
    assert!(report["visits"]["opened"].as_u64().unwrap() > 500, "{report:#}");
    assert!(report["samples"].as_array().unwrap().len() >= 5, "{report:#}");
    assert_eq!(report["after"]["sockets"], 0);
    assert_eq!(report["server"]["pong_timeouts"], 0);
}

#[test]
fn a_server_that_lets_connections_down_is_found_out() {
    let stand_in = StandIn::new("churn-bad", 90);
    let (clean, report) = report_of(churn(&stand_in.0, &["--for", "1s"]));
    assert!(!clean);
    let lost =
        |of: &Value| -> u64 { of.as_object().unwrap().values().map(|lost| lost.as_u64().unwrap()).sum() };
    // Of the 200 that were to stay, the 90th and the 180th; and some of those that came and went.
    assert_eq!(lost(&report["outcome"]["lost"]), 2, "{report:#}");
    assert!(lost(&report["visits"]["lost"]) > 0, "{report:#}");
    let problems = report["problems"].to_string();
    assert!(problems.contains("2 held connections were lost"), "{problems}");
}

#[test]
fn an_interrupt_leaves_nothing_running() {
    let stand_in = StandIn::new("churn-interrupt", 0);
    let mut command = churn(&stand_in.0, &["--for", "20s"]);
    let mut churn = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let of = churn.id();
    let children = || fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let deadline = Instant::now() + LONG;
    while children().is_empty() {
        assert!(Instant::now() < deadline, "it starts no server");
        thread::sleep(Duration::from_millis(10));
    }
    let server = children().trim().to_owned();
    thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &of.to_string()]).status().unwrap().success());
    assert!(!churn.wait().unwrap().success());
    let path = format!("/proc/{server}");
    while Path::new(&path).exists() {
        assert!(Instant::now() < deadline, "the server is left running");
        thread::sleep(Duration::from_millis(10));
    }
}
