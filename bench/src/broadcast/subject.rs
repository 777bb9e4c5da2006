//! What is measured: a server, and the way to publish to it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::args::{BroadcastArgs, Own, Policy};
use super::pace::Pace;
use super::publisher::{PublishTo, Publisher};
use crate::engine::target::Target;
use crate::measure::interrupt::Interrupt;
use crate::measure::reasons::Reasons;
use crate::servers::program::Program;
use crate::servers::running::Running;
use crate::servers::{App, Want};

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
                Own::Throng => plain(Kind::Throng),
                Own::Floor => plain(Kind::Floor),
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

/// A server that is there.
pub(super) struct Subject<'a> {
    /// The server, if it was started for this measurement.
    own: Option<Box<Running>>,
    /// Or by somebody who wants it back.
    lent: Option<&'a mut Running>,
    publisher: Publisher,
    pub(super) targets: Vec<Target>,
    pub(super) pids: Vec<u32>,
    pub(super) is_throng: bool,
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
        let subject = Self::of(args, &server)?;
        Ok(Self { own: Some(Box::new(server)), ..subject })
    }

    /// A server that somebody has started: the hub of throng, or the floor.
    pub(super) fn lent(args: &BroadcastArgs, server: &'a mut Running) -> anyhow::Result<Self> {
        let subject = Self::of(args, server)?;
        Ok(Self { lent: Some(server), ..subject })
    }

    fn of(args: &BroadcastArgs, server: &Running) -> anyhow::Result<Self> {
        let publisher = match server.admin() {
            Some(admin) => Publisher::to(&PublishTo::Http(format!("http://{admin}")), args.topics)?,
            None => Publisher::Floor,
        };
        Ok(Self {
            own: None,
            lent: None,
            publisher,
            targets: vec![server.url("topics/t-{n}").parse()?],
            pids: vec![server.pid()],
            is_throng: server.admin().is_some(),
        })
    }

    fn given(args: &BroadcastArgs) -> anyhow::Result<Self> {
        let Some(place) = &args.publish else { bail!("give --publish, where messages reach the server") };
        Ok(Self {
            own: None,
            lent: None,
            publisher: Publisher::to(place, args.topics)?,
            targets: args.client.to.clone(),
            pids: args.watch.pids.clone(),
            is_throng: false,
        })
    }

    fn server(&self) -> Option<&Running> {
        self.own.as_deref().or(self.lent.as_deref())
    }

    /// Threads with an event loop and whether each has a descriptor table of its own, where the server was started here.
    pub(super) fn shape(&self) -> (Option<usize>, Option<bool>) {
        (self.server().and_then(Running::workers), self.server().and_then(Running::private_tables))
    }

    pub(super) fn publish(
        &mut self,
        topic: u32,
        messages: &[String],
        refused: &mut Reasons,
    ) -> anyhow::Result<()> {
        let server = self.own.as_deref_mut().or(self.lent.as_deref_mut());
        self.publisher.publish(server, topic, messages, refused)
    }

    /// All that the server counts, if it is throng; what its hub counts has names that begin with `hub.`.
    pub(super) fn counters(&self) -> anyhow::Result<Map<String, Value>> {
        let Some(server) = self.server().filter(|_| self.is_throng) else { return Ok(Map::new()) };
        let Counters { mut total, hub } = server.answer()?;
        total.extend(hub.into_iter().map(|(name, value)| (format!("hub.{name}"), value)));
        Ok(total)
    }

    /// Stops the server if it was started here. The error says how it ended when that was not in order.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.own.map_or(Ok(()), |server| server.stop())
    }
}

fn throng(args: &BroadcastArgs, policy: Option<Policy>, interrupt: &Interrupt) -> anyhow::Result<Running> {
    // It is read before the server says that it is ready.
    let rules = policy.map(TopicRules::write).transpose()?;
    let config = rules.iter().flat_map(|rules| ["--config".to_owned(), rules.0.display().to_string()]);
    let options: Vec<String> = config.chain(args.options.iter().cloned()).collect();
    program(args).start(&Want { options: &options, ..want(args) }, interrupt)
}

/// The floor with as many workers as throng has, where that is measured too.
fn floor(args: &BroadcastArgs, interrupt: &Interrupt) -> anyhow::Result<Running> {
    let mut want = want(args);
    if want.workers.is_none() && args.serve.contains(&Own::Throng) {
        want.workers = program(args).own_workers(&want, interrupt)?;
    }
    Program::Floor.start(&want, interrupt)
}

fn program(args: &BroadcastArgs) -> Program {
    Program::Throng(args.server.server_bin.clone())
}

fn want(args: &BroadcastArgs) -> Want<'_> {
    Want {
        compression: None,
        workers: args.server.workers,
        options: &args.options,
        ..Want::of(App::Hub, u64::from(args.connections + SPARE))
    }
}

/// A file with rules for topics, which goes with this.
struct TopicRules(PathBuf);

impl TopicRules {
    fn write(policy: Policy) -> anyhow::Result<Self> {
        let name = format!("throng-bench-{}-{}.toml", std::process::id(), policy.name());
        let path = std::env::temp_dir().join(name);
        let text = format!("[[topics]]\nprefix = \"t-\"\nslow = \"{}\"\n", policy.name());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TopicRules {
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
            args.serve.is_empty() || args.serve.contains(&Own::Throng),
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
