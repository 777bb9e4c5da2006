//! One server measured from its start to its end.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::client::{Client, ClientPlan};
use super::load::LoadArgs;
use super::notes::{Notes, both_sides, micros_each, seconds};
use super::problems::judge;
use super::report::{Hold, Measurement};
use super::rounds::Measured;
use super::side::{Running, Side};
use super::timeline::Recorder;
use crate::agent::wire::{Clients, Meeting, Point};
use crate::hold::control::{Command, Event};
use crate::hold::report::HoldReport;
use crate::measure::distribution::Distribution;
use crate::measure::interrupt::Interrupt;
use crate::measure::kernel::Ends;
use crate::measure::progress::Bars;
use crate::report::units::thousands;
use crate::servers::host::Kind;

/// A ramp without a single connection for so long has come to a halt.
const STANDSTILL: Duration = Duration::from_secs(60);
/// How many times its interval a server may take between two Pings that is late (docs/ARCHITECTURE.md).
const MOST_STRETCH: u32 = 4;
/// How much longer than planned a hold may take until every connection has answered its pings.
const LATE: Duration = Duration::from_secs(20);

/// A server, its clients and what is known so far.
pub(super) struct Run<'a> {
    args: &'a LoadArgs,
    bars: Bars,
    kind: Kind,
    side: Side<'a>,
    client: Client,
    recorder: Recorder,
    notes: Notes,
}

impl<'a> Run<'a> {
    /// Starts `connections` clients of this machine for a server that is there.
    pub(super) fn start(
        args: &'a LoadArgs,
        sources: &[IpAddr],
        kind: Kind,
        connections: u32,
        running: Running<'a>,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let Running { side, shape, urls, connections: all, machines, sharing_kernel } = running;
        let clients = ClientPlan { kind, connections, urls: &urls, sources };
        let client = Client::start(args, &clients, interrupt)?;
        let mut report = Measurement {
            server: kind.name().to_owned(),
            connections: all,
            share: u64::from(connections),
            machines,
            server_workers: shape.workers,
            client_threads: client.threads,
            private_tables: shape.private_tables,
            seed: args.seed,
            ..Measurement::default()
        };
        let ends = Ends::on_server(machines, sharing_kernel);
        if ends.is_none() {
            report.warnings.push(format!(
                "the kernel of {sharing_kernel} of {machines} load machines is the server's: its memory cannot be told apart"
            ));
        }
        let recorder = Recorder::new(format!("{}, {} connections", kind.name(), thousands(all)));
        let bars = Bars::new(args.output.progress);
        let notes = Notes { report, ends, charges: shape.charges };
        Ok(Self { args, bars, kind, side, client, recorder, notes })
    }

    pub(super) fn measure(mut self) -> anyhow::Result<Measured> {
        let clients = self.clients()?;
        let zero = self.side.meet(Point::Ready, clients)?;
        self.ramp()?;
        let clients = self.clients()?;
        let ramped = self.side.meet(Point::Ramped, clients)?;
        self.notes.note_ramp(&zero, &ramped);
        self.notes.note_memory(&zero, &ramped);
        if ramped.clients.open > 0 && self.kind.pings() {
            let held = self.hold(&ramped)?;
            self.notes.note_memory(&zero, &held);
            self.probe()?;
        }
        let closed = self.close()?;
        let start = Instant::now();
        let last = self.side.meet(Point::Closed, Clients::default())?;
        self.notes.note_end(&zero.reading, &last.reading, start.elapsed());
        judge(&mut self.notes.report, &closed);
        if let Err(error) = self.side.stop() {
            self.notes.report.problems.push(format!("{error:#}"));
        }
        Ok(Measured { report: self.notes.report, timeline: self.recorder.finish() })
    }

    /// The clients of this machine as they are now.
    fn clients(&mut self) -> anyhow::Result<Clients> {
        let counts = self.client.counts()?;
        Ok(Clients {
            open: counts.open,
            cpu_nanos: self.client.cpu_nanos()?,
            user_bytes: self.client.user_bytes()?,
            pings_answered: counts.pings_answered,
            min_pings: counts.min_pings,
        })
    }

    /// Opens the connections.
    fn ramp(&mut self) -> anyhow::Result<()> {
        let bar = self.bars.counting(self.kind.name(), self.notes.report.share);
        self.recorder.enter("ramp");
        self.client.order(Command::Open)?;
        let (mut settled, mut since) = (0, Instant::now());
        let opening = loop {
            match self.client.hear()? {
                Event::Progress(counts) => {
                    bar.set_position(counts.opened);
                    bar.set_message(format!("{} failed", counts.failed));
                    if counts.opened + counts.failed > settled {
                        (settled, since) = (counts.opened + counts.failed, Instant::now());
                    }
                    let halted = since.elapsed() >= STANDSTILL;
                    ensure!(!halted, "the ramp has come to a halt after {settled} connections");
                    self.recorder.look(&mut self.side, Some(&self.client))?;
                }
                Event::Opened(opening) => break opening,
                other => bail!("the clients said {other:?} while they open connections"),
            }
        };
        bar.finish_and_clear();
        self.notes.report.opened = opening.opened;
        self.notes.report.failed = opening.failed;
        self.notes.report.ramp_seconds = opening.ramp_seconds;
        self.notes.report.connections_per_second = opening.connections_per_second;
        self.notes.report.handshake_us = opening.latency_us;
        Ok(())
    }

    /// Holds until every connection has answered its pings, or had time enough to.
    fn hold(&mut self, ramped: &Meeting) -> anyhow::Result<Meeting> {
        let (cycles, planned) = (self.args.cycles, self.args.ping_interval * self.args.cycles);
        let bar = self.bars.waiting("hold", planned);
        self.recorder.enter("hold");
        let start = Instant::now();
        // A server that is late pings less often, up to a fourth as often.
        let deadline =
            start + MOST_STRETCH * planned + self.args.ping_interval / 2 + self.args.pong_timeout + LATE;
        let clients = loop {
            let counts = self.client.counts()?;
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
            bar.set_message(format!("{} lost, {} pings answered", counts.lost, counts.pings_answered));
            self.recorder.look(&mut self.side, Some(&self.client))?;
            let answered = counts.min_pings >= u64::from(cycles);
            if (answered && start.elapsed() >= planned) || counts.open == 0 || Instant::now() >= deadline {
                break self.clients()?;
            }
        };
        let held = self.side.meet(Point::Held, clients)?;
        bar.finish_and_clear();
        let (before, after) = (&ramped.reading.left, &held.reading.arrived);
        let long = seconds(before.nanos, after.nanos);
        // The first Ping of a connection may take half an interval longer than an interval.
        let usual = planned + self.args.ping_interval / 2;
        if long > usual.as_secs_f64() * 1.1 + 1.0 {
            let planned = humantime::format_duration(planned);
            self.notes
                .report
                .warnings
                .push(format!("{cycles} ping cycles took {long:.1} s instead of {planned}"));
        }
        let cpu_seconds = seconds(before.cpu_nanos, after.cpu_nanos);
        let client_seconds = seconds(ramped.clients.cpu_nanos, held.clients.cpu_nanos);
        let answered = held.clients.pings_answered.saturating_sub(ramped.clients.pings_answered);
        let pings_sent = after.counts.pings_sent - before.counts.pings_sent;
        self.notes.report.hold = Some(Hold {
            seconds: long,
            cycles,
            ping_interval_seconds: self.args.ping_interval.as_secs_f64(),
            pings_sent,
            pongs_received: after.counts.pongs_received - before.counts.pongs_received,
            pong_timeouts: after.counts.pong_timeouts,
            min_pings_per_connection: held.clients.min_pings,
            ping_rtt_us: Distribution::from_buckets(&after.counts.ping_rtt_us, &before.counts.ping_rtt_us),
            server_cpu_cores: cpu_seconds / long,
            cpu_us_per_ping_cycle: micros_each(cpu_seconds, pings_sent),
            client_cpu_us_per_ping_cycle: micros_each(client_seconds, answered),
        });
        self.notes.report.open_after_hold = both_sides(&held);
        Ok(held)
    }

    /// Has a sample of the connections send messages, once nothing else is measured any more.
    fn probe(&mut self) -> anyhow::Result<()> {
        if self.args.probe_time.is_zero() {
            return Ok(());
        }
        let bar = self.bars.waiting("probe", self.args.probe_time);
        let start = Instant::now();
        self.recorder.enter("probe");
        self.client.order(Command::Probe)?;
        self.notes.report.probe = loop {
            match self.client.hear()? {
                Event::Progress(_) => {
                    bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
                    self.recorder.look(&mut self.side, Some(&self.client))?;
                }
                Event::Probed(echoed) => break Some(*echoed),
                other => bail!("the clients said {other:?} to the probe"),
            }
        };
        bar.finish_and_clear();
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<HoldReport> {
        let bar = self.bars.counting("close", self.notes.report.opened);
        self.recorder.enter("close");
        self.client.order(Command::Close)?;
        let report = loop {
            match self.client.hear()? {
                Event::Progress(counts) => {
                    bar.set_position(counts.closed);
                    self.recorder.look(&mut self.side, None)?;
                }
                Event::Closed(report) => break *report,
                other => bail!("the clients said {other:?} while they close connections"),
            }
        };
        bar.finish_and_clear();
        self.notes.report.lost = report.outcome.lost.clone();
        self.notes.report.unclean = report.outcome.unclean.clone();
        self.notes.report.closed = report.outcome.closed;
        self.notes.report.close_seconds = report.outcome.close_seconds;
        Ok(report)
    }
}
