//! One server measured from its start to its end.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::client::{Client, Heard};
use super::judge::judge;
use super::load::LoadArgs;
use super::notes::{both_sides, micros_each, seconds};
use super::report::{Hold, Measurement};
use super::side::{Meeting, Point, Side};
use super::timeline::Recorder;
use crate::distribution::Distribution;
use crate::figures::thousands;
use crate::hold::HoldReport;
use crate::host::{Kind, Reading, ServerShape};
use crate::interrupt::Interrupt;
use crate::plot::Timeline;
use crate::progress::Bars;

/// A ramp without a single connection for so long has come to a halt.
const STANDSTILL: Duration = Duration::from_secs(60);
/// How much longer than planned a hold may take until every connection has answered its pings.
const LATE: Duration = Duration::from_secs(20);

/// A server, its clients and what is known so far.
pub(super) struct Run<'a> {
    args: &'a LoadArgs,
    bars: Bars,
    kind: Kind,
    /// Connections of this machine.
    connections: u32,
    pub(super) side: Side,
    pub(super) shape: ServerShape,
    client: Client,
    recorder: Recorder,
    pub(super) report: Measurement,
}

/// What a measurement comes to.
pub(crate) struct Measured {
    pub(crate) report: Measurement,
    pub(crate) timeline: Timeline,
}

/// User memory in bytes of the clients on this machine, when the server's machine was read.
pub(super) struct Moment {
    pub(super) meeting: Meeting,
    pub(super) client: u64,
}

impl<'a> Run<'a> {
    /// Starts the clients of `connections` for a server that is there.
    pub(super) fn start(
        args: &'a LoadArgs,
        kind: Kind,
        connections: u32,
        side: Side,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let shape = side.shape()?;
        let client = Client::start(args, kind, connections, &side.urls()?, interrupt)?;
        let report = Measurement {
            server: kind.name().to_owned(),
            server_workers: shape.workers,
            client_threads: client.threads,
            private_tables: shape.private_tables,
            seed: args.seed,
            ..Measurement::default()
        };
        let recorder =
            Recorder::new(format!("{}, {} connections", kind.name(), thousands(connections.into())));
        Ok(Self {
            args,
            bars: Bars::new(args.progress),
            kind,
            connections,
            side,
            shape,
            client,
            recorder,
            report,
        })
    }

    pub(super) fn measure(mut self) -> anyhow::Result<Measured> {
        let zero = self.moment(Point::Ready, 0)?;
        self.report.connections = zero.meeting.connections;
        self.report.machines = zero.meeting.machines;
        let open = self.ramp()?;
        let ramped = self.moment(Point::Ramped, open)?;
        self.note_ramp(&zero.meeting.reading, &ramped.meeting);
        self.note_memory(&zero, &ramped);
        if ramped.meeting.open > 0 && self.kind.pings() {
            let meeting = self.hold(&ramped.meeting.reading)?;
            let held = Moment { meeting, client: self.client.user_bytes()? };
            self.note_memory(&zero, &held);
            self.probe()?;
        }
        let closed = self.close()?;
        let start = Instant::now();
        let last = self.side.meet(Point::Closed, 0)?;
        self.note_end(&zero.meeting.reading, &last.reading, start.elapsed());
        judge(&mut self.report, &closed);
        if let Err(error) = self.side.stop() {
            self.report.problems.push(format!("{error:#}"));
        }
        Ok(Measured { report: self.report, timeline: self.recorder.finish() })
    }

    fn moment(&mut self, point: Point, open: u64) -> anyhow::Result<Moment> {
        let meeting = self.side.meet(point, open)?;
        Ok(Moment { meeting, client: self.client.user_bytes()? })
    }

    /// Opens the connections, and says how many there are.
    fn ramp(&mut self) -> anyhow::Result<u64> {
        let bar = self.bars.counting(self.kind.name(), u64::from(self.connections));
        self.recorder.enter("ramp");
        let before = self.client.cpu_nanos()?;
        self.client.open()?;
        let (mut settled, mut since) = (0, Instant::now());
        let opening = loop {
            match self.client.hear()? {
                Heard::Counts(counts) => {
                    bar.set_position(counts.opened);
                    bar.set_message(format!("{} failed", counts.failed));
                    if counts.opened + counts.failed > settled {
                        (settled, since) = (counts.opened + counts.failed, Instant::now());
                    }
                    let halted = since.elapsed() >= STANDSTILL;
                    ensure!(!halted, "the ramp has come to a halt after {settled} connections");
                    self.recorder.look(&mut self.side, Some(&self.client))?;
                }
                Heard::Opened(opening) => break opening,
                Heard::Probed(_) | Heard::Closed(_) => {
                    bail!("the clients have closed before they were told to")
                }
            }
        };
        bar.finish_and_clear();
        self.report.ramp_cpu.client_seconds = seconds(before, self.client.cpu_nanos()?);
        self.report.opened = opening.opened;
        self.report.failed = opening.failed;
        self.report.ramp_seconds = opening.ramp_seconds;
        self.report.connections_per_second = opening.connections_per_second;
        self.report.handshake_us = opening.latency_us;
        Ok(self.client.counts()?.open)
    }

    /// Holds until every connection has answered its pings, or had time enough to.
    fn hold(&mut self, ramped: &Reading) -> anyhow::Result<Meeting> {
        let (cycles, planned) = (self.args.cycles, self.args.ping_interval * self.args.cycles);
        let bar = self.bars.waiting("hold", planned);
        self.recorder.enter("hold");
        let (start, client_before, pings_before) =
            (Instant::now(), self.client.cpu_nanos()?, self.client.counts()?.pings_answered);
        let deadline = start + planned + planned / 2 + self.args.pong_timeout + LATE;
        let counts = loop {
            let counts = self.client.counts()?;
            bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
            bar.set_message(format!("{} lost, {} pings answered", counts.lost, counts.pings_answered));
            self.recorder.look(&mut self.side, Some(&self.client))?;
            let answered = counts.min_pings >= u64::from(cycles);
            if (answered && start.elapsed() >= planned) || counts.open == 0 || Instant::now() >= deadline {
                break counts;
            }
        };
        let client_seconds = seconds(client_before, self.client.cpu_nanos()?);
        let held = self.side.meet(Point::Held, counts.open)?;
        bar.finish_and_clear();
        let (before, after) = (&ramped.left, &held.reading.arrived);
        let long = seconds(before.nanos, after.nanos);
        if long > planned.as_secs_f64() * 1.1 + 1.0 {
            let planned = humantime::format_duration(planned);
            self.report.warnings.push(format!("{cycles} ping cycles took {long:.1} s instead of {planned}"));
        }
        let cpu_seconds = seconds(before.cpu_nanos, after.cpu_nanos);
        let pings_sent = after.counts.pings_sent - before.counts.pings_sent;
        self.report.hold = Some(Hold {
            seconds: long,
            cycles,
            ping_interval_seconds: self.args.ping_interval.as_secs_f64(),
            pings_sent,
            pongs_received: after.counts.pongs_received - before.counts.pongs_received,
            pong_timeouts: after.counts.pong_timeouts,
            min_pings_per_connection: counts.min_pings,
            ping_rtt_us: Distribution::from_buckets(&after.counts.ping_rtt_us, &before.counts.ping_rtt_us),
            server_cpu_cores: cpu_seconds / long,
            cpu_us_per_ping_cycle: micros_each(cpu_seconds, pings_sent),
            client_cpu_us_per_ping_cycle: micros_each(client_seconds, counts.pings_answered - pings_before),
        });
        self.report.open_after_hold = both_sides(&held);
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
        self.client.probe()?;
        self.report.probe = loop {
            match self.client.hear()? {
                Heard::Counts(_) => {
                    bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
                    self.recorder.look(&mut self.side, Some(&self.client))?;
                }
                Heard::Probed(echoed) => break Some(*echoed),
                Heard::Opened(_) | Heard::Closed(_) => bail!("the clients did not answer to the probe"),
            }
        };
        bar.finish_and_clear();
        Ok(())
    }

    fn close(&mut self) -> anyhow::Result<HoldReport> {
        let bar = self.bars.counting("close", self.report.opened);
        self.recorder.enter("close");
        self.client.close()?;
        let report = loop {
            match self.client.hear()? {
                Heard::Counts(counts) => {
                    bar.set_position(counts.closed);
                    self.recorder.look(&mut self.side, None)?;
                }
                Heard::Closed(report) => break *report,
                Heard::Opened(_) | Heard::Probed(_) => {
                    bail!("the clients open connections while they close them")
                }
            }
        };
        bar.finish_and_clear();
        self.report.lost = report.outcome.lost.clone();
        self.report.unclean = report.outcome.unclean.clone();
        self.report.closed = report.outcome.closed;
        self.report.close_seconds = report.outcome.close_seconds;
        Ok(report)
    }
}
