//! `echo` against servers that send back what they should, and others.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::{count, serve};
use tungstenite::{Message, WebSocket};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

/// Runs `echo` against a server that sends everything back, however slowly.
fn echo(to: SocketAddr, arguments: &[&str]) -> (bool, Value) {
    run(to, &["--duration", "600ms", "--patience", "30s"], arguments)
}

/// Runs `echo` against a server that does not.
fn impatient(to: SocketAddr, arguments: &[&str]) -> (bool, Value) {
    run(to, &["--duration", "600ms", "--patience", "400ms"], arguments)
}

/// Runs `echo`, and returns whether it was content, and its report.
fn run(to: SocketAddr, times: &[&str], arguments: &[&str]) -> (bool, Value) {
    let mut command = Command::new(PROGRAM);
    command.args(["echo", "--to", &format!("ws://{to}/"), "--json", "-", "--warm-up", "100ms"]);
    command.args(["--close-timeout", "20s"]).args(times).args(arguments);
    let output = command.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{output:?}")))
}

/// A server that answers the messages of each connection, told apart by their number, with some others.
fn answering(answer: impl Fn(u64, Message) -> Vec<Message> + Clone + Send + 'static) -> SocketAddr {
    serve(move |stream| {
        stream.set_nodelay(true).unwrap();
        let Ok(mut socket) = tungstenite::accept(stream) else { return };
        let mut number = 0;
        while let Ok(message) = socket.read() {
            if !message.is_text() && !message.is_binary() {
                continue;
            }
            for answer in answer(number, message) {
                if socket.send(answer).is_err() {
                    return;
                }
            }
            number += 1;
        }
    })
}

fn honest() -> SocketAddr {
    answering(|_, message| vec![message])
}

/// Only the second message of each connection is answered by something else.
fn once(answer: impl Fn(Message) -> Vec<Message> + Clone + Send + 'static) -> SocketAddr {
    answering(move |number, message| if number == 1 { answer(message) } else { vec![message] })
}

fn whole(report: &Value, name: &str) -> u64 {
    report["echo"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

#[test]
fn messages_of_all_sizes_come_back() {
    let address = honest();
    for arguments in [
        &["-n", "7", "--depth", "5", "--threads", "3"][..],
        &["-n", "2", "--size", "0"],
        &["-n", "2", "--size", "1", "--binary"],
        &["-n", "2", "--size", "65536", "--binary", "--depth", "3"],
        &["-n", "3", "--rate", "300/s"],
        // More threads than connections.
        &["-n", "1", "--threads", "3", "--rate", "200/s"],
    ] {
        let (clean, report) = echo(address, arguments);
        assert!(clean, "{arguments:?}: {report:#}");
        assert_eq!(whole(&report, "sent"), whole(&report, "received"));
        assert_eq!(report["echo"]["latency_us"]["count"], report["echo"]["received"]);
    }
}

#[test]
fn the_largest_message_comes_back() {
    // It must have gone there and back in the time that is measured, and another before it in the warm-up.
    let times = ["--duration", "8s", "--patience", "30s"];
    let (clean, report) = run(honest(), &times, &["-n", "1", "--size", "16777216", "--binary"]);
    assert!(clean, "{report:#}");
}

#[test]
fn a_rate_is_kept() {
    let (clean, report) = echo(honest(), &["-n", "10", "--rate", "500/s"]);
    assert!(clean, "{report:#}");
    assert_eq!(whole(&report, "sent"), 300, "600 ms of 500 a second: {report:#}");
}

#[test]
fn bare_bytes_come_back() {
    let back = |twist: u8| {
        serve(move |mut stream: TcpStream| {
            let mut bytes = vec![0; 10_000];
            while let Ok(len @ 1..) = stream.read(&mut bytes) {
                bytes[0] ^= twist;
                if stream.write_all(&bytes[..len]).is_err() {
                    return;
                }
            }
        })
    };
    let (clean, report) = echo(back(0), &["-n", "5", "--raw", "--depth", "4", "--size", "5000"]);
    assert!(clean, "{report:#}");
    let (clean, report) = impatient(back(1), &["-n", "5", "--raw"]);
    assert!(!clean && count(&report["echo"]["wrong"], "other bytes") > 0, "{report:#}");
}

#[test]
fn what_does_not_come_back_as_it_was_sent_is_told() {
    let changed = |message: Message| {
        let mut text = message.to_text().unwrap().to_owned();
        text.replace_range(5..6, "_");
        vec![Message::text(text)]
    };
    let cut = |message: Message| vec![Message::text(&message.to_text().unwrap()[..63])];
    let typed = |message: Message| vec![Message::binary(message.into_data())];
    let twice = |message: Message| vec![message.clone(), message];
    for (address, reason) in [
        (once(changed), "other bytes"),
        (once(cut), "another length"),
        (once(typed), "another type"),
        (once(twice), "a second time"),
        (once(|_| vec![]), "left out"),
    ] {
        let (clean, report) = impatient(address, &["-n", "3", "--depth", "4"]);
        assert!(!clean, "{reason}: {report:#}");
        assert_eq!(count(&report["echo"]["wrong"], reason), 3, "{reason}, of each connection: {report:#}");
    }
    let unasked = once(|message| vec![message, Message::text("and more")]);
    let (clean, report) = impatient(unasked, &["-n", "1"]);
    assert!(!clean && count(&report["echo"]["wrong"], "echo: ") > 0, "{report:#}");
}

#[test]
fn messages_that_change_places_are_told() {
    let address = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        let (Ok(first), Ok(second)) = (socket.read(), socket.read()) else { return };
        socket.send(second).unwrap();
        socket.send(first).unwrap();
        back(socket);
    });
    let (clean, report) = impatient(address, &["-n", "1", "--depth", "2"]);
    assert!(!clean, "{report:#}");
    assert_eq!(count(&report["echo"]["wrong"], "behind a later one"), 2, "{report:#}");
}

fn back(mut socket: WebSocket<TcpStream>) {
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}

#[test]
fn what_never_comes_back_is_waited_for_and_told() {
    let silent = answering(|number, message| if number < 3 { vec![message] } else { vec![] });
    let (clean, report) = impatient(silent, &["-n", "2", "--depth", "2"]);
    assert!(!clean, "{report:#}");
    assert_eq!(count(&report["echo"]["wrong"], "none within 400ms"), 4, "{report:#}");
    // At planned times more become due than can be on their way.
    let (clean, report) = impatient(silent, &["-n", "2", "--depth", "2", "--rate", "100/s"]);
    assert!(!clean && count(&report["echo"]["wrong"], "never sent") > 30, "{report:#}");
}

#[test]
fn lost_connections_lose_their_messages() {
    let address = serve(|stream| {
        let mut socket = tungstenite::accept(stream).unwrap();
        for _ in 0..10 {
            let Ok(message) = socket.read() else { return };
            socket.send(message).unwrap();
        }
        let _ = socket.read();
    });
    let (clean, report) = impatient(address, &["-n", "4", "--depth", "1"]);
    assert!(!clean, "{report:#}");
    assert_eq!(
        report["outcome"]["lost"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(),
        4
    );
    assert_eq!(count(&report["echo"]["wrong"], "the connection was lost"), 4, "{report:#}");
}

/// A closed loop meets a stall once for each message on its way; the clock meets it with all that were planned meanwhile.
#[test]
fn a_stall_is_charged_to_every_message_that_was_planned_meanwhile() {
    let stalling = answering(|number, message| {
        if number == 20 {
            thread::sleep(Duration::from_millis(400));
        }
        vec![message]
    });
    let slow = |report: &Value| {
        let buckets = report["echo"]["latency_us"]["buckets"].as_array().unwrap();
        let slow = buckets.iter().filter(|bucket| bucket[0].as_u64().unwrap() >= 100_000);
        slow.map(|bucket| bucket[1].as_u64().unwrap()).sum::<u64>()
    };
    let (_, closed) = echo(stalling, &["-n", "1"]);
    let (_, planned) = echo(stalling, &["-n", "1", "--rate", "100/s"]);
    // 30 of those planned in the 400 ms had 100 ms or more to wait.
    assert!(slow(&planned) >= 25, "{planned:#}");
    assert!(slow(&closed) < 10, "{closed:#}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (arguments, hint) in [
        (&["--raw", "--size", "0"][..], "--size"),
        (&["--size", "16777216", "--depth", "5"], "--depth"),
        (&["--duration", "0s"], "--duration"),
        (&["--size", "16777217"], "--size"),
        (&["--depth", "0"], "--depth"),
        (&["--rate", "0"], "--rate"),
        (&["--pid", "4294967295"], "--pid"),
    ] {
        let mut command = Command::new(PROGRAM);
        let output = command.args(["echo", "--to", "ws://127.0.0.1:1/"]).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(hint), "{arguments:?}: {error}");
    }
}
