//! `churn` against throng itself, and against a server that harms those who stay.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use throng::http::Request;
use throng::{Accept, CloseCode, Conn, Connecting, Handle, Handler, Message, PingPolicy, Server, Verdict};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");
const LONG: Duration = Duration::from_secs(20);
/// Tells [`serve`] that it runs as a server, and which connections it closes: each one whose number this divides.
const CLOSES: &str = "CHURN_TEST_SERVER_CLOSES";

/// A script that starts this test program as a server, in a directory that goes with it.
struct StandIn(PathBuf);

impl StandIn {
    fn new(name: &str, closes: u32) -> Self {
        let directory = std::env::temp_dir().join(format!("throng-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let this = std::env::current_exe().unwrap();
        // The test harness has words of its own for standard output.
        let script = format!(
            "#!/bin/sh\nexport {CLOSES}={closes}\nexec {} --ignored --exact serve --nocapture 3>&1 >/dev/null\n",
            this.display()
        );
        let path = directory.join("server");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.parent().map(fs::remove_dir_all);
    }
}

/// Takes every message and says nothing, but to those that it closes.
struct Sink {
    opened: u32,
    closes: u32,
}

impl Handler for Sink {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn open(&mut self, conn: &mut Conn<'_, ()>, _: &Request<'_>) {
        self.opened += 1;
        if self.closes > 0 && self.opened.is_multiple_of(self.closes) {
            conn.close(CloseCode::GOING_AWAY, "one of those");
        }
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {}
}

/// Answers `GET /stats` as the admin port of `throng serve` does.
fn answer_for_counts(stream: &TcpStream, handle: &Handle) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    while !lines.next()?.ok()?.is_empty() {}
    let body = json!({ "workers": [], "total": handle.stats() }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    (&mut &*stream).write_all((head + &body).as_bytes()).ok()
}

/// No test: the server that the others start, which SIGTERM ends.
#[test]
#[ignore = "it is a program that other tests start"]
fn serve() {
    let Some(closes) = std::env::var(CLOSES).ok().and_then(|closes| closes.parse().ok()) else { return };
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ended.clone()).unwrap();
    let server = Server::builder()
        .listen("127.0.0.1:0".parse().unwrap())
        .workers(1)
        .ping_policy(PingPolicy::Always)
        .start(move |_| Sink { opened: 0, closes })
        .unwrap();
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let ready = json!({
        "ready": true,
        "listen": [server.addresses()[0].to_string()],
        "admin": admin.local_addr().unwrap().to_string(),
        "workers": 1,
        "private_tables": false,
    });
    let mut says = OpenOptions::new().write(true).open("/proc/self/fd/3").unwrap();
    writeln!(says, "{ready}").unwrap();
    let handle = server.handle();
    thread::spawn(move || {
        for stream in admin.incoming().map_while(Result::ok) {
            answer_for_counts(&stream, &handle);
        }
    });
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    server.shutdown(LONG).unwrap();
}

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
