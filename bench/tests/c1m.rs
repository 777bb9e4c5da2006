//! `c1m` leaves nothing running, however it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");
const LONG: Duration = Duration::from_secs(20);

/// A server that accepts and never answers a handshake, in a directory that goes with it. It notes its process number.
struct MuteServer(PathBuf);

impl MuteServer {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("throng-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (pid, script) = (directory.join("pid"), directory.join("server"));
        fs::write(
            &script,
            format!(
                "#!/bin/sh\necho $$ > {}\nexec {PROGRAM} floor-server --mode accept -n 100\n",
                pid.display()
            ),
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    /// Starts `c1m` against it and waits until its client is there too.
    fn start_c1m(&self) -> Child {
        let mut command = Command::new(PROGRAM);
        command.args(["c1m", "-n", "50", "--server-bin"]).arg(self.0.join("server"));
        let c1m = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + LONG;
        while children(c1m.id()).len() < 2 {
            assert!(Instant::now() < deadline, "c1m starts no children");
            thread::sleep(Duration::from_millis(10));
        }
        c1m
    }
}

impl Drop for MuteServer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn children(of: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    listed.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn is_running(pid: u32) -> bool {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(Path::new(&path)).unwrap_or_default();
    // A zombie has ended; whoever inherited it waits for it.
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

fn assert_all_end(pids: &[u32]) {
    let deadline = Instant::now() + LONG;
    while pids.iter().any(|&pid| is_running(pid)) {
        assert!(Instant::now() < deadline, "children are left running");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_interrupt_ends_everything() {
    let server = MuteServer::new("interrupt");
    let mut c1m = server.start_c1m();
    let pids = children(c1m.id());
    signal("-INT", c1m.id());
    assert!(!c1m.wait().unwrap().success());
    assert_all_end(&pids);
}

#[test]
fn a_killed_parent_takes_its_children_along() {
    let server = MuteServer::new("killed");
    let mut c1m = server.start_c1m();
    let pids = children(c1m.id());
    c1m.kill().unwrap();
    c1m.wait().unwrap();
    assert_all_end(&pids);
}

#[test]
fn a_server_that_dies_is_the_end_of_it() {
    let server = MuteServer::new("dying");
    let c1m = server.start_c1m();
    let pids = children(c1m.id());
    let pid = fs::read_to_string(server.0.join("pid")).unwrap();
    signal("-KILL", pid.trim().parse().unwrap());
    let output = c1m.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(!output.stderr.is_empty(), "it ends without a word");
    assert_all_end(&pids);
}
