//! The thread that writes the workers' notices to the log.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::error::StartError;
use crate::budget::{FULL_NOTICE_INTERVAL, MAX_PING_STRETCH};
use crate::sys::signals;
use crate::worker::{Notice, Shared};

/// The state of the thread, which writes lines in the order in which notices arrive.
struct Log {
    shared: Arc<Shared>,
    max_connections: usize,
    /// When the log last said that the server is full.
    told_full: Option<Instant>,
}

/// Starts the thread, in the descriptor table of the calling thread. Call this before the first private table is made.
pub(super) fn start(shared: &Arc<Shared>, max_connections: usize) -> Result<JoinHandle<()>, StartError> {
    // Opened before the first worker starts, so that no notice is lost.
    let again = || StartError::system("open the log")(io::ErrorKind::AlreadyExists.into());
    let notices = shared.common.notices.open().ok_or_else(again)?;
    let mut log = Log { shared: Arc::clone(shared), max_connections, told_full: None };
    // Lines go to the subscriber of the thread that started the server.
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let body = move || {
        // No failure is expected. Without the block, this thread would handle signals, too.
        let _ = signals::block_all();
        tracing::dispatcher::with_default(&dispatch, || log.write_all(&notices));
    };
    Builder::new()
        .name("throng-log".into())
        .spawn(body)
        .map_err(|error: io::Error| StartError::system("start the thread of the log")(error))
}

impl Log {
    fn write_all(&mut self, notices: &Receiver<Notice>) {
        for notice in notices {
            match notice {
                Notice::Refused { worker, peer, status, reason } => {
                    tracing::debug!(worker, peer = name(peer), status, reason, "refused a request");
                }
                Notice::HandshakeTimeout { worker, peer } => {
                    let reason = "the request did not come within handshake-timeout";
                    tracing::debug!(worker, peer = name(peer), reason, "dropped a connection");
                }
                Notice::Full { worker, of } => self.write_full(worker, of),
                Notice::CannotListen { worker, address, error } => {
                    tracing::warn!(worker, %address, %error, "cannot listen again, will retry");
                }
                Notice::PostponesPings { worker, late_by } => tracing::warn!(
                    worker,
                    ?late_by,
                    "late: Pings are put off, up to {MAX_PING_STRETCH} times ping-interval (pings_put_off counts them); said once"
                ),
                Notice::Bug { worker, what } => tracing::error!(
                    worker,
                    what,
                    "a bug of this program was survived (the metric bugs counts them): please report it; said once"
                ),
                Notice::CannotPin { worker, core } => {
                    tracing::warn!(worker, core, "cannot pin the worker to its core");
                }
                Notice::End => return,
            }
            match self.shared.common.notices.take_lost() {
                0 => {}
                lost => tracing::warn!(lost, "lines of the log were lost: too many at once"),
            }
        }
    }

    /// Logs that clients are refused, at most once every `FULL_NOTICE_INTERVAL`.
    fn write_full(&mut self, worker: usize, of: &'static str) {
        if self.told_full.is_some_and(|told| told.elapsed() < FULL_NOTICE_INTERVAL) {
            return;
        }
        self.told_full = Some(Instant::now());
        let (mut open, mut refused, mut dropped) = (0, 0, 0);
        for slot in &self.shared.workers {
            open += slot.counters.open.get();
            refused += slot.counters.refused_at_limit.get();
            dropped += slot.counters.dropped_at_limit.get();
        }
        tracing::warn!(
            worker,
            of,
            open,
            max_connections = self.max_connections,
            refused,
            dropped,
            "clients are refused: the server is full"
        );
    }
}

fn name(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "unix".into(), |peer| peer.to_string())
}
