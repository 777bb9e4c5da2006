//! What one client of the admin port is doing, and how it is told to give way to another one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

/// One client's connection, as its requests and the admission of others see it.
#[derive(Debug)]
pub(super) struct Client(Mutex<State>);

#[derive(Debug)]
struct State {
    activity: Activity,
    /// Whether it has shown that it may use the port.
    is_authenticated: bool,
    /// When the activity began.
    since: Instant,
    /// Ends the connection; `None` once it was used.
    end: Option<oneshot::Sender<()>>,
    /// Cancels the request that waits for a permit.
    cancel: Option<oneshot::Sender<()>>,
}

/// What a connection is doing. Smaller values give way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Activity {
    /// Nothing that the server knows of: the client is silent, sends a head, reads an answer, or sends on after one.
    Idle,
    /// A request waits for a permit.
    Waiting,
    /// A request has its permit. The connection does not give way.
    Working,
}

impl Client {
    /// A client that is idle. `end` ends its connection.
    pub(super) fn new(end: oneshot::Sender<()>) -> Self {
        let (activity, since) = (Activity::Idle, Instant::now());
        Self(Mutex::new(State { activity, is_authenticated: false, since, end: Some(end), cancel: None }))
    }

    /// Notes that the client has shown that it may use the port.
    pub(super) fn authenticate(&self) {
        lock(&self.0).is_authenticated = true;
    }

    /// The order in which clients give way, smaller ones first; `None` where the client does not.
    pub(super) fn rank(&self) -> Option<(Activity, bool, Instant)> {
        let state = lock(&self.0);
        (state.activity != Activity::Working).then_some((state.activity, state.is_authenticated, state.since))
    }

    /// Whether a request is worked on, or waits for a permit.
    pub(super) fn is_busy(&self) -> bool {
        self.activity() != Activity::Idle
    }

    pub(super) fn activity(&self) -> Activity {
        lock(&self.0).activity
    }

    /// Whether the client was told to give way, and has not yet.
    pub(super) fn is_giving_way(&self) -> bool {
        let state = lock(&self.0);
        match state.activity {
            Activity::Idle => state.end.is_none(),
            Activity::Waiting => state.cancel.is_none(),
            Activity::Working => false,
        }
    }

    /// Ends the connection, or cancels the request that waits.
    pub(super) fn give_way(&self) {
        let mut state = lock(&self.0);
        let told = match state.activity {
            Activity::Idle => state.end.take(),
            Activity::Waiting => state.cancel.take(),
            Activity::Working => None,
        };
        // A connection that does not hear it has ended.
        let _ = told.map(|told| told.send(()));
    }

    /// Notes that a request waits for a permit. What is returned cancels it.
    pub(super) fn wait(&self) -> oneshot::Receiver<()> {
        let (cancel, cancelled) = oneshot::channel();
        self.change(Activity::Waiting);
        lock(&self.0).cancel = Some(cancel);
        cancelled
    }

    /// Notes what the connection does from now on.
    pub(super) fn change(&self, activity: Activity) {
        let mut state = lock(&self.0);
        state.activity = activity;
        state.since = Instant::now();
        state.cancel = None;
    }
}

/// Locks a mutex that is locked for moments, on the control thread alone.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
