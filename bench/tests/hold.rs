//! `hold` against small servers that behave and misbehave.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::{Message, WebSocket};

use support::{count, serve};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

/// Reads until the client closes; tungstenite answers its Close.
fn until_closed(mut socket: WebSocket<TcpStream>) -> usize {
    let mut pongs = 0;
    while let Ok(message) = socket.read() {
        pongs += usize::from(message.is_pong());
    }
    pongs
}

/// Runs `hold` and returns whether it was content, and its report.
fn hold(to: SocketAddr, arguments: &[&str]) -> (bool, Value) {
    let to = format!("ws://{to}/path?query");
    let mut command = Command::new(PROGRAM);
    command.args(["hold", "--to", &to, "--json", "-"]).args(arguments);
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn connections_open_answer_pings_and_close_in_order() {
    let address = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        for payload in [&b"one"[..], b"", b"three"] {
            socket.send(Message::Ping(payload.to_vec().into())).unwrap();
            let Message::Pong(pong) = socket.read().unwrap() else { panic!("something else than a pong") };
            assert_eq!(pong, payload);
        }
        socket.send(Message::text("a message")).unwrap();
        socket.send(Message::binary(vec![7; 200_000])).unwrap();
        until_closed(socket);
    });
    let (clean, report) = hold(address, &["-n", "50", "--hold", "1s", "--threads", "3", "--rate", "500/s"]);
    assert!(clean, "{report:#}");
    assert_eq!((&report["opened"], &report["closed"]), (&50.into(), &50.into()));
    assert_eq!((&report["pings_answered"], &report["messages_in"]), (&150.into(), &100.into()));
    assert_eq!(report["latency_us"]["count"], 50);
    // 50 connections at 500 a second take about a tenth of a second.
    assert!(report["ramp_seconds"].as_f64().unwrap() > 0.09, "{report:#}");
}

#[test]
fn pings_in_the_hold_are_counted_for_each_connection() {
    let address = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        thread::sleep(Duration::from_millis(700));
        socket.send(Message::Ping(vec![1].into())).unwrap();
        socket.send(Message::Ping(vec![2].into())).unwrap();
        until_closed(socket);
    });
    let (clean, report) = hold(address, &["-n", "8", "--hold", "2s"]);
    assert!(clean, "{report:#}");
    assert_eq!((&report["pings_answered"], &report["min_pings_held"]), (&16.into(), &2.into()));
}

#[test]
fn failed_handshakes_are_counted_by_reason() {
    let refusing = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let (clean, report) = hold(refusing, &["-n", "5", "--hold", "0s"]);
    assert!(!clean);
    assert_eq!((&report["opened"], count(&report["failed"], "status 503")), (&0.into(), 5), "{report:#}");

    let silent = serve(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let (clean, report) = hold(silent, &["-n", "5", "--hold", "0s", "--handshake-timeout", "300ms"]);
    assert!(!clean);
    assert_eq!(count(&report["failed"], "nothing within 300ms"), 5, "{report:#}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (clean, report) = hold(nobody, &["-n", "5", "--hold", "0s"]);
    assert!(!clean);
    assert_eq!(count(&report["failed"], "refused"), 5, "{report:#}");
}

#[test]
fn losses_are_counted_by_reason() {
    let closing = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        socket.close(None).unwrap();
        until_closed(socket);
    });
    let (clean, report) = hold(closing, &["-n", "5", "--hold", "500ms"]);
    assert!(!clean);
    assert_eq!(count(&report["lost"], "closed by the server"), 5, "{report:#}");
    assert_eq!((&report["opened"], &report["closed"]), (&5.into(), &0.into()));

    let vanishing = serve(|stream| drop(tungstenite::accept(stream).unwrap()));
    let (_, report) = hold(vanishing, &["-n", "5", "--hold", "500ms"]);
    assert_eq!(count(&report["lost"], "without a Close frame"), 5, "{report:#}");

    let babbling = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        socket.get_mut().write_all(b"\xff\xff\xff").unwrap();
        until_closed(socket);
    });
    let (_, report) = hold(babbling, &["-n", "5", "--hold", "500ms"]);
    assert_eq!(count(&report["lost"], "broke the protocol"), 5, "{report:#}");
}

#[test]
fn a_server_that_never_finishes_closing_is_told_apart() {
    let stubborn = serve(|stream| {
        let socket = tungstenite::accept(stream).unwrap();
        // It neither reads nor ends.
        thread::sleep(Duration::from_secs(20));
        drop(socket);
    });
    let (clean, report) = hold(stubborn, &["-n", "5", "--hold", "0s", "--close-timeout", "300ms"]);
    assert!(!clean);
    assert_eq!(count(&report["unclean"], "close: nothing within 300ms"), 5, "{report:#}");
    assert!(report["lost"].as_object().unwrap().is_empty());
}

#[test]
fn frames_in_one_piece_with_the_handshake_are_served() {
    let address = serve(|mut stream| {
        let mut request = [0; 1024];
        let len = stream.read(&mut request).unwrap();
        let request = std::str::from_utf8(&request[..len]).unwrap();
        let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let mut piece = response.into_bytes();
        piece.extend_from_slice(b"\x89\x02hi");
        stream.write_all(&piece).unwrap();
        until_closed(WebSocket::from_raw_socket(stream, tungstenite::protocol::Role::Server, None));
    });
    let (clean, report) = hold(address, &["-n", "5", "--hold", "500ms"]);
    assert!(clean, "{report:#}");
    assert_eq!(report["pings_answered"], 5);
}

/// A child that is dead when the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn child(arguments: &[&str]) -> (Killed, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new(PROGRAM);
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (Killed(child), stdout)
}

fn line(from: &mut impl BufRead) -> Value {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn the_floor_serves_raw_connections_of_a_controlled_client() {
    let (mut floor, mut floor_says) =
        child(&["floor-server", "--mode", "accept", "-n", "200", "--workers", "2"]);
    let ready = line(&mut floor_says);
    let to = format!("ws://{}/", ready["listen"][0].as_str().unwrap());
    let (mut client, mut client_says) = child(&["hold", "--controlled", "--raw", "--to", &to, "-n", "200"]);
    let event = |from: &mut BufReader<_>, name: &str| loop {
        let event = line(from);
        if event["event"] == name {
            return event;
        }
        assert_eq!(event["event"], "progress");
    };
    event(&mut client_says, "ready");
    let commands = client.0.stdin.as_mut().unwrap();
    commands.write_all(b"open\n").unwrap();
    assert_eq!(event(&mut client_says, "opened")["opened"], 200);
    let mut open = |floor: &mut Killed| {
        floor.0.stdin.as_mut().unwrap().write_all(b"stats\n").unwrap();
        line(&mut floor_says)["open"].as_u64().unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while open(&mut floor) != 200 {
        assert!(Instant::now() < deadline, "the floor accepts too little");
        thread::sleep(Duration::from_millis(10));
    }
    // The end of its commands is the end of the client.
    drop(client.0.stdin.take());
    assert_eq!(event(&mut client_says, "closed")["closed"], 200);
    assert!(client.0.wait().unwrap().success());
    while open(&mut floor) != 0 {
        assert!(Instant::now() < deadline, "the floor does not see the ends");
        thread::sleep(Duration::from_millis(10));
    }
    drop(floor.0.stdin.take());
    assert!(floor.0.wait().unwrap().success());
}

#[test]
fn bad_arguments_are_refused_with_words() {
    for (arguments, word) in [
        (&["hold", "--to", "wss://127.0.0.1/", "-n", "1"][..], "TLS"),
        (&["hold", "--to", "ws://127.0.0.1:1/", "-n", "0"], "0"),
        (&["hold", "--to", "ws://127.0.0.1:1/", "-n", "1", "--rate", "fast"], "max"),
        (&["hold", "--to", "ws://127.0.0.1:1/", "-n", "65536", "--sources", "1"], "--sources"),
        (&["c1m", "--server-bin", "/nowhere/throng"], "--server-bin"),
    ] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains(word), "{arguments:?}: {words}");
    }
}
