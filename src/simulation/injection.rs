//! Faults that are injected into the simulated kernel.

use std::collections::VecDeque;

use super::choices::Choices;
use super::connection::Connection;
use crate::budget::EVENTS_PER_WAIT;
use crate::worker::Ready;

/// How often the simulated kernel misbehaves, within what epoll(7) and TCP allow.
#[derive(Debug)]
pub(crate) struct FaultInjection {
    pub(crate) choices: Choices,
    /// A segment arrives in one system call out of this many.
    pub(crate) arrivals: usize,
    /// One wait out of this many reports events in another order, partially or spuriously, or is interrupted.
    pub(crate) waits: usize,
}

/// Shuffles the ready list.
pub(crate) fn shuffle<T>(edges: &mut VecDeque<T>, choices: &Choices) {
    for at in (1..edges.len()).rev() {
        edges.swap(at, choices.below(at + 1));
    }
}

/// Adds a spurious event; in every other case it is for a connection that already has one.
pub(crate) fn add_spurious_event(connections: &[Connection], choices: &Choices, ready: &mut Vec<Ready>) {
    if ready.len() >= EVENTS_PER_WAIT || connections.is_empty() || !choices.one_in(2) {
        return;
    }
    let all = connections.len();
    let at = choices.below(2 * all);
    // The token may belong to a closed socket: its event may have been on its way when the socket was closed.
    let mut token = connections[at % all].token;
    if at >= all {
        let is_connection = |event: &&Ready| connections.iter().any(|of| of.token == Some(event.token));
        token = ready.iter().rfind(is_connection).map(|event| event.token).or(token);
    }
    if let Some(token) = token {
        let read_closed = choices.one_in(2);
        ready.push(Ready { token, readable: true, writable: choices.one_in(2), read_closed });
    }
}
