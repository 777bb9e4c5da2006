//! A server: its workers planned, started, watched and ended.

mod builder;
mod choices;
mod config;
mod error;
mod listen;
mod listeners;
mod log;
mod loop_waker;
mod plan;
mod start;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

pub use builder::Builder;
pub use choices::{Compression, DescriptorTables, Pinning, Steering};
pub use config::Config;
pub use error::{ConfigError, RunError, StartError};
pub use listen::Listen;
use listen::SocketFile;
pub use loop_waker::LoopWaker;
#[cfg(feature = "guard")]
pub(crate) use start::limits_of_one;

use crate::metrics::Stats;
use crate::worker::{Handle, Shared};

/// A running server. Dropping it ends it at once; [`shutdown`](Self::shutdown) ends it in order.
///
/// ```no_run
/// # struct Echo;
/// # impl throng::Handler for Echo {
/// #     type Data = ();
/// #     fn upgrade(&mut self, _: &mut throng::Connecting<'_>) -> throng::Verdict<()> {
/// #         throng::Accept::new(()).into()
/// #     }
/// #     fn message(&mut self, _: &mut throng::Conn<'_, ()>, _: throng::Message<'_>) {}
/// # }
/// let server = throng::Server::builder().listen("127.0.0.1:9001".parse()?).start(|_| Echo)?;
/// println!("listening on {:?}", server.addresses());
/// server.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    shared: Arc<Shared>,
    loop_waker: LoopWaker,
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// Writes the workers' notices, until all workers have ended.
    log: Option<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
    /// Removed at the end.
    socket_files: Vec<SocketFile>,
    max_connections: usize,
    private_tables: bool,
    /// Bytes of a connection in its table.
    record_bytes: usize,
}

impl Server {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The TCP addresses that the server listens on, with the ports that the kernel chose where 0 was given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A handle by which other threads reach connections.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// A waker for an event loop of the program. Any thread may use it, those of workers with private descriptor tables included.
    #[must_use]
    pub fn loop_waker(&self) -> LoopWaker {
        self.loop_waker.clone()
    }

    /// The sums of all workers' counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle().stats()
    }

    /// The bytes of memory that connections and their buffers take, about, without what the handlers allocate.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let stats = self.stats();
        stats.sockets * self.record_bytes as u64 + stats.buffered_bytes
    }

    /// The number of workers.
    #[must_use]
    pub const fn workers(&self) -> usize {
        self.threads.len()
    }

    /// The most connections that the server holds.
    #[must_use]
    pub const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Whether each worker has a private descriptor table.
    #[must_use]
    pub const fn private_tables(&self) -> bool {
        self.private_tables
    }

    /// Begins to end the server in order: no connection is accepted any more, every connection is closed with 1001, and the workers end when
    /// all peers have answered or `within` has passed. Returns at once; [`join`](Self::join) waits.
    pub fn drain(&self, within: Duration) {
        self.shared.drain(within);
    }

    /// Ends the server at once: connections are cut.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Whether a worker has ended: all soon will have after [`drain`](Self::drain) or [`stop`](Self::stop), and none should
    /// before.
    #[must_use]
    pub fn has_ended_worker(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Whether all workers have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the server's end.
    ///
    /// # Errors
    /// When a worker failed or panicked.
    pub fn join(mut self) -> Result<(), RunError> {
        self.join_workers()
    }

    /// Ends the server in order and waits for the end: [`drain`](Self::drain), then [`join`](Self::join).
    ///
    /// # Errors
    /// When a worker failed or panicked.
    pub fn shutdown(self, within: Duration) -> Result<(), RunError> {
        self.drain(within);
        self.join()
    }

    fn join_workers(&mut self) -> Result<(), RunError> {
        let mut outcome = Ok(());
        for (worker, thread) in self.threads.drain(..).enumerate() {
            let ended = match thread.join() {
                Ok(ended) => ended.map_err(|error| RunError::Worker { worker, error }),
                Err(_) => Err(RunError::Panicked { worker }),
            };
            outcome = outcome.and(ended);
        }
        if let Some(log) = self.log.take() {
            self.shared.common.notices.end();
            // The thread ends after its last line. If the log's writer panics, the panic is told on standard error.
            let _ = log.join();
        }
        self.socket_files.clear();
        outcome
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // The error has no receiver here: a caller that needs it calls `join`.
        let _ = self.join_workers();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("workers", &self.threads.len())
            .finish_non_exhaustive()
    }
}
