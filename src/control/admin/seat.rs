//! What one connection to the admin port is doing, and how it is told to give way.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

/// One connection, as its requests and the others see it.
#[derive(Debug)]
pub(super) struct Seat(pub(super) Mutex<Sitter>);

#[derive(Debug)]
pub(super) struct Sitter {
    pub(super) doing: Doing,
    /// Whether it has shown that it may use the port.
    pub(super) is_known: bool,
    pub(super) since: Instant,
    /// Tells the connection to end; `None` once it was told.
    end: Option<oneshot::Sender<()>>,
    /// Tells a request that waits for its turn to give up.
    give_up: Option<oneshot::Sender<()>>,
}

/// What a connection is doing. Those that are less give way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    /// Nothing that is known of: it is silent, sends a head, reads an answer, or sends on after one.
    Idle,
    /// It has a request that waits for its turn.
    Waiting,
    /// A request of it has its turn. It does not give way.
    Working,
}

impl Seat {
    pub(super) fn new(end: oneshot::Sender<()>) -> Self {
        let (doing, since) = (Doing::Idle, Instant::now());
        Self(Mutex::new(Sitter { doing, is_known: false, since, end: Some(end), give_up: None }))
    }

    /// Notes that the connection has shown that it may use the port.
    pub(super) fn recognize(&self) {
        lock(&self.0).is_known = true;
    }

    /// Who is less gives way first; `None` for who does not.
    pub(super) fn rank(&self) -> Option<(Doing, bool, Instant)> {
        let sitter = lock(&self.0);
        (sitter.doing != Doing::Working).then_some((sitter.doing, sitter.is_known, sitter.since))
    }

    /// Whether it has a request that is worked on, or waits for its turn.
    pub(super) fn is_busy(&self) -> bool {
        lock(&self.0).doing != Doing::Idle
    }

    /// Whether it has been told to give way, and has not yet.
    pub(super) fn is_leaving(&self) -> bool {
        let sitter = lock(&self.0);
        match sitter.doing {
            Doing::Idle => sitter.end.is_none(),
            Doing::Waiting => sitter.give_up.is_none(),
            Doing::Working => false,
        }
    }

    /// Tells it to end, or its request to give up.
    pub(super) fn give_way(&self) {
        let mut sitter = lock(&self.0);
        let told = match sitter.doing {
            Doing::Idle => sitter.end.take(),
            Doing::Waiting => sitter.give_up.take(),
            Doing::Working => None,
        };
        // Who does not hear it has gone.
        let _ = told.map(|told| told.send(()));
    }

    /// A request of it waits. What is returned says that it has to give up.
    pub(super) fn wait(&self) -> oneshot::Receiver<()> {
        let (give_up, displaced) = oneshot::channel();
        self.change(Doing::Waiting);
        lock(&self.0).give_up = Some(give_up);
        displaced
    }

    pub(super) fn change(&self, doing: Doing) {
        let mut sitter = lock(&self.0);
        sitter.doing = doing;
        sitter.since = Instant::now();
        sitter.give_up = None;
    }
}

/// Locked for moments, on the control thread alone.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
