//! The activity of one client of the admin port, and how it is evicted to make room for another one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

/// The state of one client's connection, shared by its requests and the admission of others.
#[derive(Debug)]
pub(super) struct Client(Mutex<State>);

#[derive(Debug)]
struct State {
    activity: Activity,
    /// Whether the client has shown that it may use the port.
    is_authenticated: bool,
    /// The time at which the activity began.
    since: Instant,
    /// Ends the connection; `None` once it was used.
    end: Option<oneshot::Sender<()>>,
    /// Cancels the request that waits for a permit.
    cancel: Option<oneshot::Sender<()>>,
}

/// The activity of a connection. Clients with smaller values are evicted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Activity {
    /// No complete request: the client is silent, sends a head, reads a response, or continues to send after one.
    Idle,
    /// A request waits for a permit.
    Waiting,
    /// A request has its permit. The connection is not evicted.
    Working,
}

impl Client {
    /// Makes an idle client. `end` ends its connection.
    pub(super) fn new(end: oneshot::Sender<()>) -> Self {
        let (activity, since) = (Activity::Idle, Instant::now());
        Self(Mutex::new(State { activity, is_authenticated: false, since, end: Some(end), cancel: None }))
    }

    /// Notes that the client has shown that it may use the port.
    pub(super) fn authenticate(&self) {
        lock(&self.0).is_authenticated = true;
    }

    /// Returns the client's rank for eviction, which takes smaller values first; `None` if the client is not evicted.
    pub(super) fn rank(&self) -> Option<(Activity, bool, Instant)> {
        let state = lock(&self.0);
        (state.activity != Activity::Working).then_some((state.activity, state.is_authenticated, state.since))
    }

    /// Returns whether a request of the client is handled or waits for a permit.
    pub(super) fn is_busy(&self) -> bool {
        self.activity() != Activity::Idle
    }

    pub(super) fn activity(&self) -> Activity {
        lock(&self.0).activity
    }

    /// Returns whether the client has been evicted and its connection has not ended yet.
    pub(super) fn is_being_evicted(&self) -> bool {
        let state = lock(&self.0);
        match state.activity {
            Activity::Idle => state.end.is_none(),
            Activity::Waiting => state.cancel.is_none(),
            Activity::Working => false,
        }
    }

    /// Evicts the client: ends its connection, or cancels its request that waits.
    pub(super) fn evict(&self) {
        let mut state = lock(&self.0);
        let sender = match state.activity {
            Activity::Idle => state.end.take(),
            Activity::Waiting => state.cancel.take(),
            Activity::Working => None,
        };
        // Without a receiver, the connection has ended.
        let _ = sender.map(|sender| sender.send(()));
    }

    /// Notes that a request waits for a permit. Returns a receiver that resolves when the wait is cancelled.
    pub(super) fn wait(&self) -> oneshot::Receiver<()> {
        let (cancel, cancelled) = oneshot::channel();
        self.change(Activity::Waiting);
        lock(&self.0).cancel = Some(cancel);
        cancelled
    }

    /// Notes the current activity of the connection.
    pub(super) fn change(&self, activity: Activity) {
        let mut state = lock(&self.0);
        state.activity = activity;
        state.since = Instant::now();
        state.cancel = None;
    }
}

/// Locks a mutex that is held for moments, on the control thread alone.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
