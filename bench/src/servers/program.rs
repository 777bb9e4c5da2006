//! Programs that serve: how each is started for what is wanted of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::peers::Peer;
use super::running::Running;
use super::{App, LOOPBACK, Want};
use crate::measure::child::Talker;
use crate::measure::interrupt::Interrupt;

/// What to do about a missing throng.
const HINT: &str = "build it with `cargo build --release --features serve`, or name it with --server-bin";
/// Time between two Pings of a floor that is to send none: the longest that it takes.
const NO_PINGS: Duration = Duration::from_secs(3600);

/// A program that serves.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// `throng serve`: of this file, or of `throng` beside this program.
    Throng(Option<PathBuf>),
    /// `throng-bench floor-server`.
    Floor,
    /// Another one, with its name.
    Peer(String, Box<Peer>),
}

impl Program {
    /// Why it cannot do what is wanted; `None` where it can.
    pub(crate) fn lacks(&self, want: &Want<'_>) -> Option<&'static str> {
        match self {
            Self::Throng(_) => None,
            Self::Floor => want.compresses().then_some("it does not compress"),
            Self::Peer(_, peer) => peer.lacks(want),
        }
    }

    /// What is missing on this machine for it to start. A throng that was named must be there.
    pub(crate) fn missing(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Throng(Some(given)) => binary(Some(given)).map(|_| None),
            Self::Throng(None) => Ok(binary(None).err().map(|error| error.to_string())),
            Self::Floor => Ok(None),
            Self::Peer(_, peer) => peer.missing(),
        }
    }

    /// Starts it and waits until it listens. Call it from the main thread: it dies with the thread that started it.
    pub(crate) fn start(&self, want: &Want<'_>, interrupt: &Interrupt) -> anyhow::Result<Running> {
        let start = |name: &str, command| Talker::start(name, command, want.cores, interrupt);
        match self {
            Self::Throng(given) => {
                Running::told(start("throng serve", throng(given.as_deref(), want)?)?, false)
            }
            Self::Floor => Running::told(start("the floor", floor(want)?)?, true),
            Self::Peer(name, peer) => {
                let address = free_port()?;
                let talker = start(name, peer.command(address.port(), want)?)?;
                Running::awaited(talker, address, peer.sample_key, interrupt)
            }
        }
    }

    /// The workers that it chooses for itself.
    pub(crate) fn own_workers(
        &self,
        want: &Want<'_>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<usize>> {
        let model = self.start(&Want { listen: LOOPBACK, ..*want }, interrupt)?;
        let workers = model.workers();
        model.stop()?;
        Ok(workers)
    }
}

/// throng pings every connection, whether it is idle or not.
fn throng(given: Option<&Path>, want: &Want<'_>) -> anyhow::Result<Command> {
    let mut command = Command::new(binary(given)?);
    command.arg("serve").arg("--listen").arg(want.listen.to_string()).args(["--admin", "127.0.0.1:0"]);
    match want.app {
        App::Hub => {}
        App::Sink => drop(command.args(["--app", "sink"])),
        App::Accept | App::Hold | App::Echo | App::Raw => drop(command.args(["--app", "echo"])),
    }
    command.arg("--max-connections").arg(want.connections.to_string());
    command.args(want.compression.iter().flat_map(|compression| ["--compression", compression]));
    match want.pings {
        None => drop(command.args(["--ping-interval", "off"])),
        Some((interval, timeout)) => {
            command.args(["--ping", "always", "--ping-interval", &time(interval)]);
            command.args(["--pong-timeout", &time(timeout)]);
        }
    }
    Ok(with_workers(command, want.workers, want.options))
}

fn floor(want: &Want<'_>) -> anyhow::Result<Command> {
    let mode = match want.app {
        App::Accept => "accept",
        App::Hold | App::Sink => "ping",
        App::Raw => "echo",
        App::Echo => "frames",
        App::Hub => "broadcast",
    };
    let (interval, _) = want.pings.unwrap_or((NO_PINGS, NO_PINGS));
    let mut command = Command::new(std::env::current_exe().context("cannot find this program's file")?);
    command.args(["floor-server", "--mode", mode, "--listen", &want.listen.to_string()]);
    command.args(["--connections", &want.connections.to_string(), "--ping-interval", &time(interval)]);
    Ok(with_workers(command, want.workers, &[]))
}

fn with_workers(mut command: Command, workers: Option<usize>, options: &[String]) -> Command {
    if let Some(workers) = workers {
        command.arg("--workers").arg(workers.to_string());
    }
    command.args(options);
    command
}

/// As options take it.
fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// The program of throng: the one given, or `throng` beside this program.
fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        ensure!(path.is_file(), "there is no server at {}: {HINT}", path.display());
        return Ok(path.to_owned());
    }
    let path = std::env::current_exe().context("cannot find this program's file")?.with_file_name("throng");
    // Without its place: that says nothing to those who read a report.
    ensure!(path.is_file(), "there is no throng beside this program: {HINT}");
    Ok(path)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_told_with_the_way_out() {
        let error = binary(Some(Path::new("/nowhere/throng"))).unwrap_err().to_string();
        assert!(error.contains("--server-bin"), "{error}");
    }

    #[test]
    fn each_is_started_for_what_is_wanted_of_it() {
        let words = |command: Command| {
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let options = ["--config".to_owned(), "rules".to_owned()];
        let seconds = Duration::from_secs;
        let hub = Want { compression: None, options: &options, ..Want::of(App::Hub, 5) };
        let held = Want { pings: Some((seconds(2), seconds(1))), workers: Some(3), ..Want::of(App::Hold, 5) };
        let this = std::env::current_exe().unwrap();
        assert_eq!(
            words(throng(Some(&this), &hub).unwrap()),
            "serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --max-connections 5 --ping-interval off --config rules"
        );
        assert_eq!(
            words(throng(Some(&this), &held).unwrap()),
            "serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --app echo --max-connections 5 --compression off \
             --ping always --ping-interval 2s --pong-timeout 1s --workers 3"
        );
        assert_eq!(
            words(floor(&held).unwrap()),
            "floor-server --mode ping --listen 127.0.0.1:0 --connections 5 --ping-interval 2s --workers 3"
        );
    }
}
