//! This test program as a server in place of `throng serve`, which a build of the tests alone does not make.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use throng::http::Request;
use throng::{Accept, CloseCode, Conn, Connecting, Handle, Handler, Message, PingPolicy, Server, Verdict};

/// Tells [`serve`] that it runs as a server, and which connections it closes: each one whose number this divides.
const CLOSES: &str = "STAND_IN_CLOSES";
/// Time between two Pings to a connection.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(20);

/// A script that starts this test program as a server, in a directory that goes with it.
pub(crate) struct StandIn(pub(crate) PathBuf);

impl StandIn {
    pub(crate) fn new(name: &str, closes: u32) -> Self {
        let directory = std::env::temp_dir().join(format!("throng-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let this = std::env::current_exe().unwrap();
        // The test harness has words of its own for standard output.
        let script = format!(
            "#!/bin/sh\nexport {CLOSES}={closes}\nexec {} --ignored --exact stand_in::serve --nocapture 3>&1 >/dev/null\n",
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
    let ended = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ended.clone()).unwrap();
    let server = Server::builder()
        .listen("127.0.0.1:0".parse().unwrap())
        .workers(1)
        .ping_interval(Some(PING_INTERVAL))
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
    while !ended.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    server.shutdown(DRAIN).unwrap();
}
