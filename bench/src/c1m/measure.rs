//! One server measured from its start to its end.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::C1mArgs;
use super::child::Talker;
use super::kernel::KernelMemory;
use super::report::{After, BothSides, Hold, Measurement, RampCpu};
use super::server::Server;
use crate::hold::HoldReport;
use crate::hold::control::{Command as Order, Event};
use crate::interrupt::Interrupt;
use crate::linux::memory::free_bytes;
use crate::linux::process::{cpu_nanos, machine_cpu_nanos, user_bytes};
use crate::linux::slab::Slabs;
use crate::percentiles::Percentiles;
use crate::progress::Bars;
use crate::swarm::Counts;

/// The client reports several times a second; silence for so long means that it hangs.
const SILENCE: Duration = Duration::from_secs(60);
/// A ramp without a single connection for so long has come to a halt.
const STANDSTILL: Duration = Duration::from_secs(60);
/// How long both sides' counts may take to agree, and kernel memory to settle: it is freed after grace periods.
const SETTLE: Duration = Duration::from_secs(20);
/// How often settling is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Throng,
    Floor,
}

/// What measurements have in common.
pub(super) struct Session<'a> {
    pub(super) args: &'a C1mArgs,
    pub(super) interrupt: &'a Interrupt,
    pub(super) bars: Bars,
}

/// Memory at one moment.
struct Snapshot {
    slabs: Option<Slabs>,
    free: u64,
    server: u64,
    client: u64,
}

/// A server, its clients and what is known so far.
struct Run<'a> {
    session: &'a Session<'a>,
    kind: Kind,
    server: Server,
    client: Talker,
    report: Measurement,
    problems: Vec<String>,
}

impl Session<'_> {
    /// Measures throng.
    pub(super) fn measure_throng(&self) -> anyhow::Result<Measurement> {
        // What an earlier run left in the kernel goes back first.
        self.settled_slabs()?;
        self.measure(Kind::Throng, Server::throng(self.args, self.interrupt)?)
    }

    /// Measures the floor, in the shape that throng chooses for itself: the same number of workers.
    pub(super) fn measure_floor(&self) -> anyhow::Result<Measurement> {
        let model = Server::throng(self.args, self.interrupt)?;
        let workers = model.ready().workers;
        model.stop()?;
        self.settled_slabs()?;
        self.measure(Kind::Floor, Server::floor(self.args, workers, self.interrupt)?)
    }

    fn measure(&self, kind: Kind, server: Server) -> anyhow::Result<Measurement> {
        let client = Talker::start("the client", self.client_command(kind, &server.url())?, self.interrupt)?;
        let report = Measurement {
            server: if kind == Kind::Throng { "throng" } else { "floor" },
            connections: u64::from(self.args.connections),
            server_workers: server.ready().workers,
            private_tables: server.ready().private_tables,
            seed: self.args.seed,
            ..Measurement::default()
        };
        Run { session: self, kind, server, client, report, problems: Vec::new() }.measure()
    }

    fn client_command(&self, kind: Kind, url: &str) -> anyhow::Result<Command> {
        let timeout = humantime::format_duration(self.args.timeout).to_string();
        let mut command = Command::new(std::env::current_exe().context("cannot find this program's file")?);
        command.args(["hold", "--controlled", "--to", url, "-n"]).arg(self.args.connections.to_string());
        command.arg("--seed").arg(self.args.seed.to_string());
        if let Some(rate) = self.args.rate.per_second() {
            command.arg("--rate").arg(rate.to_string());
        }
        for option in ["--connect-timeout", "--handshake-timeout", "--close-timeout"] {
            command.args([option, &timeout]);
        }
        if kind == Kind::Floor {
            command.arg("--raw");
        }
        Ok(command)
    }

    /// The slab caches once they shrink no more, or the last look at them after [`SETTLE`]. `None` where they cannot be read.
    fn settled_slabs(&self) -> anyhow::Result<Option<Slabs>> {
        let deadline = Instant::now() + SETTLE;
        let Ok(mut slabs) = Slabs::read() else { return Ok(None) };
        loop {
            self.sleep(LOOK)?;
            let later = Slabs::read()?;
            let shrunk = slabs.bytes().saturating_sub(later.bytes());
            if shrunk < slabs.bytes() / 1000 || Instant::now() >= deadline {
                return Ok(Some(later));
            }
            slabs = later;
        }
    }

    fn sleep(&self, time: Duration) -> anyhow::Result<()> {
        ensure!(!self.interrupt.is_raised(), "interrupted");
        std::thread::sleep(time);
        Ok(())
    }
}

impl Run<'_> {
    fn measure(mut self) -> anyhow::Result<Measurement> {
        match self.client.hear(SILENCE)? {
            Event::Ready { threads, .. } => self.report.client_threads = threads,
            other => bail!("the client began with {other:?}"),
        }
        let zero = self.snapshot()?;
        self.ramp()?;
        let ramped = self.snapshot()?;
        self.report.kernel = self.kernel_between(&zero, &ramped);
        self.report.warnings.extend(self.foreign_sockets(&zero, &ramped));
        self.note_memory(&zero, &ramped);
        if self.kind == Kind::Throng && self.report.open_after_ramp.client > 0 {
            self.hold()?;
            let held = self.snapshot()?;
            self.note_memory(&zero, &held);
        }
        let closed = self.close()?;
        self.after(&zero)?;
        self.judge(&closed);
        if let Err(error) = self.server.stop() {
            self.problems.push(format!("{error:#}"));
        }
        self.report.problems = self.problems;
        Ok(self.report)
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot {
            slabs: Slabs::read().ok(),
            free: free_bytes()?,
            server: user_bytes(self.server.pid())?,
            client: user_bytes(self.client.pid())?,
        })
    }

    fn ramp(&mut self) -> anyhow::Result<()> {
        let title = if self.kind == Kind::Throng { "throng" } else { "floor" };
        let bar = self.session.bars.counting(title, self.report.connections);
        let before = self.cpu()?;
        self.client.say(Order::Open.line())?;
        let (mut settled, mut since) = (0, Instant::now());
        let opening = loop {
            match self.client.hear(SILENCE)? {
                Event::Progress(counts) => {
                    bar.set_position(counts.opened);
                    bar.set_message(format!("{} failed", counts.failed));
                    if counts.opened + counts.failed > settled {
                        (settled, since) = (counts.opened + counts.failed, Instant::now());
                    }
                    let halted = since.elapsed() >= STANDSTILL;
                    ensure!(!halted, "the ramp has come to a halt after {settled} connections");
                }
                Event::Opened(opening) => break opening,
                other => bail!("the client said {other:?} while connecting"),
            }
        };
        let after = self.cpu()?;
        bar.finish_and_clear();
        self.note_ramp_cpu(before, after);
        self.report.opened = opening.opened;
        self.report.failed = opening.failed;
        self.report.ramp_seconds = opening.ramp_seconds;
        self.report.connections_per_second = opening.connections_per_second;
        self.report.handshake_us = opening.latency_us;
        self.report.open_after_ramp = self.agree("after the ramp")?;
        Ok(())
    }

    /// Processor time in nanoseconds so far: the server's, the client's and the whole machine's.
    fn cpu(&self) -> anyhow::Result<[u64; 3]> {
        Ok([cpu_nanos(self.server.pid())?, cpu_nanos(self.client.pid())?, machine_cpu_nanos()?])
    }

    /// Notes where the ramp's processor time went, and tells when others took much: its time is not ours alone then.
    fn note_ramp_cpu(&mut self, before: [u64; 3], after: [u64; 3]) {
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds are far below 2^52")]
        let seconds = |at: usize| after[at].saturating_sub(before[at]) as f64 / 1e9;
        let (server_seconds, client_seconds) = (seconds(0), seconds(1));
        let others_seconds = (seconds(2) - server_seconds - client_seconds).max(0.0);
        self.report.ramp_cpu = RampCpu { server_seconds, client_seconds, others_seconds };
        if others_seconds > 1.0 + 0.1 * (server_seconds + client_seconds) {
            self.report.warnings.push(format!(
                "other programs took {others_seconds:.1} s of processor time in the ramp: it was slower for that"
            ));
        }
    }

    /// The counts of both sides once they agree, or when they had time enough to.
    fn agree(&mut self, when: &str) -> anyhow::Result<BothSides> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let both = BothSides { client: self.progress()?.open, server: self.server.open()? };
            if both.client == both.server {
                return Ok(both);
            }
            if Instant::now() >= deadline {
                let BothSides { client, server } = both;
                self.problems.push(format!(
                    "{when} the client counts {client} open connections and the server {server}"
                ));
                return Ok(both);
            }
        }
    }

    /// The client's counts as they are now: what it has said before is skipped.
    fn progress(&mut self) -> anyhow::Result<Counts> {
        let mut latest = None;
        loop {
            // What is there already may be old; the next to come is not.
            let patience = if latest.is_none() { SILENCE } else { Duration::ZERO };
            match self.client.try_hear(patience)? {
                Some(Event::Progress(counts)) => latest = Some(counts),
                Some(other) => bail!("the client said {other:?} while holding"),
                None => match latest {
                    Some(counts) => return Ok(counts),
                    None => return Err(self.client.explain("has said nothing for too long")),
                },
            }
        }
    }

    /// Holds until every connection has answered its pings, or had time enough to.
    fn hold(&mut self) -> anyhow::Result<()> {
        let (cycles, interval) = (self.session.args.cycles, self.session.args.ping_interval);
        let planned = interval * cycles;
        let bar = self.session.bars.waiting("hold", planned);
        let before = self.server.stats()?;
        let (start, cpu_before) = (Instant::now(), cpu_nanos(self.server.pid())?);
        let deadline = start + planned + planned / 2 + self.session.args.pong_timeout + SETTLE;
        let counts = loop {
            let counts = self.progress()?;
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
            bar.set_message(format!("{} lost, {} pings answered", counts.lost, counts.pings_answered));
            let answered = counts.min_pings >= u64::from(cycles);
            if (answered && start.elapsed() >= planned) || counts.open == 0 || Instant::now() >= deadline {
                break counts;
            }
        };
        let cpu = cpu_nanos(self.server.pid())?.saturating_sub(cpu_before);
        let seconds = start.elapsed().as_secs_f64();
        let after = self.server.stats()?;
        bar.finish_and_clear();
        if seconds > planned.as_secs_f64() * 1.1 {
            let planned = humantime::format_duration(planned);
            self.report
                .warnings
                .push(format!("{cycles} ping cycles took {seconds:.1} s instead of {planned}"));
        }
        let pings_sent = after.pings_sent - before.pings_sent;
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds and pings are far below 2^52")]
        let (cpu, pings) = (cpu as f64, pings_sent as f64);
        self.report.hold = Some(Hold {
            seconds,
            cycles,
            ping_interval_seconds: interval.as_secs_f64(),
            pings_sent,
            pongs_received: after.pongs_received - before.pongs_received,
            pong_timeouts: after.pong_timeouts,
            min_pings_per_connection: counts.min_pings,
            ping_rtt_us: Percentiles::of_buckets(&after.ping_rtt_us, &before.ping_rtt_us),
            server_cpu_cores: cpu / 1e9 / seconds,
            cpu_us_per_ping_cycle: if pings > 0.0 { cpu / 1e3 / pings } else { 0.0 },
        });
        self.report.open_after_hold = self.agree("after the hold")?;
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<HoldReport> {
        let bar = self.session.bars.counting("close", self.report.opened);
        self.client.say(Order::Close.line())?;
        let report = loop {
            match self.client.hear(SILENCE)? {
                Event::Progress(counts) => bar.set_position(counts.closed),
                Event::Closed(report) => break *report,
                other => bail!("the client said {other:?} while closing"),
            }
        };
        bar.finish_and_clear();
        // It has judged itself by its exit code; the report says more.
        self.client.finish(SETTLE)?;
        self.report.lost = report.outcome.lost.clone();
        self.report.unclean = report.outcome.unclean.clone();
        self.report.closed = report.outcome.closed;
        self.report.close_seconds = report.outcome.close_seconds;
        Ok(report)
    }

    /// What is left when all have gone.
    fn after(&mut self, zero: &Snapshot) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut server_open = self.server.open()?;
        while server_open > 0 && start.elapsed() < SETTLE {
            self.session.sleep(LOOK)?;
            server_open = self.server.open()?;
        }
        let slabs = self.session.settled_slabs()?;
        let both = zero.slabs.as_ref().zip(slabs.as_ref());
        let sockets =
            |(zero, now): (&Slabs, &Slabs)| Some((zero.0.get("TCP")?.objects, now.0.get("TCP")?.objects));
        if let Some((before, now)) = both.and_then(sockets)
            && now + 1_000 < before
        {
            let gone = before - now;
            self.report
                .warnings
                .push(format!("other programs closed {gone} sockets: what is left afterwards is too low"));
        }
        let time_wait = |(zero, now): (&Slabs, &Slabs)| {
            now.time_wait_bytes().cast_signed() - zero.time_wait_bytes().cast_signed()
        };
        let left = |(zero, now): (&Slabs, &Slabs)| {
            KernelMemory::between(zero, now, self.report.connections).total_bytes - time_wait((zero, now))
        };
        self.report.after = After {
            server_open,
            server_user: user_bytes(self.server.pid())?,
            kernel_left: both.map(left),
            time_wait: both.map(time_wait),
            settled_seconds: start.elapsed().as_secs_f64(),
        };
        Ok(())
    }

    fn kernel_between(&self, zero: &Snapshot, now: &Snapshot) -> Option<KernelMemory> {
        let (zero, now) = zero.slabs.as_ref().zip(now.slabs.as_ref())?;
        Some(KernelMemory::between(zero, now, self.report.open_after_ramp.server))
    }

    /// Sockets that other programs opened or closed meanwhile make the kernel's figures theirs too.
    fn foreign_sockets(&self, zero: &Snapshot, now: &Snapshot) -> Option<String> {
        let sockets = |of: &Snapshot| {
            let cache = of.slabs.as_ref()?.0.get("TCP")?;
            i64::try_from(cache.objects).ok()
        };
        let both = self.report.open_after_ramp;
        let foreign =
            (sockets(now)? - sockets(zero)?).abs_diff(i64::try_from(both.client + both.server).ok()?);
        // Processors keep some free objects at hand, which count as in use.
        (foreign > 1_000 + both.client / 50).then(|| {
            format!("other programs' sockets changed by {foreign}: the kernel memory below is not the connections' alone")
        })
    }

    /// Notes user memory, of several looks the largest.
    fn note_memory(&mut self, zero: &Snapshot, now: &Snapshot) {
        #[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
        let per_connection = |more: u64, less: u64| {
            (more as f64 - less as f64) / self.report.open_after_ramp.server.max(1) as f64
        };
        let mut user = self.report.user;
        user.server_at_zero = zero.server;
        user.server_at_n = user.server_at_n.max(now.server);
        user.server_bytes_per_connection = per_connection(user.server_at_n, zero.server);
        user.client_at_zero = zero.client;
        user.client_at_n = user.client_at_n.max(now.client);
        user.client_bytes_per_connection = per_connection(user.client_at_n, zero.client);
        self.report.machine_bytes_per_connection = per_connection(zero.free, now.free);
        self.report.user = user;
    }

    fn judge(&mut self, closed: &HoldReport) {
        let n = self.report.connections;
        let mut problem = |is_one: bool, text: String| {
            if is_one {
                self.problems.push(text);
            }
        };
        let sum = |reasons: &crate::swarm::Reasons| reasons.values().sum::<u64>();
        problem(
            self.report.opened < n,
            format!("{} of {n} connections did not open", n - self.report.opened),
        );
        problem(
            sum(&closed.outcome.lost) > 0,
            format!("{} connections were lost", sum(&closed.outcome.lost)),
        );
        let unclean = sum(&closed.outcome.unclean);
        problem(unclean > 0, format!("{unclean} connections were not closed in order"));
        let left = self.report.after.server_open;
        problem(left > 0, format!("the server counts {left} open connections after all have left"));
        if let Some(hold) = &self.report.hold {
            let (min, cycles) = (hold.min_pings_per_connection, u64::from(hold.cycles));
            problem(min < cycles, format!("a connection answered {min} pings in {cycles} cycles"));
            let timeouts = hold.pong_timeouts;
            problem(timeouts > 0, format!("the server missed the pongs of {timeouts} connections"));
        }
    }
}
