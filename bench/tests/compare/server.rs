//! Servers to compare: this test's own program, which serves as it is told. Each is a script, since a command has one program.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use serde_json::json;
use throng::{Accept, Compression, Conn, Connecting, Handle, Handler, Message, Server, Verdict};

/// The arguments of the script, for the test that is a server.
const ARGUMENTS: &str = "THRONG_BENCH_COMPARE_ARGUMENTS";

/// A directory for a test's files, with a server's script in it.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("throng-bench-compare-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let place = Self(directory);
        let tests = std::env::current_exe().unwrap();
        // It is the server itself in the end: its processor time is what is looked at.
        let script = format!(
            "#!/bin/sh\n{ARGUMENTS}=\"$*\" exec {} --exact server::serves --ignored --nocapture 3>&1 >&2\n",
            tests.display()
        );
        fs::write(place.server(), script).unwrap();
        fs::set_permissions(place.server(), fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.0.join("server")
    }

    /// Writes a file that says how servers are started.
    pub(crate) fn peers(&self, lines: &str) -> String {
        let file = self.0.join("peers.toml");
        fs::write(&file, format!("[peers]\n{lines}\n")).unwrap();
        file.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sends messages back, those of connections on /publish to all. A liar changes the second message of each connection.
struct Serving {
    everybody: Arc<OnceLock<Handle>>,
    lies: bool,
}

#[derive(Default)]
struct Peer {
    publishes: bool,
    messages: u32,
}

impl Handler for Serving {
    type Data = Peer;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Peer> {
        Accept::new(Peer { publishes: connecting.request().path() == "/publish", messages: 0 }).into()
    }

    fn message(&mut self, conn: &mut Conn<'_, Peer>, message: Message<'_>) {
        conn.data_mut().messages += 1;
        if conn.data().publishes {
            self.everybody.get().unwrap().broadcast(message).unwrap();
        } else if self.lies && conn.data().messages == 2 {
            conn.send(Message::Binary(b"something else")).unwrap();
        } else {
            conn.send(message).unwrap();
        }
    }
}

#[test]
#[ignore = "it is a program that other tests start"]
fn serves() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let words: Vec<&str> = arguments.split(' ').collect();
    let value = |option: &str| {
        words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied()
    };
    let (is_throng, lies) = (words[0] == "serve", words.contains(&"--lies"));
    let compresses = value("--compression") == Some("shared") || words.contains(&"--deflate");
    let pings = value("--pings").or_else(|| value("--ping-interval")?.strip_suffix('s'));
    let pings = pings.map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let everybody = Arc::new(OnceLock::new());
    let handler = Arc::clone(&everybody);
    let server = Server::builder()
        .listen(format!("127.0.0.1:{}", value("--port").unwrap_or("0")).parse().unwrap())
        .workers(1)
        .compression(if compresses { Compression::Shared } else { Compression::Off })
        .ping_interval(pings)
        .pong_timeout(pings.unwrap_or(Duration::from_secs(1)) / 2)
        .start(move |_| Serving { everybody: Arc::clone(&handler), lies })
        .unwrap();
    everybody.set(server.handle()).ok().unwrap();
    if is_throng {
        let listen = [server.addresses()[0].to_string()];
        let ready =
            json!({ "ready": true, "listen": listen, "admin": null, "workers": 1, "private_tables": false });
        writeln!(fs::OpenOptions::new().write(true).open("/proc/self/fd/3").unwrap(), "{ready}").unwrap();
    }
    // It is killed, or dies with whoever started it.
    loop {
        thread::park();
    }
}
