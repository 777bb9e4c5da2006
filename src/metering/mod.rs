//! One worker over a system that does nothing but count, for measuring what the worker itself costs: docs/TESTING.md.
//!
//! The worker and its handler are the real ones. What clients send is prepared; what they are sent is counted and forgotten. The
//! clock is the harness's, and everything that is drawn is the same in every run, so that two runs of one program with the same input
//! take the same instructions.
//!
//! - `kernel`: the system. `net`: the worker's end of it. `calls`: what is counted.
//! - `bare`: the same system without a worker, which tells what the measuring costs.
#![forbid(unsafe_code)]

mod bare;
mod calls;
mod kernel;
mod net;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bare::Bare;
pub use calls::Calls;
use kernel::Kernel;
pub use kernel::Script;
use net::{Listener, Net, Woken};

use crate::base::notifier::Wake;
use crate::server::limits_of_one;
use crate::worker::{Context, Handle, Handler, Worker};
use crate::{Config, ConfigError};

/// Iterations within which a worker must have done what is asked of it: more is an endless loop.
const MOST_ITERATIONS: usize = 1_000_000;

/// A server on the measuring system, with its clients.
pub struct Meter {
    kernel: Rc<RefCell<Kernel>>,
    woken: Arc<Woken>,
    iterate: Box<dyn FnMut() -> io::Result<bool>>,
}

/// A client. Its name is another one's once the server has closed its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(u32);

/// Why a measurement means nothing.
#[derive(Debug)]
pub enum Invalid {
    /// The server would sleep, but has sent fewer bytes than it was to send.
    TooFewBytes {
        /// Sent.
        sent: u64,
        /// To be sent.
        due: u64,
    },
    /// The server has sent more bytes than it was to send.
    TooManyBytes {
        /// Sent.
        sent: u64,
        /// To be sent.
        due: u64,
    },
    /// The server has not read what the client sent before.
    Unread(Client),
    /// The server goes on and on.
    Restless,
    /// The server has ended.
    Ended(Option<io::Error>),
}

impl Meter {
    /// A server with one worker, which is to have that many clients at most at a time. A settings' number of workers and places to
    /// listen do not count.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new<H: Handler + 'static>(
        config: &Config,
        clients: usize,
        make_handler: impl FnOnce(&Context<'_>) -> H,
    ) -> Result<Self, ConfigError> {
        let limits = limits_of_one(config, H::ENVELOPES, 2 * clients + 1_000)?;
        let (kernel, woken) = parts(clients);
        let waker: Box<dyn Wake> = Box::new(Arc::clone(&woken));
        let os = Net { kernel: Rc::clone(&kernel), woken: Arc::clone(&woken) };
        let max_message = config.max_message;
        let make = |handle: &Handle| make_handler(&Context { worker: 0, open: 0, max_message, handle });
        let alone = Worker::alone(os, Listener, waker, limits, make);
        let (mut worker, _) = alone.expect("this system can watch everything");
        Ok(Self { kernel, woken, iterate: Box::new(move || worker.iterate()) })
    }

    /// No server, but the least that can be done with the system.
    #[must_use]
    pub fn bare(clients: usize) -> Self {
        let (kernel, woken) = parts(clients);
        let mut bare = Bare::new(&kernel, &woken, clients).expect("this system can watch everything");
        Self { kernel, woken, iterate: Box::new(move || bare.iterate()) }
    }

    /// Prepares bytes for clients to send.
    pub fn script(&self, bytes: Vec<u8>) -> Script {
        self.kernel.borrow_mut().add_script(bytes)
    }

    /// A client connects and sends the script.
    pub fn connect(&self, script: Script) -> Client {
        Client(self.kernel.borrow_mut().connect(script))
    }

    /// A client sends the script.
    ///
    /// # Errors
    /// [`Invalid::Unread`].
    pub fn deliver(&self, client: Client, script: Script) -> Result<(), Invalid> {
        let delivered = self.kernel.borrow_mut().deliver(client.0, script);
        if delivered { Ok(()) } else { Err(Invalid::Unread(client)) }
    }

    /// Whether clients answer Pings from now on.
    pub fn answer_pings(&self, answer: bool) {
        self.kernel.borrow_mut().answers_pings = answer;
    }

    /// Pings that clients have answered.
    #[must_use]
    pub fn pings(&self) -> u64 {
        self.kernel.borrow().pings
    }

    /// Whether what clients are sent is kept from now on, for [`heard`](Self::heard).
    pub fn listen(&self, listen: bool) {
        self.kernel.borrow_mut().listens = listen;
    }

    /// What was kept of what a client was sent since this was last asked.
    #[must_use]
    pub fn heard(&self, client: Client) -> Vec<u8> {
        self.kernel.borrow_mut().take_heard(client.0)
    }

    /// What the server asked of the system so far.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.kernel.borrow().calls
    }

    /// Runs the server until it has sent `bytes` more than it had when this was called: no wait is made that finds nothing, as a
    /// server in use makes none.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn run_for(&mut self, bytes: u64) -> Result<(), Invalid> {
        let due = self.calls().bytes_out + bytes;
        for _ in 0..MOST_ITERATIONS {
            let (sent, rested) = {
                let kernel = self.kernel.borrow();
                (kernel.calls.bytes_out, kernel.rested && !self.woken.is_due())
            };
            match sent {
                _ if sent > due => return Err(Invalid::TooManyBytes { sent, due }),
                _ if sent == due => return Ok(()),
                _ if rested => return Err(Invalid::TooFewBytes { sent, due }),
                _ => self.iterate()?,
            }
        }
        Err(Invalid::Restless)
    }

    /// Runs the server until it would sleep.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn settle(&mut self) -> Result<(), Invalid> {
        for _ in 0..MOST_ITERATIONS {
            self.iterate()?;
            if self.kernel.borrow().rested {
                return Ok(());
            }
        }
        Err(Invalid::Restless)
    }

    /// Runs the server for that time of its clock, most of which it sleeps.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn pass(&mut self, time: Duration) -> Result<(), Invalid> {
        let end = self.kernel.borrow().now + time;
        self.kernel.borrow_mut().wakes_at = Some(end);
        for _ in 0..MOST_ITERATIONS {
            self.iterate()?;
            if self.kernel.borrow().now >= end {
                self.kernel.borrow_mut().wakes_at = None;
                return Ok(());
            }
        }
        Err(Invalid::Restless)
    }

    fn iterate(&mut self) -> Result<(), Invalid> {
        match (self.iterate)() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Invalid::Ended(None)),
            Err(error) => Err(Invalid::Ended(Some(error))),
        }
    }
}

fn parts(clients: usize) -> (Rc<RefCell<Kernel>>, Arc<Woken>) {
    (Rc::new(RefCell::new(Kernel::new(clients))), Arc::default())
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewBytes { sent, due } => write!(f, "the server rests after {sent} bytes of {due}"),
            Self::TooManyBytes { sent, due } => {
                write!(f, "the server has sent {sent} bytes instead of {due}")
            }
            Self::Unread(client) => write!(f, "the server has not read all that client {} sent", client.0),
            Self::Restless => write!(f, "the server goes on after {MOST_ITERATIONS} iterations"),
            Self::Ended(None) => f.write_str("the server has ended"),
            Self::Ended(Some(error)) => write!(f, "the server has ended: {error}"),
        }
    }
}

impl std::error::Error for Invalid {}
