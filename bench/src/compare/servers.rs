//! The servers that take turns: which ones, and how each is started for a measurement.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::args::CompareArgs;
use super::report::{LeftOut, ServerNote};
use crate::measure::child::Talker;
use crate::measure::cores::Cores;
use crate::measure::environment::words_without_directory;
use crate::measure::interrupt::Interrupt;
use crate::servers::peers::{Extra, Peer, Peers};
use crate::servers::running::{LOOPBACK, Serve, Server, binary, serve, serve_floor};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// How throng compresses: each message by itself.
const COMPRESSION: &str = "shared";
/// What is said where throng is missing.
const NO_THRONG: &str = "there is no throng beside this program: build it with `cargo build --release --features serve`, or \
                         name it with --server-bin";
/// Sockets beyond the connections of a measurement that a server has room for.
const SPARE: u32 = 256;

/// One of the servers.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Throng,
    Floor,
    Peer(Peer),
}

/// What a measurement wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) extra: Extra,
    /// Whether messages are to come back: the floor has one way to serve for each of its uses.
    pub(super) echoes: bool,
    pub(super) connections: u32,
}

/// A server that runs. Dropping it kills it.
pub(super) enum Running {
    /// throng or the floor, which say where they listen.
    Ours { server: Server, is_floor: bool },
    /// One that says nothing.
    Other { talker: Talker, address: SocketAddr, sample_key: bool },
}

/// Chooses the servers: those that are named, or all that are there. Those that are not are told, in the second list.
pub(super) fn choose(args: &CompareArgs, peers: &Peers) -> anyhow::Result<(Vec<Subject>, Vec<LeftOut>)> {
    let own = [("throng".to_owned(), Kind::Throng), ("floor".to_owned(), Kind::Floor)];
    let others = peers.all.iter().map(|(name, peer)| (name.clone(), Kind::Peer(peer.clone())));
    let all: Vec<Subject> =
        own.into_iter().chain(others).map(|(name, kind)| Subject { name, kind }).collect();
    for name in &args.with {
        ensure!(
            all.iter().any(|subject| subject.name == *name),
            "--with {name}: there is no such server, but {}",
            all.iter().map(|subject| &subject.name[..]).collect::<Vec<_>>().join(", ")
        );
    }
    let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
    let is_named = |subject: &Subject| args.with.contains(&subject.name) || subject.is_given(args);
    for subject in all.into_iter().filter(|subject| args.with.is_empty() || is_named(subject)) {
        match subject.missing(args.server_bin.as_deref())? {
            None => chosen.push(subject),
            Some(reason) => {
                let reason = match subject.remedy(args) {
                    Some(remedy) => format!("{reason}: {remedy}"),
                    None => reason,
                };
                ensure!(!is_named(&subject), "{}: {reason}", subject.name);
                left_out.push(LeftOut { server: subject.name, reason });
            }
        }
    }
    ensure!(!chosen.is_empty(), "there is no server to measure");
    Ok((chosen, left_out))
}

impl Subject {
    /// What is to be known about it beside its figures.
    pub(super) fn note(&self) -> ServerNote {
        let note = |version: Option<&str>, settings: Option<&str>, command: &str| ServerNote {
            server: self.name.clone(),
            version: version.map(str::to_owned),
            settings: settings.map(str::to_owned),
            command: command.to_owned(),
        };
        match &self.kind {
            Kind::Throng => note(
                Some(env!("CARGO_PKG_VERSION")),
                Some("--app echo, the hub for broadcasts, --compression shared where it compresses"),
                "throng serve --workers 1",
            ),
            Kind::Floor => note(
                Some(env!("CARGO_PKG_VERSION")),
                Some("the system calls alone: --mode frames, broadcast or ping"),
                "throng-bench floor-server --workers 1",
            ),
            Kind::Peer(peer) => {
                note(peer.version.as_deref(), peer.settings.as_deref(), &words_without_directory(peer.text()))
            }
        }
    }

    /// Why it cannot be measured for something; `None` where it can.
    pub(super) fn lacks(&self, extra: Extra) -> Option<&'static str> {
        match &self.kind {
            Kind::Throng => None,
            Kind::Floor if extra == Extra::Compression => Some("it does not compress"),
            Kind::Floor => None,
            Kind::Peer(peer) => peer.lacks(extra),
        }
    }

    fn missing(&self, throng: Option<&Path>) -> anyhow::Result<Option<String>> {
        match &self.kind {
            // One that was named must be there, whether throng is named or not.
            Kind::Throng if throng.is_some() => binary(throng).map(|_| None),
            Kind::Throng => Ok(binary(None).err().map(|_| NO_THRONG.to_owned())),
            Kind::Floor => Ok(None),
            Kind::Peer(peer) => peer.missing(),
        }
    }

    fn is_given(&self, args: &CompareArgs) -> bool {
        args.peer.iter().any(|given| given.name == self.name)
    }

    /// What to do about a server that is not there, where that is not said yet.
    fn remedy(&self, args: &CompareArgs) -> Option<String> {
        match &self.kind {
            Kind::Peer(_) if self.is_given(args) => Some("give --peer a command that is there".to_owned()),
            Kind::Peer(peer) => {
                let name = peer.build.as_ref().unwrap_or(&self.name);
                Some(format!("build it with scripts/peers {name}"))
            }
            Kind::Throng | Kind::Floor => None,
        }
    }

    /// Starts it on the server's core and waits until it listens.
    pub(super) fn start(
        &self,
        need: Need,
        throng: Option<&PathBuf>,
        cores: Cores,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Running> {
        let running = match &self.kind {
            Kind::Throng => {
                Running::Ours { server: start_throng(need, throng, cores, interrupt)?, is_floor: false }
            }
            Kind::Floor => Running::Ours { server: start_floor(need, cores, interrupt)?, is_floor: true },
            Kind::Peer(peer) => {
                let address = free_port()?;
                let command = peer.command(address.port(), need.extra)?;
                let talker = Talker::start(&self.name, command, Some(cores), interrupt)?;
                let mut running = Running::Other { talker, address, sample_key: peer.sample_key };
                running.await_listening(interrupt)?;
                running
            }
        };
        cores.check(running.pid())?;
        Ok(running)
    }
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        match self {
            Self::Ours { server, .. } => server.pid(),
            Self::Other { talker, .. } => talker.pid(),
        }
    }

    /// The option for handshakes with the one key that a floor has an answer for.
    pub(super) fn sample_key(&self) -> Option<&'static str> {
        let wanted = match self {
            Self::Ours { is_floor, .. } => *is_floor,
            Self::Other { sample_key, .. } => *sample_key,
        };
        wanted.then_some("--sample-key")
    }

    /// The address to connect to, with a path.
    pub(super) fn url(&self, path: &str) -> String {
        match self {
            Self::Ours { server, .. } => format!("{}{path}", server.url()),
            Self::Other { address, .. } => format!("ws://{address}/{path}"),
        }
    }

    /// An error when it has ended, with the last that it said.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Ours { server, .. } => server.check(),
            Self::Other { talker, .. } => talker.check(),
        }
    }

    fn await_listening(&mut self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            self.check()?;
            ensure!(!interrupt.is_raised(), "interrupted");
            let Self::Other { talker, address, .. } = self else { return Ok(()) };
            if TcpStream::connect_timeout(address, START).is_ok() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let waited = humantime::format_duration(START);
                return Err(talker.explain(&format!("does not listen on {address} within {waited}")));
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn start_throng(
    need: Need,
    program: Option<&PathBuf>,
    cores: Cores,
    interrupt: &Interrupt,
) -> anyhow::Result<Server> {
    let ping_interval = match need.extra {
        Extra::Pings(seconds) => Some(Duration::from_secs(seconds)),
        _ => None,
    };
    let options = Serve {
        program: program.map(PathBuf::as_path),
        app: (need.extra != Extra::Broadcast).then_some("echo"),
        listen: LOOPBACK,
        connections: u64::from(need.connections + SPARE),
        ping_interval,
        // It has one timer for both, so that it pings no more often than it waits for an answer.
        pong_timeout: ping_interval.unwrap_or(START) / 2,
        workers: Some(1),
        compression: if need.extra == Extra::Compression { COMPRESSION } else { "off" },
        cores: Some(cores),
    };
    serve(&options, interrupt)
}

fn start_floor(need: Need, cores: Cores, interrupt: &Interrupt) -> anyhow::Result<Server> {
    let mode = match need.extra {
        Extra::Compression => bail!("the floor does not compress"),
        Extra::Broadcast => "broadcast",
        Extra::Nothing if need.echoes => "frames",
        Extra::Nothing | Extra::Pings(_) => "ping",
    };
    let seconds = if let Extra::Pings(seconds) = need.extra { seconds } else { 3600 };
    let options = [("--ping-interval", format!("{seconds}s"))];
    serve_floor(mode, u64::from(need.connections + SPARE), &options, Some(1), Some(cores), interrupt)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}
