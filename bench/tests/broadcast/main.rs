//! `broadcast` against hubs that deliver what they should, and others, and against the floor.

mod hub;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hub::{Hub, admin};
use serde_json::{Value, json};
use support::count;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

/// Runs `broadcast` for a short time, or as it is told.
fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["broadcast", "--json", "-"]);
    let defaults =
        [("--warm-up", "100ms"), ("--duration", "400ms"), ("--patience", "20s"), ("--close-timeout", "20s")];
    for (option, value) in defaults.into_iter().filter(|(option, _)| !arguments.contains(option)) {
        command.args([option, value]);
    }
    command.args(arguments).output().unwrap()
}

/// Runs `broadcast`, and returns whether it was content, and its report.
fn report(arguments: &[&str]) -> (bool, Value) {
    let output = run(arguments);
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{output:?}")))
}

/// Runs `broadcast` against a hub, published to by WebSocket.
fn broadcast(hub: SocketAddr, arguments: &[&str]) -> (bool, Value) {
    let (to, publish) = (format!("ws://{hub}/t-{{n}}"), format!("ws://{hub}/publish/t-{{n}}"));
    report(&[&["--to", &to, "--publish", &publish], arguments].concat())
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number but {value}"))
}

#[test]
fn every_subscriber_gets_every_message_of_its_topic() {
    let hub = Hub::honest();
    for (arguments, messages, deliveries) in [
        // 40 batches of one; 20 of 4, of which each topic gets half of 10 subscribers.
        (&["-n", "7", "--rate", "100/s"][..], 40, 280),
        (&["-n", "10", "--topics", "2", "--rate", "200/s", "--in-flight", "4", "--size", "300"], 80, 400),
        (&["-n", "3", "--rate", "100/s", "--threads", "5", "--size", "32", "--warm-up", "0s"], 40, 120),
        (&["-n", "2", "--rate", "10/s", "--size", "100000"], 4, 8),
    ] {
        // A fresh hub for each: sequence numbers begin at 1.
        let (clean, report) = broadcast(hub, arguments);
        assert!(clean, "{arguments:?}: {report:#}");
        let round = &report["rounds"][0];
        assert_eq!(whole(&round["published"]["messages"]), messages, "{arguments:?}");
        assert_eq!(whole(&round["received"]["deliveries"]), deliveries, "{arguments:?}");
        assert_eq!(whole(&round["received"]["latency_us"]["count"]), deliveries, "{arguments:?}");
        assert_eq!(round["last_us"]["count"], round["published"]["batches"], "{arguments:?}");
        assert!(round["cpu"]["server_us_per_delivery"].is_null(), "nobody was watched");
    }
}

#[test]
fn without_a_rate_each_batch_follows_the_one_before() {
    let (hub, address) = Hub::serve(|_, _, message| {
        thread::sleep(Duration::from_millis(10));
        vec![message.to_owned()]
    });
    let pid = std::process::id().to_string();
    let (clean, report) = broadcast(address, &["-n", "2", "--rate", "max", "--pid", &pid]);
    assert!(clean, "{report:#}");
    // 20 ms each.
    let round = &report["rounds"][0];
    let batches = whole(&round["published"]["batches"]);
    assert!((1..=20).contains(&batches), "{batches}");
    assert!(whole(&round["last_us"]["p50"]) >= 20_000, "{report:#}");
    assert!(round["cpu"]["server_us_per_delivery"].as_f64() > Some(0.0), "{report:#}");
    assert_eq!(hub.subscribers("t-0"), 2);
}

#[test]
fn what_a_hub_does_wrong_is_told() {
    // Of the 30 messages or so the fifth goes wrong at the second of three subscribers.
    type Wrong = fn(&str) -> Vec<String>;
    let cases: [(Wrong, &str, u64); 5] = [
        (|_| vec![], "missing", 1),
        (|message| vec![message.to_owned(); 3], "a second time", 2),
        (|message| vec![message.replace('a', "b")], "corrupt", 1),
        (|message| vec![message[1..].to_owned()], "corrupt: of another length", 1),
        (|message| vec![format!("00000001{}", &message[8..])], "corrupt", 1),
    ];
    for (wrong, reason, times) in cases {
        let (_, hub) = Hub::serve(move |number, subscriber, message| {
            if (number, subscriber) == (5, 1) { wrong(message) } else { vec![message.to_owned()] }
        });
        let (clean, report) = broadcast(hub, &["-n", "3", "--rate", "60/s", "--patience", "300ms"]);
        assert!(!clean, "{reason}: {report:#}");
        assert_eq!(count(&report["rounds"][0]["received"]["wrong"], reason), times, "{reason}: {report:#}");
    }
}

#[test]
fn messages_that_change_places_or_topics_are_told() {
    let held = Arc::new(Mutex::new(None));
    let (_, hub) = Hub::serve(move |number, subscriber, message| match (number, subscriber) {
        (5, 0) => {
            *held.lock().unwrap() = Some(message.to_owned());
            vec![]
        }
        (6, 0) => vec![message.to_owned(), held.lock().unwrap().take().unwrap()],
        _ => vec![message.to_owned()],
    });
    let (clean, report) = broadcast(hub, &["-n", "2", "--rate", "60/s"]);
    assert!(!clean, "{report:#}");
    assert_eq!(report["rounds"][0]["received"]["wrong"], json!({ "out of order": 1 }), "{report:#}");

    let (_, hub) = Hub::serve(|_, _, message| vec![message.to_owned()]);
    // All subscribe to one topic, and messages for two go there.
    let (to, publish) = (format!("ws://{hub}/t-0"), format!("ws://{hub}/publish/t-0"));
    let arguments = ["--to", &to, "--publish", &publish, "-n", "2", "--topics", "2", "--patience", "300ms"];
    let (clean, report) = self::report(&arguments);
    assert!(!clean, "{report:#}");
    let wrong = &report["rounds"][0]["received"]["wrong"];
    assert!(count(wrong, "not subscribed to") > 0, "{report:#}");
}

/// A message that waits in a hub's queue is late by all of that time, not only by the time that its request took.
#[test]
fn a_stall_is_charged_to_every_message_that_was_planned_meanwhile() {
    let (_, hub) = Hub::serve(|number, _, message| {
        if number == 20 {
            thread::sleep(Duration::from_millis(400));
        }
        vec![message.to_owned()]
    });
    let (clean, report) = broadcast(hub, &["-n", "1", "--rate", "100/s", "--duration", "800ms"]);
    assert!(clean, "{report:#}");
    let buckets = report["rounds"][0]["received"]["latency_us"]["buckets"].as_array().unwrap();
    let slow = buckets.iter().filter(|bucket| whole(&bucket[0]) >= 100_000);
    assert!(slow.map(|bucket| whole(&bucket[1])).sum::<u64>() >= 25, "{report:#}");
}

#[test]
fn messages_are_published_over_http_one_by_one_and_many_at_once() {
    for in_flight in ["1", "8"] {
        let (hub, address) = Hub::serve(|_, _, message| vec![message.to_owned()]);
        let (to, publish) = (format!("ws://{address}/t-{{n}}"), format!("http://{}", admin(hub, u64::MAX)));
        let arguments =
            ["--to", &to, "--publish", &publish, "-n", "6", "--topics", "3", "--in-flight", in_flight];
        let (clean, report) = report(&arguments);
        assert!(clean, "{report:#}");
        assert_eq!(whole(&report["rounds"][0]["published"]["messages"]), 40, "{report:#}");
    }
}

#[test]
fn messages_that_a_hub_does_not_take_are_told() {
    for in_flight in ["1", "10"] {
        let (hub, address) = Hub::serve(|_, _, message| vec![message.to_owned()]);
        let (to, publish) = (format!("ws://{address}/t-0"), format!("http://{}", admin(hub, 10)));
        let arguments =
            ["--to", &to, "--publish", &publish, "-n", "2", "--in-flight", in_flight, "--warm-up", "0s"];
        let (clean, report) = report(&arguments);
        assert!(!clean, "{report:#}");
        let round = &report["rounds"][0];
        assert_eq!(round["published"]["refused"], json!({ "busy": 4 }), "{report:#}");
        assert_eq!(round["received"]["wrong"], json!({ "missing": 8 }), "{report:#}");
    }
}

#[test]
fn those_who_never_read_are_told_apart_and_looked_at_in_the_end() {
    let (clean, report) = broadcast(
        Hub::honest(),
        &["-n", "4", "--rate", "100/s", "--deaf", "25%", "--rounds", "2", "--warm-up", "0s"],
    );
    assert!(clean, "{report:#}");
    let rounds = report["rounds"].as_array().unwrap();
    let deaf = |round: &Value| whole(&round["deaf"]);
    // The second round is the other way round.
    assert_eq!(rounds.iter().map(deaf).collect::<Vec<_>>(), [0, 1, 1, 0], "{report:#}");
    for round in rounds.iter().filter(|round| deaf(round) == 1) {
        let received = &round["received"];
        assert_eq!((whole(&received["readers"]), whole(&received["deliveries"])), (3, 120), "{report:#}");
        let found = json!({ "subscribers": 1, "found": 40, "skipped": 0, "latest": 1, "ended": {} });
        assert_eq!(received["deaf"], found, "{report:#}");
    }
    assert!(report["comparisons"][0]["p99"]["median"].as_f64() > Some(0.0), "{report:#}");
}

#[test]
fn the_floor_delivers_and_its_cost_is_measured() {
    let directory = std::env::temp_dir().join(format!("throng-bench-broadcast-{}", std::process::id()));
    let results = directory.to_str().unwrap();
    let arguments = ["--serve", "floor", "--rounds", "2", "-n", "50", "--topics", "3", "--in-flight", "2"];
    let (clean, report) =
        report(&[&arguments[..], &["--workers", "2", "--results", results, "--name", "here"]].concat());
    let files = std::fs::read_dir(directory.join("here")).unwrap();
    let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(clean, "{report:#}");
    files.sort_unstable();
    let expected =
        ["floor-1-delivery.hgrm", "floor-1-last.hgrm", "floor-2-delivery.hgrm", "floor-2-last.hgrm"];
    assert_eq!(files, [&expected[..], &["summary.json", "summary.md"]].concat());
    for round in report["rounds"].as_array().unwrap() {
        assert_eq!((whole(&round["workers"]), whole(&round["published"]["messages"])), (2, 40), "{report:#}");
        assert!(round["cpu"]["server_us_per_delivery"].as_f64() > Some(0.0), "{report:#}");
        assert!(round["memory_peak"]["user_bytes"].as_u64() > Some(0), "{report:#}");
    }
    assert_eq!(report["servers"][0]["server"], "floor");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let to = ["--to", "ws://127.0.0.1:1/", "--publish", "ws://127.0.0.1:1/"];
    for (arguments, hint) in [
        (&["--to", "ws://127.0.0.1:1/"][..], "--publish"),
        (&["-n", "5"], "--to"),
        (&["--serve", "floor", "-n", "5", "--topics", "6"], "--topics"),
        (&["--serve", "floor", "-n", "5", "--deaf", "50%"], "--deaf"),
        (&["--serve", "throng", "-n", "50", "--deaf", "1%"], "-n 100"),
        (&["--serve", "throng", "--policies", "close"], "--deaf"),
        (&["--serve", "floor", "--size", "31"], "--size"),
        (&["--serve", "floor", "--in-flight", "0"], "--in-flight"),
        (&["--serve", "floor", "--duration", "0s"], "--duration"),
        (&["--serve", "floor", "--rate", "100000/s", "--duration", "20s"], "--rate"),
        (&["--serve", "throng", "--server-bin", "/nowhere/throng"], "--server-bin"),
        (&[&to[..], &["--raw"]].concat(), "--raw"),
        (&[&to[..], &["--deaf", "1%", "--policies", "close"]].concat(), "--policies"),
        (&[&to[..], &["--workers", "2"]].concat(), "--workers"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(hint), "{arguments:?}: {error}");
    }
}
