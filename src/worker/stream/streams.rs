//! The byte streams of a worker's connections, and what they share.

use std::sync::Arc;
use std::time::Duration;

use super::listener::ListenerOptions;
use super::receive::ReceiveBuffer;
use super::transport::Transports;
use crate::base::pool::Pool;
use crate::base::ticks::tick_at;
use crate::metrics::Counters;
use crate::worker::limits::Limits;
use crate::worker::os::Os;
use crate::worker::table::{ConnId, ConnectionTable};

/// The connections of a worker as byte streams: input that is received, and output that is written or queued.
pub(in crate::worker) struct Streams<O: Os, D> {
    pub(in crate::worker) os: O,
    pub(in crate::worker) table: ConnectionTable<O::Socket, D>,
    pub(in crate::worker) pool: Pool,
    pub(in crate::worker) receive_buffer: ReceiveBuffer,
    pub(in crate::worker) transports: Transports,
    /// How the connections of each listener begin.
    pub(in crate::worker) listeners: Vec<ListenerOptions>,
    /// Connections with queued output to be written in this iteration; each is flagged `DIRTY`.
    pub(in crate::worker) dirty: Vec<ConnId>,
    /// The time at which this iteration began, since the worker's start. `tick` is the same time in ticks.
    pub(in crate::worker) now: Duration,
    pub(in crate::worker) tick: u32,
    /// Whether the worker is late and postpones due Pings.
    pub(in crate::worker) postpones_pings: bool,
    pub(in crate::worker) counters: Arc<Counters>,
}

impl<O: Os, D> Streams<O, D> {
    /// Makes the streams of the worker with this number, without connections.
    pub(in crate::worker) fn new(
        worker: usize,
        os: O,
        now: Duration,
        limits: &Limits,
        listeners: Vec<ListenerOptions>,
        counters: Arc<Counters>,
    ) -> Self {
        let tick = tick_at(now);
        Self {
            os,
            table: ConnectionTable::new(worker, tick),
            pool: Pool::new(limits.buffers, limits.least_buffers, limits.spare_buffers, limits.backlog),
            receive_buffer: ReceiveBuffer::new(limits.outbox, limits.decoder.max_message),
            transports: Transports::default(),
            listeners,
            dirty: Vec::new(),
            now,
            tick,
            postpones_pings: false,
            counters,
        }
    }

    /// Begins an iteration: reads the clock.
    pub(in crate::worker) fn update_clock(&mut self) {
        self.now = self.os.now();
        self.tick = tick_at(self.now);
    }
}
