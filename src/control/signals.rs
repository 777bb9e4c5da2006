//! Signals that end the program.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use throng::sys::signals::Signals;
use throng::sys::watch;
use tokio::io::unix::AsyncFd;

/// The program's signals, watched by its runtime.
pub(super) struct SignalStream<'a> {
    signals: &'a Signals,
    watched: AsyncFd<BorrowedFd<'a>>,
}

impl<'a> SignalStream<'a> {
    /// Watches signals that have been taken over, including those that arrived before.
    pub(super) fn new(signals: &'a Signals) -> io::Result<Self> {
        Ok(Self { signals, watched: watch::for_reading(signals.as_fd())? })
    }

    /// Waits for a signal that ends the server gracefully, and returns its name.
    pub(super) async fn end(&self) -> io::Result<&'static str> {
        self.wait_for(Signals::end).await
    }

    /// Waits for another such signal, a second or more after the first, and returns its name.
    pub(super) async fn cut(&self) -> io::Result<&'static str> {
        self.wait_for(Signals::cut).await
    }

    async fn wait_for(&self, found: impl Fn(&Signals) -> Option<&'static str>) -> io::Result<&'static str> {
        loop {
            for signal in self.signals.take_others() {
                tracing::info!(signal, "ignored: it has no meaning yet");
            }
            if let Some(signal) = found(self.signals) {
                return Ok(signal);
            }
            self.watched.readable().await?.clear_ready();
        }
    }
}
