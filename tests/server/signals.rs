//! Signals to the program, and the ends that they bring about.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use throng::CloseCode;
use throng::sys::signals::APART;

use super::client::{Client, Got, PATIENCE, eventually};
use super::command::Program;

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_orderly_end_is_0() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut program = Program::echo(None, &[]);
        let mut client = Client::open(program.address);
        program.signal(signal);
        assert_eq!(client.get(), Got::Close(1001));
        client.send_close(CloseCode::GOING_AWAY);
        assert_eq!((client.get(), program.exit_code()), (Got::End, 0), "{signal}");
    }
}

#[test]
fn a_drain_to_its_deadline_is_0_too() {
    let mut program = Program::echo(None, &["--drain-timeout", "200ms"]);
    let _client = Client::open(program.address);
    program.signal("TERM");
    assert_eq!(program.exit_code(), 0);
}

#[test]
fn a_second_signal_cuts_only_when_it_comes_a_second_later() {
    let mut program = Program::echo(None, &["--drain-timeout", "1h", "--close-timeout", "1h"]);
    let mut client = Client::open(program.address);
    let first = Instant::now();
    program.signal("TERM");
    program.signal("TERM");
    assert_eq!(client.get(), Got::Close(1001));
    program.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    // On a machine that is very busy the second may have come late.
    assert!(!program.has_ended() || first.elapsed() >= APART);
    std::thread::sleep(APART);
    program.signal("INT");
    assert_eq!(program.exit_code(), 1);
}

#[test]
fn signals_without_a_meaning_are_logged_and_harm_nobody() {
    let (mut program, log) = Program::start_telling(&[], None, &["--app", "echo"]);
    let mut client = Client::open(program.address);
    for signal in ["HUP", "USR1", "USR2"] {
        program.signal(signal);
        log.says(&format!("ignored: it has no meaning yet signal=\"SIG{signal}\""));
        client.is_echoed(signal);
    }
    program.signal("QUIT");
    assert_eq!(client.get(), Got::Close(1001));
    client.send_close(CloseCode::GOING_AWAY);
    assert_eq!(program.exit_code(), 0);
}

#[test]
fn what_was_ignored_before_the_start_is_heard() {
    // As a shell starts what runs beside it, and as nohup does.
    let started = Program::started_by("trap '' INT QUIT HUP TERM; ", &["--app", "echo"]);
    for (signal, mut program) in ["INT", "QUIT", "TERM"].into_iter().zip(started) {
        program.signal("HUP");
        program.signal(signal);
        assert_eq!(program.exit_code(), 0, "{signal}");
    }
}

#[test]
fn a_unix_socket_is_in_the_ready_line_and_goes_at_every_end() {
    let directory = Directory::new("ends");
    let path = directory.file("socket");
    let listen = format!("unix:{path}");
    for (signals, code) in [(&["TERM"][..], 0), (&["QUIT"], 0), (&["INT", "TERM"], 1)] {
        let arguments = ["--listen", &listen, "--drain-timeout", "1h", "--close-timeout", "1h"];
        let mut program = Program::echo(None, &arguments);
        assert_eq!(program.ready["listen"][1], listen);
        let mut client = Client::open_unix(path.as_ref());
        client.is_echoed("hi");
        for (at, signal) in signals.iter().enumerate() {
            std::thread::sleep(APART * u32::try_from(at).unwrap());
            program.signal(signal);
        }
        if code == 0 {
            assert_eq!(client.get(), Got::Close(1001));
            client.send_close(CloseCode::GOING_AWAY);
        }
        assert_eq!(program.exit_code(), code, "{signals:?}");
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0, "{signals:?}");
    }
}

/// A program that starts, as a process of this one's or as the first of a namespace of its own.
struct Starting {
    child: Child,
    /// The program itself.
    id: u32,
}

impl Starting {
    fn new(is_first: bool, arguments: &[&str]) -> Self {
        let throng = env!("CARGO_BIN_EXE_throng");
        let mut command = Command::new(if is_first { "unshare" } else { throng });
        if is_first {
            command.args(["--pid", "--fork", "--kill-child", throng]);
        }
        command.args(["serve", "--app", "echo", "--no-pin"]).args(arguments);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut id = child.id();
        if is_first {
            let children = format!("/proc/{id}/task/{id}/children");
            eventually("there is a child", || {
                let found = std::fs::read_to_string(&children).unwrap_or_default();
                found.trim().parse().is_ok_and(|found| {
                    id = found;
                    true
                })
            });
        }
        Self { child, id }
    }

    /// Waits until it is the program, with its handlers, that has the process.
    fn has_handlers(&self) {
        eventually("it has handlers", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok());
            caught.is_some_and(|caught| caught & (1 << 14) != 0 && caught & (1 << 11) != 0)
        });
    }

    fn terminate(&self) {
        let sent = Command::new("kill").args(["-s", "TERM", &self.id.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, once it has ended, as it must.
    fn code(mut self) -> Option<i32> {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.signal(), None);
                return status.code();
            }
            if asked.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether this user may make namespaces; where not, what needs them is left out, and that is said.
fn ways_to_start() -> Vec<bool> {
    let tried = Command::new("unshare").args(["--pid", "--fork", "true"]).status();
    if tried.is_ok_and(|status| status.success()) {
        return vec![false, true];
    }
    println!("left out: this user cannot start the first process of a namespace");
    vec![false]
}

#[test]
fn a_signal_before_there_is_a_server_ends_the_program() {
    let directory = Directory::new("early");
    let pipe = directory.file("config");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for is_first in ways_to_start() {
        // It waits for its configuration, which never comes.
        let starting = Starting::new(is_first, &["--config", &pipe]);
        starting.has_handlers();
        starting.terminate();
        assert_eq!(starting.code(), Some(0), "first process: {is_first}");
    }
}

#[test]
fn a_signal_while_the_server_starts_is_heard_and_leaves_nothing() {
    let directory = Directory::new("starting");
    let pipe = directory.file("config");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let socket = directory.file("socket");
    let listen = format!("unix:{socket}");
    for is_first in ways_to_start() {
        // From before the first worker to after the last one.
        for delay in (0..12).map(|step| Duration::from_millis(step * step)) {
            let arguments =
                ["--config", &pipe, "--listen", "127.0.0.1:0", "--listen", &listen, "--workers", "100"];
            let starting = Starting::new(is_first, &arguments);
            starting.has_handlers();
            std::fs::OpenOptions::new().write(true).open(&pipe).unwrap().write_all(b"\n").unwrap();
            std::thread::sleep(delay);
            starting.terminate();
            assert_eq!(starting.code(), Some(0), "first process: {is_first}, {delay:?}");
            assert!(!std::fs::exists(&socket).unwrap(), "first process: {is_first}, {delay:?}");
        }
    }
}
