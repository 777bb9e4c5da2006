//! An agent and two load machines, over the wire.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use throng_bench::agent::remote::Remote;
use throng_bench::agent::wire::{Clients, Machine, Point};
use throng_bench::host::{Kind, ServerPlan};
use throng_bench::interrupt::Interrupt;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throng-bench");
const MACHINES: [Machine; 2] = [Machine { number: 1, of: 2 }, Machine { number: 2, of: 2 }];

/// An agent, whose servers only accept, in a directory that goes with it.
struct Agent {
    child: Child,
    address: String,
    directory: PathBuf,
}

impl Agent {
    fn start(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("throng-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let server = directory.join("server");
        fs::write(&server, format!("#!/bin/sh\nexec {PROGRAM} floor-server --mode accept -n 100\n")).unwrap();
        fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["agent", "--once", "--listen", "127.0.0.1:0", "--server-bin"]).arg(server);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, address: ready["listen"].as_str().unwrap().to_owned(), directory }
    }

    /// Runs both load machines, each in a thread of its own.
    fn with_both<T: Send>(&self, run: impl Fn(Remote, u64) -> T + Sync) -> Vec<T> {
        let interrupt = Interrupt::listen().unwrap();
        let enter = |machine| Remote::enter(&self.address, machine, &interrupt).unwrap();
        let run = &run;
        thread::scope(|scope| {
            let threads: Vec<_> = MACHINES
                .map(|machine| scope.spawn(move || run(enter(machine), u64::from(machine.number))))
                .into_iter()
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn plan(connections: u64) -> ServerPlan {
    ServerPlan {
        kind: Kind::Throng,
        connections,
        ping_interval: Duration::from_secs(30),
        pong_timeout: Duration::from_secs(10),
        workers: None,
    }
}

#[test]
fn load_machines_take_every_step_together_and_read_the_same() {
    let mut agent = Agent::start("agent");
    let read = agent.with_both(|mut remote, number| {
        let (shape, connections) = remote.start(&plan(10 * number)).unwrap();
        assert_eq!((connections, shape.port > 0), (30, true));
        let clients = Clients { cpu_nanos: number, min_pings: number, ..Clients::default() };
        // The later one is waited for, longer than an answer may take.
        thread::sleep(Duration::from_millis(1_500 * (number - 1)));
        let meeting = remote.meet(Point::Ready, clients).unwrap();
        assert_eq!(remote.sample().unwrap().open, 0);
        remote.stop().unwrap();
        let session = remote.entered().unwrap().clone();
        remote.leave().unwrap();
        (session, meeting)
    });
    assert_eq!(read[0], read[1]);
    let (session, meeting) = &read[0];
    assert_eq!(session.sharing_kernel, 2);
    assert_eq!((meeting.clients.cpu_nanos, meeting.clients.min_pings), (3, 1));
    assert!(meeting.reading.user_bytes > 0);
    assert!(agent.child.wait().unwrap().success());
}

#[test]
fn an_early_end_is_heard_of_by_the_others() {
    let mut agent = Agent::start("early");
    let errors = agent.with_both(|mut remote, number| {
        remote.start(&plan(5)).unwrap();
        if number == 1 {
            remote.quit("there are no ports left");
            return String::new();
        }
        remote.meet(Point::Ready, Clients::default()).unwrap_err().to_string()
    });
    assert_eq!(errors[1], "the agent: load machine 1/2 has ended: there are no ports left");
    assert_eq!(agent.child.wait().unwrap().code(), Some(1));
}

#[test]
fn no_agent_is_told_with_the_way_to_one() {
    let error = Remote::enter("127.0.0.1:1", Machine::ONLY, &Interrupt::listen().unwrap()).unwrap_err();
    assert!(format!("{error:#}").contains("scripts/c1m --serve"), "{error:#}");
}
