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
    /// A segment arrives during one system call in so many.
    pub(crate) arrivals: usize,
    /// One wait in so many reports events in another order, in part, spuriously, or is interrupted.
    pub(crate) waits: usize,
}

/// Puts the ready list in another order.
pub(crate) fn shuffle<T>(edges: &mut VecDeque<T>, choices: &Choices) {
    for at in (1..edges.len()).rev() {
        edges.swap(at, choices.below(at + 1));
    }
}

/// Adds a spurious event, every other time for a connection that is reported already.
pub(crate) fn invent(connections: &[Connection], choices: &Choices, ready: &mut Vec<Ready>) {
    if ready.len() >= EVENTS_PER_WAIT || connections.is_empty() || !choices.one_in(2) {
        return;
    }
    let all = connections.len();
    let at = choices.below(2 * all);
    // Of a closed socket as well: its token may have been on the way when it was closed.
    let mut token = connections[at % all].token;
    if at >= all {
        let is_connection = |event: &&Ready| connections.iter().any(|of| of.token == Some(event.token));
        token = ready.iter().rfind(is_connection).map(|event| event.token).or(token);
    }
    if let Some(token) = token {
        let closed = choices.one_in(2);
        ready.push(Ready { token, readable: true, writable: choices.one_in(2), closed });
    }
}
