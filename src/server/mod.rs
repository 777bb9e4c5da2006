//! A server: it plans, starts, watches and ends its workers.

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

/// A running server. Dropping it cuts all connections at once; [`shutdown`](Self::shutdown) ends it in order.
///
/// A program usually waits in [`join`](Self::join) and ends the server from another thread, through a [`Handle`]. With the crate
/// `signal-hook`, for example, Ctrl-C and SIGTERM end it:
///
/// ```no_run
/// use std::thread;
/// use std::time::Duration;
///
/// use signal_hook::consts::{SIGINT, SIGTERM};
/// use signal_hook::iterator::Signals;
///
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
///
/// let (mut signals, handle) = (Signals::new([SIGINT, SIGTERM])?, server.handle());
/// thread::spawn(move || {
///     let mut signals = signals.forever();
///     if signals.next().is_some() {
///         handle.drain(Duration::from_secs(10));
///     }
///     // Ctrl-C again: do not wait for clients that do not answer.
///     if signals.next().is_some() {
///         handle.stop();
///     }
/// });
/// server.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    shared: Arc<Shared>,
    loop_waker: LoopWaker,
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// The thread that writes the workers' notices, until all workers have ended.
    log: Option<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
    /// The files of the Unix sockets, which are removed at the end.
    socket_files: Vec<SocketFile>,
    max_connections: usize,
    private_tables: bool,
    /// Bytes of a connection's record in the connection table.
    record_bytes: usize,
}

impl Server {
    /// Makes a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the TCP addresses that the server listens on, with the ports that the kernel chose in place of port 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns a handle, through which other threads reach connections and end the server.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Returns a waker for the program's own event loop. Any thread may use the waker, including workers with private descriptor tables.
    #[must_use]
    pub fn loop_waker(&self) -> LoopWaker {
        self.loop_waker.clone()
    }

    /// Returns the sums of all workers' counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.handle().stats()
    }

    /// Returns about how many bytes of memory connections and their buffers take, without the handlers' allocations.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let stats = self.stats();
        stats.sockets * self.record_bytes as u64 + stats.buffered_bytes
    }

    /// Returns the number of workers.
    #[must_use]
    pub const fn workers(&self) -> usize {
        self.threads.len()
    }

    /// Returns the most connections that the server can hold.
    #[must_use]
    pub const fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Returns `true` if each worker has a private descriptor table.
    #[must_use]
    pub const fn private_tables(&self) -> bool {
        self.private_tables
    }

    /// Begins to end the server in order: the workers close their listeners, close every WebSocket with 1001, answer requests that wait for a
    /// decision with 503, and end when all peers have answered or `within` has passed. A peer that does not answer within
    /// [`Config::close_timeout`] is dropped. Returns at once; [`join`](Self::join) waits. [`Handle::drain`] does this from another thread.
    pub fn drain(&self, within: Duration) {
        self.shared.drain(within);
    }

    /// Ends the server at once, and cuts all connections. Returns before the server has ended; [`join`](Self::join) waits.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Returns `true` if a worker has ended. After [`drain`](Self::drain) or [`stop`](Self::stop) all workers soon end; before, none
    /// should.
    #[must_use]
    pub fn has_ended_worker(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Returns `true` if all workers have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until all workers have ended: after [`drain`](Self::drain) or [`stop`](Self::stop), of this server or of a [`Handle`].
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
            // The thread ends after its last line. If the log's subscriber panics, the panic's message is on standard error.
            let _ = log.join();
        }
        self.socket_files.clear();
        outcome
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        // A drop cannot return the error: a caller that needs it calls `join`.
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
