//! `connect` against servers that let clients come and go, and others.

mod support;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::{count, serve};
use tungstenite::Message;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

/// Runs `connect` for a short time, and returns whether it was content, and its report.
fn connect(to: SocketAddr, arguments: &[&str]) -> (bool, Value) {
    let mut command = Command::new(PROGRAM);
    command.args(["connect", "--to", &format!("ws://{to}/"), "--json", "-", "--warm-up", "100ms"]);
    command.args(["--duration", "500ms", "--handshake-timeout", "300ms", "--close-timeout", "300ms"]);
    let output = command.args(arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{output:?}")))
}

/// A server that takes who comes, with a word of welcome, and lets who leaves leave.
fn hospitable() -> (SocketAddr, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let address = serve(move |stream| {
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        counter.fetch_add(1, Ordering::Relaxed);
        let _ = socket.send(Message::text("welcome"));
        while socket.read().is_ok() {}
    });
    (address, taken)
}

#[test]
fn connections_come_and_go_in_every_way() {
    let (address, taken) = hospitable();
    for leave in ["close", "fin", "reset"] {
        let before = taken.load(Ordering::Relaxed);
        let (clean, report) = connect(address, &["-n", "6", "--threads", "2", "--leave", leave]);
        assert!(clean, "{leave}: {report:#}");
        let opened = report["opened"].as_u64().unwrap();
        assert!(opened > 6 && taken.load(Ordering::Relaxed) - before >= opened, "{leave}: {report:#}");
        assert_eq!(report["latency_us"]["count"], report["opened"]);
    }
}

#[test]
fn who_stays_keeps_others_from_coming() {
    let (address, _) = hospitable();
    let (clean, report) = connect(address, &["-n", "4", "--stay", "200ms"]);
    assert!(clean, "{report:#}");
    let opened = report["opened"].as_u64().unwrap();
    assert!((4..=12).contains(&opened), "4 at a time, 200 ms each, in 500 ms: {report:#}");
}

#[test]
fn a_rate_is_kept_or_what_was_not_begun_is_told() {
    let (address, _) = hospitable();
    let (clean, report) = connect(address, &["-n", "20", "--rate", "100/s"]);
    assert!(clean, "{report:#}");
    assert!((40..=60).contains(&report["opened"].as_u64().unwrap()), "{report:#}");
    let (clean, report) = connect(address, &["-n", "2", "--rate", "100/s", "--stay", "1s"]);
    assert!(!clean && report["not_begun"].as_u64().unwrap() > 40, "{report:#}");
}

#[test]
fn bare_connections_are_reset() {
    let address = serve(drop);
    // Nothing tells a bare client when it was accepted: without a rate it would overrun the backlog of this server.
    let (clean, report) = connect(address, &["-n", "20", "--raw", "--rate", "100/s"]);
    assert!(clean && report["opened"].as_u64().unwrap() >= 40, "{report:#}");
    let error = Command::new(PROGRAM)
        .args(["connect", "--to", "ws://127.0.0.1:1/", "--raw", "--leave", "close"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&error.stderr).contains("--leave fin"), "{error:?}");
}

#[test]
fn a_name_without_a_server_is_told_with_each_address() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("ws://localhost:{}/", nobody.port());
    let output = Command::new(PROGRAM)
        .args([
            "connect",
            "--to",
            &url,
            "-n",
            "1",
            "--rate",
            "20/s",
            "--warm-up",
            "0s",
            "--duration",
            "100ms",
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    // Where the name has several addresses, standard error has them all; else the report has the one.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    for address in format!("localhost:{}", nobody.port()).to_socket_addrs().unwrap() {
        assert!(said.contains(&format!("({address})")), "{said}");
    }
}

#[test]
fn failures_have_their_reasons() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (clean, report) = connect(nobody, &["-n", "2", "--rate", "50/s"]);
    let refused = format!("connect: refused: nobody listens there ({nobody})");
    assert!(!clean && count(&report["failed"], &refused) > 0, "{report:#}");
    let mute = serve(|stream| {
        thread::sleep(Duration::from_secs(5));
        drop(stream);
    });
    let (clean, report) = connect(mute, &["-n", "2"]);
    assert!(!clean && count(&report["failed"], "handshake: nothing within") > 0, "{report:#}");
    let stubborn = serve(|stream| {
        let _socket = tungstenite::accept(stream);
        thread::sleep(Duration::from_secs(5));
    });
    let (clean, report) = connect(stubborn, &["-n", "2"]);
    assert!(!clean && count(&report["unclean"], "close: nothing within") > 0, "{report:#}");
    let rude = serve(|stream| drop(tungstenite::accept(stream)));
    let (clean, report) = connect(rude, &["-n", "2", "--stay", "100ms"]);
    assert!(!clean && count(&report["lost"], "held: ") > 0, "{report:#}");
}
