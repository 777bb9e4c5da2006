//! Wakes a waiting thread once, until the thread acknowledges the wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A waker of a waiting thread.
pub(crate) trait Wake: Send + Sync {
    /// Ends the thread's current wait, or its next wait.
    fn wake(&self);
}

impl<W: Wake + ?Sized> Wake for Box<W> {
    fn wake(&self) {
        (**self).wake();
    }
}

impl<W: Wake + ?Sized> Wake for Arc<W> {
    fn wake(&self) {
        (**self).wake();
    }
}

/// A waker that is used once, and again only after the woken thread has [acknowledged](Self::acknowledge) the wake-up. This saves system
/// calls.
#[derive(Debug)]
pub(crate) struct Notifier<W> {
    waker: W,
    is_notified: AtomicBool,
}

impl<W: Wake> Notifier<W> {
    pub(crate) const fn new(waker: W) -> Self {
        Self { waker, is_notified: AtomicBool::new(false) }
    }

    /// Returns the waker.
    pub(crate) const fn waker(&self) -> &W {
        &self.waker
    }

    /// Wakes the thread, unless an earlier wake-up is not acknowledged yet.
    pub(crate) fn notify(&self) {
        if !self.is_notified.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Acknowledges the wake-up. The woken thread calls this before it reads what has changed, so that a later change wakes it again.
    pub(crate) fn acknowledge(&self) {
        self.is_notified.swap(false, Ordering::AcqRel);
    }
}

/// Counts wake-ups.
#[cfg(test)]
impl Wake for std::sync::atomic::AtomicUsize {
    fn wake(&self) {
        self.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_thread_is_woken_once_until_it_acknowledges() {
        let notifier = Notifier::new(Arc::new(AtomicUsize::new(0)));
        let wakes = || notifier.waker().load(Ordering::Relaxed);
        notifier.notify();
        notifier.notify();
        assert_eq!(wakes(), 1);
        notifier.acknowledge();
        assert_eq!(wakes(), 1);
        notifier.notify();
        assert_eq!(wakes(), 2);
    }
}
