//! The servers that take turns.

use anyhow::ensure;

use super::args::CompareArgs;
use super::report::{LeftOut, ServerNote};
use crate::measure::environment::words_without_directory;
use crate::servers::peers::Peers;
use crate::servers::program::Program;

/// One of the servers.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) program: Program,
}

/// Chooses the servers: those that are named, or all that are there. Those that are not are told, in the second list.
pub(super) fn choose(args: &CompareArgs, peers: &Peers) -> anyhow::Result<(Vec<Subject>, Vec<LeftOut>)> {
    let own = [("throng", Program::Throng(args.server_bin.clone())), ("floor", Program::Floor)];
    let own = own.map(|(name, program)| Subject { name: name.to_owned(), program });
    let others = peers.all.iter().map(|(name, peer)| Subject {
        name: name.clone(),
        program: Program::Peer(name.clone(), Box::new(peer.clone())),
    });
    let all: Vec<Subject> = own.into_iter().chain(others).collect();
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
        match subject.program.missing()? {
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
        match &self.program {
            Program::Throng(_) => note(
                Some(env!("CARGO_PKG_VERSION")),
                Some("--app echo, the hub for broadcasts, --compression shared where it compresses"),
                "throng serve --workers 1",
            ),
            Program::Floor => note(
                Some(env!("CARGO_PKG_VERSION")),
                Some("the system calls alone: --mode frames, broadcast or ping"),
                "throng-bench floor-server --workers 1",
            ),
            Program::Peer(_, peer) => {
                note(peer.version.as_deref(), peer.settings.as_deref(), &words_without_directory(peer.text()))
            }
        }
    }

    fn is_given(&self, args: &CompareArgs) -> bool {
        args.peer.iter().any(|given| given.name == self.name)
    }

    /// What to do about a server that is not there, where that is not said yet.
    fn remedy(&self, args: &CompareArgs) -> Option<String> {
        match &self.program {
            Program::Peer(..) if self.is_given(args) => {
                Some("give --peer a command that is there".to_owned())
            }
            Program::Peer(name, peer) => {
                let name = peer.build.as_ref().unwrap_or(name);
                Some(format!("build it with scripts/peers {name}"))
            }
            Program::Throng(_) | Program::Floor => None,
        }
    }
}
