//! What is measured: a server, and the way to publish to it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::args::{BroadcastArgs, Policy};
use super::publisher::{PublishTo, Publisher};
use super::publishing::Pace;
use crate::engine::target::Target;
use crate::measure::interrupt::Interrupt;
use crate::measure::reasons::Reasons;
use crate::servers::running::{Server, binary, serve_floor};

/// Sockets beyond the subscribers that a server has room for.
const SPARE: u32 = 256;

/// What `GET /stats` answers, of whatever counters there are.
#[derive(Debug, Deserialize)]
struct Counters {
    total: Map<String, Value>,
    hub: Map<String, Value>,
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The hub of `throng serve`.
    Throng,
    /// The floor.
    Floor,
    /// One that runs already.
    Given,
}

/// One of the things that are measured by turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) kind: Kind,
    pub(super) policy: Option<Policy>,
    /// Whether there are subscribers that never read.
    pub(super) deaf: bool,
}

impl Variant {
    /// What there is to measure in a round, the references first.
    pub(super) fn all(args: &BroadcastArgs) -> Vec<Self> {
        let plain = |kind| Self { kind, policy: None, deaf: false };
        let mut variants: Vec<Self> = args
            .serve
            .iter()
            .map(|own| match own {
                super::Own::Throng => plain(Kind::Throng),
                super::Own::Floor => plain(Kind::Floor),
            })
            .collect();
        if variants.is_empty() {
            variants.push(plain(Kind::Given));
        }
        if args.deaf.is_some() {
            let kinds: Vec<Kind> =
                variants.iter().map(|variant| variant.kind).filter(|kind| *kind != Kind::Floor).collect();
            let policies: Vec<Option<Policy>> = match &args.policies[..] {
                [] => vec![None],
                some => some.iter().copied().map(Some).collect(),
            };
            for kind in kinds {
                variants.extend(policies.iter().map(|&policy| Self { kind, policy, deaf: true }));
            }
        }
        variants
    }

    /// What it is called in reports.
    pub(super) fn name(&self, args: &BroadcastArgs) -> String {
        let mut name = match self.kind {
            Kind::Throng => "throng".to_owned(),
            Kind::Floor => "floor".to_owned(),
            Kind::Given => {
                let urls = args.client.to.iter().map(|target| format!("ws://{}{}", target.host, target.path));
                urls.collect::<Vec<_>>().join(" ")
            }
        };
        if let Some(policy) = self.policy {
            name = format!("{name}, {}", policy.name());
        }
        if self.deaf { format!("{name}, some deaf") } else { name }
    }
}

/// The process of a server.
enum Process<'a> {
    /// Started for this measurement.
    Own(Server),
    /// Started by somebody who wants it back.
    Lent(&'a mut Server),
    /// One that runs already, of which nothing more is known.
    Given,
}

/// A server that is there.
pub(super) struct Subject<'a> {
    server: Process<'a>,
    publisher: Publisher,
    pub(super) targets: Vec<Target>,
    pub(super) pids: Vec<u32>,
    pub(super) is_throng: bool,
}

impl Process<'_> {
    fn get(&self) -> Option<&Server> {
        match self {
            Self::Own(server) => Some(server),
            Self::Lent(server) => Some(server),
            Self::Given => None,
        }
    }

    fn get_mut(&mut self) -> Option<&mut Server> {
        match self {
            Self::Own(server) => Some(server),
            Self::Lent(server) => Some(server),
            Self::Given => None,
        }
    }
}

impl<'a> Subject<'a> {
    /// Starts the server, or gets ready to use the one that runs.
    pub(super) fn start(
        args: &BroadcastArgs,
        variant: Variant,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let server = match variant.kind {
            Kind::Given => return Self::given(args),
            Kind::Throng => throng(args, variant.policy, interrupt)?,
            Kind::Floor => floor(args, interrupt)?,
        };
        Self::of(args, Process::Own(server))
    }

    /// A server that somebody has started: the hub of throng, or the floor.
    pub(super) fn lent(args: &BroadcastArgs, server: &'a mut Server) -> anyhow::Result<Self> {
        Self::of(args, Process::Lent(server))
    }

    fn of(args: &BroadcastArgs, process: Process<'a>) -> anyhow::Result<Self> {
        let server = process.get().context("a server that was started is there: a bug")?;
        let publisher = match &server.ready().admin {
            Some(admin) => Publisher::to(&PublishTo::Http(format!("http://{admin}")), args.topics)?,
            None => Publisher::Floor,
        };
        let target = format!("{}topics/t-{{n}}", server.url()).parse()?;
        let (pids, is_throng) = (vec![server.pid()], server.ready().admin.is_some());
        Ok(Self { server: process, publisher, targets: vec![target], pids, is_throng })
    }

    fn given(args: &BroadcastArgs) -> anyhow::Result<Self> {
        let Some(place) = &args.publish else { bail!("give --publish, where messages reach the server") };
        Ok(Self {
            server: Process::Given,
            publisher: Publisher::to(place, args.topics)?,
            targets: args.client.to.clone(),
            pids: args.watch.pids.clone(),
            is_throng: false,
        })
    }

    /// Threads with an event loop and whether each has a descriptor table of its own, where the server was started here.
    pub(super) fn shape(&self) -> (Option<usize>, Option<bool>) {
        let ready = self.server.get().map(Server::ready);
        (ready.map(|ready| ready.workers), ready.map(|ready| ready.private_tables))
    }

    pub(super) fn publish(
        &mut self,
        topic: u32,
        messages: &[String],
        refused: &mut Reasons,
    ) -> anyhow::Result<()> {
        self.publisher.publish(self.server.get_mut(), topic, messages, refused)
    }

    /// All that the server counts, if it is throng; what its hub counts has names that begin with `hub.`.
    pub(super) fn counters(&self) -> anyhow::Result<Map<String, Value>> {
        let Some(server) = self.server.get().filter(|_| self.is_throng) else { return Ok(Map::new()) };
        let Counters { mut total, hub } = server.answer()?;
        total.extend(hub.into_iter().map(|(name, value)| (format!("hub.{name}"), value)));
        Ok(total)
    }

    /// Stops the server if it was started here. The error says how it ended when that was not in order.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        match self.server {
            Process::Own(server) => server.stop(),
            Process::Lent(_) | Process::Given => Ok(()),
        }
    }
}

fn throng(args: &BroadcastArgs, policy: Option<Policy>, interrupt: &Interrupt) -> anyhow::Result<Server> {
    let mut command = Command::new(binary(args.server.server_bin.as_deref())?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ping-interval", "off"]);
    command.arg("--max-connections").arg((args.connections + SPARE).to_string());
    // It is read before the server says that it is ready.
    let rules = policy.map(DecoderConfig::write).transpose()?;
    if let Some(rules) = &rules {
        command.arg("--config").arg(&rules.0);
    }
    command.args(&args.options);
    Server::start("throng serve", command, args.server.workers, None, interrupt)
}

/// The floor with as many workers as throng has, where that is measured too.
fn floor(args: &BroadcastArgs, interrupt: &Interrupt) -> anyhow::Result<Server> {
    let mut workers = args.server.workers;
    if workers.is_none() && args.serve.contains(&super::Own::Throng) {
        let model = throng(args, None, interrupt)?;
        workers = Some(model.ready().workers);
        model.stop()?;
    }
    serve_floor("broadcast", u64::from(args.connections + SPARE), &[], workers, None, interrupt)
}

/// A file with rules for topics, which goes with this.
struct DecoderConfig(PathBuf);

impl DecoderConfig {
    fn write(policy: Policy) -> anyhow::Result<Self> {
        let name = format!("throng-bench-{}-{}.toml", std::process::id(), policy.name());
        let path = std::env::temp_dir().join(name);
        let text = format!("[[topics]]\nprefix = \"t-\"\nslow = \"{}\"\n", policy.name());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for DecoderConfig {
    fn drop(&mut self) {
        // What is left in a directory for temporary files does no harm.
        let _ = fs::remove_file(&self.0);
    }
}

/// Refuses what cannot be measured.
pub(super) fn check(args: &BroadcastArgs) -> anyhow::Result<()> {
    ensure!(
        args.topics <= args.connections,
        "--topics is {}: more than subscribers, which is -n",
        args.topics
    );
    ensure!(!args.duration.is_zero(), "--duration must be longer than nothing");
    for time in [args.warm_up, args.duration] {
        Pace::new(args.rate.per_second(), args.in_flight, time)?;
    }
    ensure!(!args.patience.is_zero(), "--patience must be longer than nothing");
    ensure!(!args.client.raw, "--raw has no messages to subscribe to");
    if let Some(share) = args.deaf {
        let least = u64::from(share.every) * u64::from(args.topics);
        ensure!(
            u64::from(args.connections) >= least,
            "--deaf is one in {} subscribers of a topic: give at least -n {least}, or a larger share",
            share.every
        );
        ensure!(
            args.serve.is_empty() || args.serve.contains(&super::Own::Throng),
            "--deaf is about a server's own buffers, and the floor has none to speak of: --serve throng"
        );
    }
    if args.serve.is_empty() {
        ensure!(
            args.server.workers.is_none()
                && args.server.server_bin.is_none()
                && args.policies.is_empty()
                && args.options.is_empty(),
            "--workers, --server-bin, --policies and options behind -- are about the server of --serve, not about one that \
             runs already"
        );
        ensure!(
            args.publish.is_some(),
            "give --publish, where messages reach the server, or --serve for throng"
        );
    }
    Ok(())
}
