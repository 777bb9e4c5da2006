//! `compare` with few connections and little time: throng's stand-in, the floor, and servers that do well or do not.

mod server;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use server::Place;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");

/// The command with little to do; `None` on a machine with one core, which it refuses.
fn command(rounds: u32, arguments: &[&str]) -> Option<Command> {
    let cores = core_affinity::get_core_ids().unwrap();
    let [server, client, ..] = cores[..] else { return None };
    let mut command = Command::new(PROGRAM);
    command.args(["compare", "--server-core", &server.id.to_string()]);
    command.args(["--client-core", &client.id.to_string(), "--rounds", &rounds.to_string()]);
    command.args(["--connections", "3", "--depth", "2", "--size", "100", "--warm-up", "50ms"]);
    command.args(["--duration", "200ms", "--idle-low", "20", "--idle-high", "60", "--settle", "100ms"]);
    command.args(["--subscribers", "10", "--handshakes", "50", "--churn-rate", "100/s", "--held", "20"]);
    command.args(["--ping-interval", "1s", "--hold", "2s", "--json", "-"]).args(arguments);
    Some(command)
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The only measurement of a cell of a server.
fn measured<'a>(report: &'a Value, server: &str, cell: &str) -> &'a Value {
    let mut all = report["measurements"].as_array().unwrap().iter();
    let found = all.find(|measured| measured["server"] == server && measured["cell"] == cell);
    found.unwrap_or_else(|| panic!("no {cell} of {server} in {report:#}"))
}

fn row<'a>(report: &'a Value, cell: &str) -> &'a Value {
    let mut rows = report["rows"].as_array().unwrap().iter();
    rows.find(|row| row["cell"] == cell).unwrap_or_else(|| panic!("no {cell} in {report:#}"))
}

#[test]
fn servers_take_turns_and_are_held_against_each_other() {
    let place = Place::new("turns");
    let peers = place.peers(
        "other = { command = \"{dir}/server --port {port}\", version = \"7\", settings = \"as it comes\" }\n\
         absent = { command = \"{dir}/not-there {port}\" }",
    );
    let (given, server) = (format!("plain={} --port {{port}}", place.path("server")), place.path("server"));
    let results = place.path("results");
    let arguments = ["--only", "echo", "--peers", &peers, "--peer", &given];
    let more = ["--server-bin", &server, "--results", &results, "--name", "here"];
    let Some(mut command) = command(2, &[&arguments[..], &more].concat()) else { return };
    let output = command.output().unwrap();
    let (report, errors) = (report(&output), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}\n{report:#}");
    assert!(errors.contains("absent: there is no ") && errors.contains("peers.toml"), "{errors}");
    assert_eq!(report["left_out"][0]["server"], "absent");
    let turns = |round: u64| {
        let all = report["measurements"].as_array().unwrap().iter().filter(|one| one["round"] == round);
        all.map(|one| one["server"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(turns(1), ["throng", "floor", "other", "plain"]);
    assert_eq!(turns(2), ["floor", "other", "plain", "throng"], "another one begins");
    let row = row(&report, "echo/3x2x100");
    assert!(row["over_floor"].as_f64() > Some(0.0) && row["over_best_peer"].is_f64(), "{row:#}");
    assert!(row["servers"].as_array().unwrap().iter().all(|entry| entry["rounds"] == 2), "{row:#}");
    let bars = report["judgement"]["bars"].as_array().unwrap();
    assert_eq!(bars.iter().filter(|bar| bar["verdict"].is_string()).count(), 3, "{bars:#?}");
    let markdown = place.read("results/here/summary.md");
    for told in
        ["| other | 7 | as it comes |", "| echo/3x2x100 |", "over the best peer", "(echo.svg)", "absent"]
    {
        assert!(markdown.contains(told), "{told}: {markdown}");
    }
    let svg = place.read("results/here/echo.svg");
    assert!(roxmltree::Document::parse(&svg).is_ok() && svg.contains("plain"), "{svg}");
    let written: Value = serde_json::from_str(&place.read("results/here/summary.json")).unwrap();
    assert_eq!(written, report);
}

#[test]
fn memory_and_handshakes_are_measured() {
    let place = Place::new("memory");
    let peers = place.peers(
        "other = { command = \"{dir}/server --port {port}\", compression = \"--deflate\" }\n\
         plain = { command = \"{dir}/server --port {port}\" }",
    );
    let (server, results) = (place.path("server"), place.path("results"));
    let arguments = ["--only", "idle,connect", "--peers", &peers, "--server-bin", &server];
    let more = ["--with", "throng,floor,other", "--results", &results, "--name", "here"];
    let Some(mut command) = command(1, &[&arguments[..], &more].concat()) else { return };
    let output = command.output().unwrap();
    let report = report(&output);
    assert!(output.status.success(), "{}\n{report:#}", String::from_utf8_lossy(&output.stderr));
    for server in ["throng", "floor", "other"] {
        for cell in ["connect/handshake", "connect/churn-100", "connect/churn-max"] {
            let figures = &measured(&report, server, cell)["figures"];
            assert!(figures["cpu_us"].as_f64() > Some(0.0), "{cell} of {server}: {figures:#}");
            assert!(figures["per_second"].as_f64() > Some(0.0), "{cell} of {server}: {figures:#}");
        }
        let figures = &measured(&report, server, "idle/plain")["figures"];
        assert!(figures["before_bytes"].is_f64() && figures["after_bytes"].is_f64(), "{figures:#}");
    }
    let compressed = |server| measured(&report, server, "idle/compressed");
    for server in ["throng", "other"] {
        assert!(compressed(server)["figures"]["after_bytes"].is_f64(), "{:#}", compressed(server));
    }
    assert_eq!(compressed("floor")["unable"], "it does not compress");
    let markdown = place.read("results/here/summary.md");
    for told in ["idle/compressed, after_bytes", "it does not compress", "(connect.svg)"] {
        assert!(markdown.contains(told), "{told}: {markdown}");
    }
    let svg = place.read("results/here/connect.svg");
    assert!(roxmltree::Document::parse(&svg).is_ok() && svg.contains("other"), "{svg}");
}

#[test]
fn broadcasts_and_pings_of_other_servers_are_measured() {
    let place = Place::new("many");
    let peers = place.peers(
        "other = { command = \"{dir}/server --port {port}\", pings = \"--pings {seconds}\", broadcast = true }\n\
         plain = { command = \"{dir}/server --port {port}\" }",
    );
    let arguments = ["--only", "broadcast,pings", "--with", "floor,other,plain", "--peers", &peers];
    let Some(mut command) = command(1, &arguments) else { return };
    let output = command.output().unwrap();
    let report = report(&output);
    assert!(output.status.success(), "{}\n{report:#}", String::from_utf8_lossy(&output.stderr));
    for server in ["floor", "other"] {
        for cell in ["broadcast/1", "broadcast/16"] {
            let figures = &measured(&report, server, cell)["figures"];
            assert!(figures["cpu_us"].as_f64() > Some(0.0) && figures["last_us"].is_f64(), "{figures:#}");
        }
        let figures = &measured(&report, server, "pings")["figures"];
        assert!(figures["pings"].as_f64() >= Some(20.0), "{figures:#}");
        assert!(figures["cpu_us"].as_f64() > Some(0.0), "{figures:#}");
    }
    assert_eq!(measured(&report, "plain", "broadcast/1")["unable"], "it does not send to many");
    assert_eq!(measured(&report, "plain", "pings")["unable"], "it sends no Pings");
    assert!(row(&report, "pings")["over_floor"].is_null(), "there is no throng");
}

#[test]
fn a_server_that_fails_is_told_in_its_cell_and_the_others_go_on() {
    let place = Place::new("failing");
    let peers = place.peers(
        "dead = { command = \"sh -c 'echo the disk is full >&2; exit 3' {port}\" }\n\
         liar = { command = \"{dir}/server --lies --port {port}\" }\n\
         other = { command = \"{dir}/server --port {port}\" }",
    );
    let arguments = ["--only", "echo", "--with", "floor,dead,liar,other", "--peers", &peers];
    let Some(mut command) = command(1, &arguments) else { return };
    let output = command.output().unwrap();
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    let failure = |server| measured(&report, server, "echo/3x2x100")["failure"].as_str();
    let dead = failure("dead").unwrap();
    assert!(dead.contains("exit status: 3") && dead.contains("the disk is full"), "{dead}");
    let liar = failure("liar").unwrap();
    assert!(liar.contains("wrong: 3 x echo: of another length"), "{liar}");
    assert_eq!((failure("floor"), failure("other")), (None, None));
    let row = row(&report, "echo/3x2x100");
    assert_eq!(row["best_peer"], "other", "a liar is no rival");
    let told =
        |server| row["servers"].as_array().unwrap().iter().find(|entry| entry["server"] == server).unwrap();
    assert!(told("liar")["value"].is_null() && told("other")["value"].is_object(), "{row:#}");
    assert_eq!(told("dead")["failures"].as_array().unwrap().len(), 1, "{row:#}");
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    let place = Place::new("interrupted");
    let results = place.path("results");
    let arguments = ["--only", "echo", "--with", "floor", "--results", &results, "--name", "here"];
    let Some(mut command) = command(100, &arguments) else { return };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut told = Vec::new();
    for line in lines {
        if line.starts_with("round 2/100") {
            let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
            assert!(interrupt.success());
        }
        told.push(line);
    }
    let output = child.wait_with_output().unwrap();
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("interrupted in round")), "{told:?}");
    let done = report["rounds_done"].as_u64().unwrap();
    assert!(
        (2..100).contains(&done) && row(&report, "echo/3x2x100")["servers"][0]["rounds"] == done,
        "{report:#}"
    );
    assert!(place.read("results/here/summary.md").contains("not complete"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    if core_affinity::get_core_ids().unwrap().len() < 2 {
        let output = Command::new(PROGRAM).args(["compare", "--with", "floor"]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("one core"), "{output:?}");
        return;
    }
    let place = Place::new("refused");
    let peers = place.peers("absent = { command = \"{dir}/not-there {port}\" }");
    let broken = place.path("broken.toml");
    std::fs::write(&broken, "[peers]\nx = { comand = \"x {port}\" }\n").unwrap();
    for (arguments, hint) in [
        (&["--with", "absent", "--peers", &peers][..], "scripts/peers absent"),
        (&["--with", "nobody", "--peers", &peers], "no such server"),
        (&["--with", "floor", "--peer", "x=/nowhere/at-all {port}"], "no program"),
        (&["--with", "throng", "--server-bin", "/nowhere/throng"], "--server-bin"),
        (&["--peers", "/nowhere/peers.toml"], "/nowhere/peers.toml"),
        (&["--peers", &broken], "comand"),
        (&["--peer", "x"], "NAME=COMMAND"),
        (&["--peer", "x=y"], "{port}"),
        (&["--peer", "throng=y {port}"], "another name"),
        (&["--with", "floor", "--client-core", "70000"], "--client-core"),
        (&["--with", "floor", "--server-core", "70000"], "--server-core"),
        (&["--only", "everything"], "--only"),
        (&["--rounds", "0"], "--rounds"),
        (&["--duration", "0s"], "--duration"),
        (&["--hold", "1s"], "--hold"),
        (&["--ping-interval", "1500ms"], "--ping-interval"),
        (&["--churn-rate", "max"], "--churn-rate"),
        (&["--idle-low", "16000"], "--idle-low"),
        (
            &[
                "--only",
                "echo",
                "--with",
                "floor",
                "--connections",
                "10000",
                "--depth",
                "16",
                "--size",
                "1048576",
            ],
            "256 MiB",
        ),
        (&["--name", "x"], "--results"),
    ] {
        let output = Command::new(PROGRAM).arg("compare").args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(hint), "{arguments:?}: {error}");
    }
}
