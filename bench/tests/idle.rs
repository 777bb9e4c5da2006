//! `idle` against throng with all its ways to compress, and against servers that leak, lie and break the protocol.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::{count, serve};
use throng::http::{HeadBuffer, parse_head};
use throng::ws::deflate::{Agreement, Deflater, Direction, Inflater};
use throng::ws::handshake::Upgrade;
use throng::ws::{Decoder, DecoderConfig, Event, Heap, Opcode, Role, encode};
use throng::{Accept, Compression, Conn, Connecting, Handler, Message, Server, Verdict};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");
/// How throng is to compress, for the test that is a server.
const MODE: &str = "THRONG_BENCH_IDLE_MODE";

/// Runs `idle` with few connections.
fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["idle", "--low", "20", "--high", "60", "--echo-rate", "1000"]);
    command.args([
        "--settle",
        "200ms",
        "--settle-within",
        "2s",
        "--patience",
        "30s",
        "--close-timeout",
        "20s",
    ]);
    command.args(arguments).output().unwrap()
}

/// Runs `idle` against a server in this process, and returns whether it was content, and its report.
fn idle(to: SocketAddr, arguments: &[&str]) -> (bool, Value) {
    let (to, pid) = (format!("ws://{to}/"), std::process::id().to_string());
    let output = run(&[&["--to", &to, "--pid", &pid, "--json", "-"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{output:?}")))
}

fn round(report: &Value) -> &Value {
    &report["rounds"][0]
}

/// Sends every message back, and keeps so many bytes of each connection from its first message on. Whose path begins with
/// /topics/ keeps [`SUBSCRIPTION`] bytes from its opening on.
struct Echo {
    keep: usize,
}

/// Far more than the pages and pools of a few connections.
const SUBSCRIPTION: usize = 64 << 10;

impl Handler for Echo {
    type Data = Vec<u8>;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Vec<u8>> {
        let subscribes = connecting.request().path().starts_with("/topics/");
        Accept::new(vec![7; if subscribes { SUBSCRIPTION } else { 0 }]).into()
    }

    fn message(&mut self, conn: &mut Conn<'_, Vec<u8>>, message: Message<'_>) {
        conn.send(message).unwrap();
        *conn.data_mut() = vec![7; self.keep];
    }
}

fn throng(compression: Compression, keep: usize) -> Server {
    let builder =
        Server::builder().listen("127.0.0.1:0".parse().unwrap()).workers(1).compression(compression);
    builder.start(move |_| Echo { keep }).unwrap()
}

#[test]
fn what_connections_keep_from_their_first_message_on_shows_after_it() {
    let server = throng(Compression::Off, 256 << 10);
    let (clean, report) = idle(server.addresses()[0], &[]);
    assert!(clean, "{report:#}");
    let slopes = &round(&report)["per_connection"];
    // Other tests of this process may run at the same time; theirs is far below the 10 MiB that are looked for.
    let (before, after) = (slopes["before"].as_f64().unwrap(), slopes["after"].as_f64().unwrap());
    assert!(before.abs() < 80_000.0 && (180_000.0..340_000.0).contains(&after), "{report:#}");
    assert_eq!(report["servers"][0]["after"]["median"], slopes["after"]);
    assert_eq!(round(&report)["echo"], json!({ "sent": 60, "received": 60, "compressed": 0, "wrong": {} }));
    server.shutdown(Duration::from_secs(20)).unwrap();
}

#[test]
fn every_way_to_compress_is_agreed_on_and_echoes() {
    const ALONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    const WINDOWS: &str = "permessage-deflate; client_max_window_bits=11";
    for (mode, arguments, agreed, compressed) in [
        (Compression::Off, &["--compression"][..], "nothing", 0),
        (Compression::Shared, &["--compression"], ALONE, 180),
        (Compression::Dedicated, &["--compression"], WINDOWS, 180),
        (
            Compression::Dedicated,
            &["--compression=permessage-deflate; server_no_context_takeover; client_max_window_bits=9"],
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=9",
            180,
        ),
        // Below the server's threshold an echo comes back as it is; the client compresses all the same.
        (Compression::Shared, &["--compression", "--size", "20"], ALONE, 0),
    ] {
        let server = throng(mode, 0);
        // Of the second and the third message most are references to those before, where they may be.
        let (clean, report) = idle(server.addresses()[0], &[arguments, &["--echoes", "3"]].concat());
        assert!(clean, "{mode:?} {arguments:?}: {report:#}");
        let round = round(&report);
        assert_eq!(round["agreed"], json!({ agreed: 60 }), "{mode:?} {arguments:?}");
        assert_eq!(
            (&round["echo"]["received"], &round["echo"]["compressed"]),
            (&180.into(), &compressed.into())
        );
        let stats = server.stats();
        assert_eq!(stats.compressed_in, if agreed == "nothing" { 0 } else { 180 }, "{mode:?} {arguments:?}");
        server.shutdown(Duration::from_secs(20)).unwrap();
    }
}

#[test]
fn connections_that_say_nothing_have_one_slope() {
    let server = throng(Compression::Shared, 0);
    let (clean, report) = idle(server.addresses()[0], &["--echoes", "0", "--compression"]);
    assert!(clean, "{report:#}");
    let slopes = &round(&report)["per_connection"];
    assert!(slopes["before"].is_f64() && slopes["after"].is_null(), "{report:#}");
    assert_eq!(round(&report)["echo"]["sent"], 0);
    server.shutdown(Duration::from_secs(20)).unwrap();
}

/// A server that agrees to anything, and answers with what is made of a message's bytes, compressed.
fn compressing(agreement: Agreement, answer: fn(&[u8]) -> Vec<u8>) -> SocketAddr {
    serve(move |mut stream: TcpStream| {
        let mut input = vec![0; 64 << 10];
        let mut len = 0;
        let response = loop {
            len += stream.read(&mut input[len..]).unwrap_or(0);
            let mut buffer = HeadBuffer::default();
            let Ok(Some((request, _))) = parse_head(&input[..len], &mut buffer) else { continue };
            let mut response = Vec::new();
            Upgrade::of(&request).unwrap().accept(None, Some(&agreement), &mut response);
            break response;
        };
        stream.write_all(&response).unwrap();
        let config = DecoderConfig { role: Role::Server, max_message: 1 << 20, max_frames: 1, deflate: true };
        let mut decoder = Decoder::default();
        while let Ok(read @ 1..) = stream.read(&mut input) {
            let mut bytes = &mut input[..read];
            let mut output = Vec::new();
            loop {
                let decoded = decoder.decode(bytes, &config, &mut Heap).unwrap();
                let consumed = decoded.consumed;
                match decoded.event {
                    None => break,
                    Some(Event::Compressed { opcode, payload }) => {
                        let message = Inflater::new().decompress(payload, 1 << 20, &[]).unwrap().to_vec();
                        let answer = answer(Deflater::new(6).compress(&message, 15, &[]));
                        encode::compressed_frame(&mut output, opcode, &answer, None);
                    }
                    Some(Event::Close(_)) => {
                        encode::frame(&mut output, Opcode::Close, &[], None);
                        let _ = stream.write_all(&output);
                        return;
                    }
                    Some(_) => {}
                }
                bytes = &mut bytes[consumed..];
            }
            if stream.write_all(&output).is_err() {
                return;
            }
        }
    })
}

const ALONE: Direction = Direction { takeover: false, window_bits: None };

#[test]
fn compressed_echoes_are_checked_to_the_byte() {
    let agreement = Agreement { server: ALONE, client: ALONE };
    let (clean, report) = idle(compressing(agreement, <[u8]>::to_vec), &["--compression"]);
    assert!(clean && round(&report)["echo"]["compressed"] == 60, "{report:#}");
    let changed = |_: &[u8]| Deflater::new(6).compress(&[b'x'; 1024], 15, &[]).to_vec();
    let (clean, report) = idle(compressing(agreement, changed), &["--compression"]);
    assert!(!clean && count(&round(&report)["echo"]["wrong"], "of other bytes") == 60, "{report:#}");
    let broken = |_: &[u8]| vec![0x07, 0x00];
    let (clean, report) = idle(compressing(agreement, broken), &["--compression"]);
    assert!(!clean && count(&round(&report)["lost"], "broke the protocol") == 60, "{report:#}");
}

#[test]
fn an_answer_that_was_not_offered_opens_no_connection() {
    let told = Direction { takeover: true, window_bits: Some(10) };
    let address = compressing(Agreement { server: ALONE, client: told }, <[u8]>::to_vec);
    let (clean, report) = idle(address, &["--compression=permessage-deflate"]);
    assert!(!clean && count(&round(&report)["failed"], "do not answer the offer") == 20, "{report:#}");
    assert!(round(&report)["per_connection"]["before"].is_null(), "{report:#}");
    let (clean, report) = idle(address, &[]);
    assert!(!clean && count(&round(&report)["failed"], "not asked for") == 20, "{report:#}");
}

/// No test: the server that another starts, which SIGTERM ends.
#[test]
#[ignore = "it is a program that another test starts"]
fn served() {
    let compression = match std::env::var(MODE).as_deref() {
        Ok("off") => Compression::Off,
        Ok("shared") => Compression::Shared,
        Ok("dedicated") => Compression::Dedicated,
        _ => return,
    };
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ended.clone()).unwrap();
    let server = throng(compression, 0);
    let listen = [server.addresses()[0].to_string()];
    let ready =
        json!({ "ready": true, "listen": listen, "admin": null, "workers": 1, "private_tables": false });
    writeln!(fs::OpenOptions::new().write(true).open("/proc/self/fd/3").unwrap(), "{ready}").unwrap();
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    server.shutdown(Duration::from_secs(20)).unwrap();
}

/// A program that serves as `throng serve` does, as far as it is asked here.
struct StandIn(PathBuf);

impl StandIn {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-bench-idle-{name}-{}", std::process::id()));
        let tests = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\nwhile [ \"$1\" != --compression ]; do shift; done\n\
             {MODE}=$2 exec {} --exact served --ignored --nocapture 3>&1 >&2\n",
            tests.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn servers_of_its_own_take_turns() {
    let stand_in = StandIn::new("turns");
    let server = stand_in.0.to_str().unwrap();
    let output = run(&[
        "--serve",
        "off,dedicated",
        "--rounds",
        "2",
        "--server-bin",
        server,
        "--compression",
        "--json",
        "-",
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(output.status.success(), "{report:#}");
    let names: Vec<_> = report["rounds"].as_array().unwrap().iter().map(|round| &round["server"]).collect();
    assert_eq!(names, ["throng off", "throng dedicated", "throng off", "throng dedicated"]);
    assert_eq!(report["servers"].as_array().unwrap().len(), 2);
    assert_eq!(report["rounds"][2]["agreed"], json!({ "nothing": 60 }));
    let spread = &report["servers"][1]["after"];
    assert!(spread["min"].as_f64().unwrap() <= spread["max"].as_f64().unwrap(), "{report:#}");
}

#[test]
fn subscribers_of_the_hub_are_held_against_connections_without_it() {
    let stand_in = StandIn::new("paths");
    let server = stand_in.0.to_str().unwrap();
    let output = run(&[
        "--serve",
        "off",
        "--path",
        "/topics/all",
        "--path",
        "/topics/t-{n}",
        "--echoes",
        "0",
        "--server-bin",
        server,
        "--json",
        "-",
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(output.status.success(), "{report:#}");
    let servers = report["servers"].as_array().unwrap();
    let names: Vec<_> = servers.iter().map(|server| server["server"].as_str().unwrap()).collect();
    assert_eq!(names, ["throng off", "throng off, /topics/all", "throng off, /topics/t-{n}"]);
    assert!(servers[0]["over"].is_null(), "{report:#}");
    for server in &servers[1..] {
        let over = server["over"]["median"].as_f64().unwrap();
        assert!((50_000.0..90_000.0).contains(&over), "{report:#}");
    }
}

#[test]
#[expect(clippy::result_large_err, reason = "what the handshake's callback returns")]
fn a_path_has_another_number_for_each_connection() {
    let paths = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let seen = paths.clone();
    let address = serve(move |stream: TcpStream| {
        let note = |request: &tungstenite::handshake::server::Request, response| {
            seen.lock().unwrap().insert(request.uri().path().to_owned());
            Ok(response)
        };
        let Ok(mut socket) = tungstenite::accept_hdr(stream, note) else { return };
        while socket.read().is_ok() {}
    });
    let (to, pid) = (format!("ws://{address}/topics/t-{{n}}"), std::process::id().to_string());
    let output = run(&["--to", &to, "--pid", &pid, "--echoes", "0"]);
    assert!(output.status.success(), "{output:?}");
    let expected = (0..60).map(|number| format!("/topics/t-{number}")).collect();
    assert_eq!(*paths.lock().unwrap(), expected);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("idle").args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let to = ["--to", "ws://127.0.0.1:1/", "--pid", "1"];
    for (arguments, hint) in [
        (&["--low", "16000"][..], "--low"),
        (&["--settle", "31s"], "--settle-within"),
        (&["--rounds", "2"], "--serve"),
        (&["--raw", "--compression"], "--raw"),
        (&["--raw", "--size", "0"], "--size"),
        (&["--compression=permessage-bzip2"], "no offer of permessage-deflate"),
        (&["--serve", "off"], "--serve"),
        (&["--workers", "2"], "--serve"),
        (&["--size", "1048577"], "--size"),
    ] {
        let error = refused(&[&to[..], arguments].concat());
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
    for (arguments, hint) in [
        (&[][..], "--to"),
        (&["--to", "ws://127.0.0.1:1/"], "--pid"),
        (&["--to", "ws://127.0.0.1:1/", "--pid", "4294967295"], "--pid"),
        (&["--serve", "shared"], "--compression"),
        (&["--serve", "off", "--path", "/topics/all"], "--echoes"),
        (&["--serve", "off", "--path", "topics/all"], "slash"),
        (&["--to", "ws://127.0.0.1:1/", "--path", "/topics/all"], "--serve"),
        (&["--serve", "loud"], "dedicated"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
}
