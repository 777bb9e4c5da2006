//! What a measurement looked like over time.

use std::time::{Duration, Instant};

use super::client::Client;
use super::side::Side;
use crate::plot::{Phase, Sample, Timeline};
use crate::servers::host::Sample as HostSample;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Takes samples, and knows what they are told apart from.
pub(super) struct Recorder {
    start: Instant,
    next: Instant,
    /// What the processor times are counted from: the look before.
    before: Option<(HostSample, Option<ClientCpu>)>,
    /// All slab caches at the start.
    slabs_at_start: Option<u64>,
    timeline: Timeline,
}

/// The clients' processor time and when it was read, in nanoseconds.
#[derive(Clone, Copy)]
struct ClientCpu {
    at: u64,
    cpu: u64,
}

impl ClientCpu {
    fn read(client: &Client, start: Instant) -> anyhow::Result<Self> {
        let at = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Ok(Self { at, cpu: client.cpu_nanos()? })
    }
}

/// Processors that were busy for so long in that time.
fn cores(cpu: u64, nanos: u64) -> f64 {
    cpu as f64 / nanos.max(1) as f64
}

impl Recorder {
    pub(super) fn new(title: String) -> Self {
        let now = Instant::now();
        let timeline = Timeline { title, ..Timeline::default() };
        Self { start: now, next: now, before: None, slabs_at_start: None, timeline }
    }

    /// Begins a phase, which ends the one before.
    pub(super) fn enter(&mut self, name: &str) {
        let now = self.start.elapsed().as_secs_f64();
        if let Some(phase) = self.timeline.phases.last_mut() {
            phase.to = now;
        }
        self.timeline.phases.push(Phase { name: name.to_owned(), from: now, to: now });
    }

    /// Takes a sample if it is time for one. `client` is `None` when the clients may have ended.
    pub(super) fn look(&mut self, side: &mut Side<'_>, client: Option<&Client>) -> anyhow::Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        let sample = side.sample()?;
        // Each with a time of its own: on a busy machine much of it passes between one reading and the next.
        let client_cpu = client.map(|client| ClientCpu::read(client, self.start)).transpose()?;
        let client_user = client.map(Client::user_bytes).transpose()?;
        self.next = Instant::now() + LOOK;
        let slabs_at_start = *self.slabs_at_start.get_or_insert(sample.slab_bytes.unwrap_or(0));
        if let Some((earlier, client_earlier)) = self.before.replace((sample, client_cpu)) {
            let nanos = sample.nanos - earlier.nanos;
            self.timeline.samples.push(Sample {
                seconds: self.start.elapsed().as_secs_f64(),
                connections: sample.open,
                server_user_bytes: sample.user_bytes,
                client_user_bytes: client_user,
                kernel_bytes: sample
                    .slab_bytes
                    .map(|bytes| bytes.cast_signed() - slabs_at_start.cast_signed()),
                server_cores: cores(sample.cpu_nanos - earlier.cpu_nanos, nanos),
                client_cores: client_cpu
                    .zip(client_earlier)
                    .map(|(now, earlier)| cores(now.cpu - earlier.cpu, now.at - earlier.at)),
                machine_cores: cores(
                    sample.machine_cpu_nanos.saturating_sub(earlier.machine_cpu_nanos),
                    nanos,
                ),
            });
        }
        Ok(())
    }

    /// The end of the last phase.
    pub(super) fn finish(mut self) -> Timeline {
        let now = self.start.elapsed().as_secs_f64();
        if let Some(phase) = self.timeline.phases.last_mut() {
            phase.to = now;
        }
        self.timeline
    }
}
