//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::Instant;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use throng::sys::signals::APART;

/// Whether somebody wants the program to end. A second signal ends it at once, with the shell's exit code for it, if it comes a second or
/// more after the first: what comes sooner is the same wish told twice, as by timeout(1), which signals the program and then its group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// When the first signal came.
#[derive(Debug, Default)]
struct First(Option<Instant>);

impl Interrupt {
    /// Listens to SIGINT and SIGTERM from now on. Threads with a descriptor table of their own must block all signals before they make
    /// it: the handler writes to a descriptor.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen to signals")?;
        let heard = Arc::clone(&raised);
        let listen = move || {
            let mut first = First::default();
            for signal in signals.forever() {
                heard.store(true, Ordering::Relaxed);
                if first.is_long_ago(Instant::now()) {
                    low_level::exit(128 + signal);
                }
            }
        };
        Builder::new().name("signals".to_owned()).spawn(listen).context("cannot start a thread")?;
        Ok(Self(raised))
    }

    /// Whether a signal has come.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl First {
    /// Takes note of a signal: whether the first one came so long before it that this one is another wish.
    fn is_long_ago(&mut self, now: Instant) -> bool {
        now.duration_since(*self.0.get_or_insert(now)) >= APART
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_signal_counts_only_when_it_comes_a_second_later() {
        let (mut first, start) = (First::default(), Instant::now());
        for (after, counts) in [(0, false), (1, false), (999, false), (1000, true), (5000, true)] {
            assert_eq!(first.is_long_ago(start + Duration::from_millis(after)), counts, "{after} ms");
        }
    }
}
