//! Other servers: how they are started, as a file and the command line say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::{App, Want};

/// Where the file is looked for, upwards from the working directory and from this program.
const PLACE: &str = "bench/peers/peers.toml";
/// Names that are taken.
const OURS: [&str; 2] = ["throng", "floor"];
/// What stands for the file's directory in a command.
const DIR: &str = "{dir}";
/// What stands for the port that a server is to listen on.
const PORT: &str = "{port}";
/// What stands for a ping interval.
const SECONDS: &str = "{seconds}";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeersFile {
    #[serde(default)]
    peers: BTreeMap<String, Peer>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// How it is started, words told apart as a shell does.
    command: String,
    /// What it is.
    pub(crate) version: Option<String>,
    /// How it was built and set up.
    pub(crate) settings: Option<String>,
    /// What is added to the command so that it compresses; `None` where it cannot.
    compression: Option<String>,
    /// What is added so that it sends Pings.
    pings: Option<String>,
    /// What scripts/peers calls it, where that is another name.
    pub(crate) build: Option<String>,
    /// Whether connections on /feed get what connections on /publish send.
    #[serde(default)]
    pub(crate) broadcast: bool,
    /// Whether its answer to a handshake is written in advance, for the key of RFC 6455, section 1.3: a floor of another's making.
    #[serde(default)]
    pub(crate) sample_key: bool,
    /// What stands for `{dir}`.
    #[serde(skip)]
    directory: PathBuf,
}

/// A server of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// What it is called.
    pub(crate) name: String,
    command: String,
}

/// Where servers were read from, and which.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// `None` where there is no file.
    pub(crate) file: Option<PathBuf>,
    /// By name, those of the file first.
    pub(crate) all: Vec<(String, Peer)>,
}

impl Peers {
    /// Reads the file and adds the servers of the command line.
    pub(crate) fn read(file: Option<&Path>, given: &[Given]) -> anyhow::Result<Self> {
        let file = file.map_or_else(find, |file| Some(file.to_owned()));
        let mut all = Vec::new();
        if let Some(file) = &file {
            all.extend(read(file).with_context(|| format!("cannot take servers from {}", file.display()))?);
        }
        for Given { name, command } in given {
            let peer = Peer::given(command);
            peer.words(0, &PLAIN).with_context(|| format!("--peer {name}"))?;
            all.push((name.clone(), peer));
        }
        for (at, (name, _)) in all.iter().enumerate() {
            check_name(name)?;
            let is_new = all[..at].iter().all(|(other, _)| other != name);
            ensure!(is_new, "there are two servers called {name}: give --peer another name");
        }
        Ok(Self { file, all })
    }
}

/// The nearest file upwards from the working directory, or else from this program.
fn find() -> Option<PathBuf> {
    let starts = [std::env::current_dir(), std::env::current_exe()];
    let starts: Vec<PathBuf> = starts.into_iter().flatten().collect();
    let mut places = starts.iter().flat_map(|start| start.ancestors()).map(|above| above.join(PLACE));
    places.find(|place| place.is_file())
}

fn read(file: &Path) -> anyhow::Result<BTreeMap<String, Peer>> {
    let text = fs::read_to_string(file)?;
    let mut peers = toml::from_str::<PeersFile>(&text)?.peers;
    let directory = std::path::absolute(file)?;
    let directory = directory.parent().context("it has no directory")?;
    for (name, peer) in &mut peers {
        peer.directory = directory.to_owned();
        for want in [PLAIN, COMPRESSED, pinged(1)] {
            peer.words(0, &want).with_context(|| name.clone())?;
        }
    }
    Ok(peers)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
    ensure!(
        is_plain && !name.is_empty(),
        "`{name}` is no name of a server: use letters, digits, and any of - _ . +"
    );
    ensure!(!OURS.contains(&name), "{name} is a server of this program: give the other one another name");
    Ok(())
}

impl FromStr for Given {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, command) =
            text.split_once('=').with_context(|| format!("`{text}`: write 'NAME=COMMAND --port {PORT}'"))?;
        check_name(name)?;
        ensure!(
            command.contains(PORT),
            "`{text}` has no {PORT} in it, which tells the server where to listen"
        );
        Ok(Self { name: name.to_owned(), command: command.to_owned() })
    }
}

impl Peer {
    fn given(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            version: None,
            settings: None,
            compression: None,
            pings: None,
            build: None,
            broadcast: false,
            sample_key: false,
            directory: PathBuf::from("."),
        }
    }

    /// Why it cannot do something; `None` where it can.
    pub(super) fn lacks(&self, want: &Want<'_>) -> Option<&'static str> {
        if want.compresses() && self.compression.is_none() {
            return Some("it does not compress");
        }
        if want.pings.is_some() && self.pings.is_none() {
            return Some("it sends no Pings");
        }
        (want.app == App::Hub && !self.broadcast).then_some("it does not send to many")
    }

    /// The command that starts it. What it says stands for itself: no shell is asked.
    pub(super) fn command(&self, port: u16, want: &Want<'_>) -> anyhow::Result<Command> {
        let words = self.words(port, want)?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Ok(command)
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.command
    }

    /// What is missing on this machine for it to start: its program, or a file beside its configuration.
    pub(super) fn missing(&self) -> anyhow::Result<Option<String>> {
        let words = self.words(0, &PLAIN)?;
        let raw = split(&self.command)?;
        let mut files = words.iter().zip(&raw).filter(|(_, raw)| raw.starts_with(DIR));
        // As it is written: where things lie on a machine says nothing to those who read the report.
        if let Some((_, raw)) = files.find(|(word, _)| !Path::new(word).exists()) {
            return Ok(Some(format!("there is no {raw}")));
        }
        let program = Path::new(&words[0]);
        let is_there = if words[0].contains('/') {
            program.is_file()
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
        };
        Ok((!is_there).then(|| format!("there is no program {}", program.display())))
    }

    /// The words of its command, at least one.
    fn words(&self, port: u16, want: &Want<'_>) -> anyhow::Result<Vec<String>> {
        let compression = self.compression.as_deref().filter(|_| want.compresses());
        let pings = self.pings.as_deref().filter(|_| want.pings.is_some());
        let mut words = split(&self.command)?;
        ensure!(!words.is_empty(), "there is no command");
        ensure!(
            words.iter().any(|word| word.contains(PORT)),
            "`{}` has no {PORT} in it, which tells the server where to listen",
            self.command
        );
        for added in [compression, pings] {
            words.extend(split(added.unwrap_or_default())?);
        }
        let (directory, port) = (self.directory.to_string_lossy(), port.to_string());
        let seconds = want.pings.map_or_else(String::new, |(interval, _)| interval.as_secs().to_string());
        // After they have been told apart: a directory with a blank in its name is still one word.
        let fill =
            |word: String| word.replace(DIR, &directory).replace(PORT, &port).replace(SECONDS, &seconds);
        Ok(words.into_iter().map(fill).collect())
    }
}

const PLAIN: Want<'static> = Want::of(App::Echo, 0);
const COMPRESSED: Want<'static> = Want { compression: Some("shared"), ..PLAIN };

const fn pinged(seconds: u64) -> Want<'static> {
    let interval = Duration::from_secs(seconds);
    Want { pings: Some((interval, interval)), ..PLAIN }
}

fn split(command: &str) -> anyhow::Result<Vec<String>> {
    match shlex::split(command) {
        Some(words) => Ok(words),
        None => bail!("`{command}` has a quote that does not end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("throng bench peers {name} {}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("peers.toml");
        fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn servers_are_read_from_a_file_and_the_command_line() {
        let text = "[peers]\n\
            one = { command = \"{dir}/one --port {port} 'two words'\", version = \"1.0\", settings = \"fast\", \
            compression = \"--deflate\", pings = \"--every {seconds}s\", broadcast = true }\n\
            two = { command = \"cat {dir}/peers.toml {port}\" }\n";
        let file = file("read", text);
        let given = "three=nowhere-at-all {port}".parse().unwrap();
        let peers = Peers::read(Some(&file), &[given]).unwrap();
        let names: Vec<&str> = peers.all.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["one", "two", "three"]);
        let [(_, one), (_, two), (_, three)] = &peers.all[..] else { unreachable!() };
        let directory = file.parent().unwrap().display().to_string();
        let expected = [&format!("{directory}/one")[..], "--port", "77", "two words", "--every", "5s"];
        assert_eq!(one.words(77, &pinged(5)).unwrap(), expected);
        assert_eq!(one.words(77, &COMPRESSED).unwrap()[4..], ["--deflate"]);
        for want in [PLAIN, COMPRESSED, pinged(5), Want::of(App::Hub, 0)] {
            assert_eq!(one.lacks(&want), None);
            let is_plain = want.app == App::Echo && !want.compresses() && want.pings.is_none();
            assert_eq!(two.lacks(&want).is_none(), is_plain, "{want:?}");
        }
        assert_eq!(one.missing().unwrap().unwrap(), "there is no {dir}/one");
        assert_eq!(two.missing().unwrap(), None);
        assert!(three.missing().unwrap().unwrap().contains("nowhere-at-all"));
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_a_file_says_wrong_is_told_with_its_place() {
        for (name, text, hint) in [
            ("typo", "[peers]\none = { comand = \"x {port}\" }\n", "comand"),
            ("port", "[peers]\none = { command = \"x\" }\n", "one"),
            ("quote", "[peers]\none = { command = \"x '{port}\" }\n", "quote"),
            ("empty", "[peers]\none = { command = \"\" }\n", "no command"),
            ("ours", "[peers]\nthrong = { command = \"x {port}\" }\n", "throng"),
            ("name", "[peers]\n\"a b\" = { command = \"x {port}\" }\n", "a b"),
            ("no toml", "peers", "line 1"),
        ] {
            let file = file(name, text);
            let error = format!("{:#}", Peers::read(Some(&file), &[]).unwrap_err());
            fs::remove_dir_all(file.parent().unwrap()).unwrap();
            assert!(error.contains(hint), "{name}: {error}");
        }
        let error = format!("{:#}", Peers::read(Some(Path::new("/nowhere/peers.toml")), &[]).unwrap_err());
        assert!(error.contains("/nowhere/peers.toml"), "{error}");
    }

    #[test]
    fn a_server_of_the_command_line_has_a_name_and_a_port() {
        for (text, hint) in [
            ("x {port}", "NAME=COMMAND"),
            ("=x {port}", "no name"),
            ("x=y", "{port}"),
            ("floor=x {port}", "floor"),
        ] {
            let error = text.parse::<Given>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
        let given: Given = "x=y --listen=127.0.0.1:{port}".parse().unwrap();
        assert_eq!((&given.name[..], &given.command[..]), ("x", "y --listen=127.0.0.1:{port}"));
        let twice = Peers::read(None, &[given.clone(), given]).unwrap_err().to_string();
        assert!(twice.contains("two servers"), "{twice}");
    }
}
