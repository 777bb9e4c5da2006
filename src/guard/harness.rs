//! A worker and its clients over the counting system, for scenarios to drive.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::bare::BareServer;
use super::calls::Calls;
use super::kernel::{CountingKernel, Script};
use super::os::{CountingOs, Listener, WakeFlag};
use crate::base::notifier::Wake;
use crate::server::limits_of_one;
use crate::worker::{Context, Handle, Handler, Worker};
use crate::{Config, ConfigError};

/// The most iterations of one step of a scenario; more indicate an endless loop.
const MOST_ITERATIONS: usize = 1_000_000;

/// A server on the counting system, with its clients.
pub struct Harness {
    kernel: Rc<RefCell<CountingKernel>>,
    woken: Arc<WakeFlag>,
    iterate: Box<dyn FnMut() -> io::Result<bool>>,
}

/// A client's number. The next client takes it once the server has closed this client's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(u32);

/// The reason why a measurement is void.
#[derive(Debug)]
pub enum MeasurementError {
    /// The server would sleep, but has sent fewer bytes than expected.
    TooFewBytes {
        /// The bytes sent.
        sent: u64,
        /// The bytes expected.
        due: u64,
    },
    /// The server has sent more bytes than expected.
    TooManyBytes {
        /// The bytes sent.
        sent: u64,
        /// The bytes expected.
        due: u64,
    },
    /// The server has not read the client's earlier bytes.
    Unread(Client),
    /// The server does not sleep after the most iterations that a scenario may take.
    NeverIdle,
    /// The server has ended.
    Ended(Option<io::Error>),
}

impl Harness {
    /// Starts a server with one worker and memory for `clients` simultaneous clients. The settings' number of workers and listen addresses
    /// are ignored.
    ///
    /// # Errors
    /// Returns an error for an invalid setting.
    pub fn new<H: Handler + 'static>(
        config: &Config,
        clients: usize,
        make_handler: impl FnOnce(&Context<'_>) -> H,
    ) -> Result<Self, ConfigError> {
        let limits = limits_of_one(config, H::ENVELOPES, 2 * clients + 1_000)?;
        let (kernel, woken) = parts(clients);
        let waker: Box<dyn Wake> = Box::new(Arc::clone(&woken));
        let os = CountingOs { kernel: Rc::clone(&kernel), woken: Arc::clone(&woken) };
        let max_message = config.max_message;
        let make = |handle: &Handle| make_handler(&Context { worker: 0, open: 0, max_message, handle });
        let alone = Worker::standalone(os, Listener, waker, limits, make);
        let (mut worker, _) = alone.expect("this system can watch everything");
        Ok(Self { kernel, woken, iterate: Box::new(move || worker.iterate()) })
    }

    /// Makes the minimal server, which sends back the bytes that it reads, without decoding them.
    #[must_use]
    pub fn bare(clients: usize) -> Self {
        let (kernel, woken) = parts(clients);
        let mut bare = BareServer::new(&kernel, &woken, clients).expect("this system can watch everything");
        Self { kernel, woken, iterate: Box::new(move || bare.iterate()) }
    }

    /// Prepares bytes for clients to send.
    pub fn script(&self, bytes: Vec<u8>) -> Script {
        self.kernel.borrow_mut().add_script(bytes)
    }

    /// Connects a client that sends the script.
    pub fn connect(&self, script: Script) -> Client {
        Client(self.kernel.borrow_mut().connect(script))
    }

    /// Has a client send the script.
    ///
    /// # Errors
    /// Returns [`MeasurementError::Unread`] while earlier bytes of the client are unread.
    pub fn deliver(&self, client: Client, script: Script) -> Result<(), MeasurementError> {
        let delivered = self.kernel.borrow_mut().deliver(client.0, script);
        if delivered { Ok(()) } else { Err(MeasurementError::Unread(client)) }
    }

    /// Makes clients answer Pings from now on.
    pub fn answer_pings(&self) {
        self.kernel.borrow_mut().answers_pings = true;
    }

    /// Returns the number of Pings that clients have answered.
    #[must_use]
    pub fn pings_answered(&self) -> u64 {
        self.kernel.borrow().pings
    }

    /// Keeps the bytes that clients receive from now on, for [`take_received`](Self::take_received).
    pub fn keep_sent(&self) {
        self.kernel.borrow_mut().keeps_sent = true;
    }

    /// Discards the bytes that clients receive from now on.
    pub fn forget_sent(&self) {
        self.kernel.borrow_mut().keeps_sent = false;
    }

    /// Takes the kept bytes that a client has received.
    #[must_use]
    pub fn take_received(&self, client: Client) -> Vec<u8> {
        self.kernel.borrow_mut().take_received(client.0)
    }

    /// Returns the counts of the server's system calls so far.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.kernel.borrow().calls
    }

    /// Runs the server until it has sent `bytes` more. Waits that would find nothing ready are not made, because a busy server makes none.
    ///
    /// # Errors
    /// Returns an error if the server sends more, sleeps or ends before, or never sends as much.
    pub fn run_until_sent(&mut self, bytes: u64) -> Result<(), MeasurementError> {
        let due = self.calls().bytes_out + bytes;
        for _ in 0..MOST_ITERATIONS {
            let (sent, is_idle) = {
                let kernel = self.kernel.borrow();
                (kernel.calls.bytes_out, kernel.is_idle && !self.woken.is_due())
            };
            match sent {
                _ if sent > due => return Err(MeasurementError::TooManyBytes { sent, due }),
                _ if sent == due => return Ok(()),
                _ if is_idle => return Err(MeasurementError::TooFewBytes { sent, due }),
                _ => self.iterate()?,
            }
        }
        Err(MeasurementError::NeverIdle)
    }

    /// Runs the server until it would sleep.
    ///
    /// # Errors
    /// Returns an error if the server never sleeps, or ends.
    pub fn run_until_idle(&mut self) -> Result<(), MeasurementError> {
        for _ in 0..MOST_ITERATIONS {
            self.iterate()?;
            if self.kernel.borrow().is_idle {
                return Ok(());
            }
        }
        Err(MeasurementError::NeverIdle)
    }

    /// Runs the server until its clock has advanced by `time`, most of which the server sleeps.
    ///
    /// # Errors
    /// Returns an error if the server never sleeps that long, or ends.
    pub fn run_for(&mut self, time: Duration) -> Result<(), MeasurementError> {
        let end = self.kernel.borrow().now + time;
        self.kernel.borrow_mut().wakes_at = Some(end);
        for _ in 0..MOST_ITERATIONS {
            self.iterate()?;
            if self.kernel.borrow().now >= end {
                self.kernel.borrow_mut().wakes_at = None;
                return Ok(());
            }
        }
        Err(MeasurementError::NeverIdle)
    }

    fn iterate(&mut self) -> Result<(), MeasurementError> {
        match (self.iterate)() {
            Ok(true) => Ok(()),
            Ok(false) => Err(MeasurementError::Ended(None)),
            Err(error) => Err(MeasurementError::Ended(Some(error))),
        }
    }
}

pub(super) fn parts(clients: usize) -> (Rc<RefCell<CountingKernel>>, Arc<WakeFlag>) {
    (Rc::new(RefCell::new(CountingKernel::new(clients))), Arc::default())
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl fmt::Display for MeasurementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewBytes { sent, due } => write!(f, "the server sleeps after {sent} bytes of {due}"),
            Self::TooManyBytes { sent, due } => {
                write!(f, "the server has sent {sent} bytes instead of {due}")
            }
            Self::Unread(client) => write!(f, "the server has not read all that client {} sent", client.0),
            Self::NeverIdle => write!(f, "the server goes on after {MOST_ITERATIONS} iterations"),
            Self::Ended(None) => f.write_str("the server has ended"),
            Self::Ended(Some(error)) => write!(f, "the server has ended: {error}"),
        }
    }
}

impl std::error::Error for MeasurementError {}
