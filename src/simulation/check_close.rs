//! Checks of closed sockets: a socket may close only for a reason, not too early, and not with a reset if the peer has completed its part.

use super::behavior::EndReason;
use super::client::Client;
use super::connection::{Connection, Ending};
use super::model::Model;
use super::output::{ItemKind, OutputItem};
use super::read_pace::ReadPace;
use super::world::World;
use crate::budget::LINGER;

impl Model {
    /// Checks the end of a socket, once.
    pub(crate) fn check_socket_close(&mut self, number: usize, world: &World) {
        let connection = &world.connections[number];
        let client = &mut self.clients[number];
        if !connection.closed || std::mem::replace(&mut client.end_checked, true) {
            return;
        }
        if connection.accepted_at.is_none() {
            // The connection waited in the queue of a listener that was closed.
            return;
        }
        let untold = client.id.is_some() && client.over.is_none();
        self.note(format_args!("client {number}: its socket is closed"));
        self.expect(!untold, || {
            format!("client {number}: its socket was closed without a call of the handler's `close`")
        });
        if let Err(what) = self.justify_close(number, world) {
            self.fail(format!("client {number}: its socket was closed, but {what}"));
        }
    }

    fn justify_close(&self, number: usize, world: &World) -> Result<(), String> {
        let (client, connection) = (&self.clients[number], &world.connections[number]);
        let cut = self.draining.is_some_and(|(since, time)| world.now >= since + time);
        if connection.reported_end || self.is_stopped || cut {
            return Ok(());
        }
        if self.setup.is_tight {
            // Any input or output of the connection may have found no buffer.
            return Ok(());
        }
        let Some((why, at)) = &client.over else { return self.justify_unopened_close(number, world) };
        if matches!(why, EndReason::PongTimeout | EndReason::Exhausted) {
            return Ok(());
        }
        if world.now >= *at + self.setup.limits.close_timeout {
            let pace = ReadPace::of_closes(&self.setup.limits);
            let is_taking = connection.is_taking(client.close_end, pace, world.now);
            if is_taking && !client.output.script.iter().any(|item| has_ended(item, connection)) {
                return Err("it takes what is in front of our Close".into());
            }
            return self.check_nothing_unread(client, connection);
        }
        // Before the close timeout, a socket may close only after a complete closing handshake.
        let mut read = client.output.script.iter().filter(|item| item.start < connection.read);
        let end = read.find(|item| matches!(item.what, ItemKind::Close(_) | ItemKind::Fault(_)));
        match end.map(|item| (&item.what, item.end <= connection.read)) {
            Some((ItemKind::Close(_), true)) if !client.got_close => Err("our Close has not left".into()),
            Some((ItemKind::Close(_), true)) => {
                let polite = client.output.ends_with_close()
                    && connection.ending == Ending::Reset
                    && !connection.client_reset;
                if polite { Err("with a reset, which its input did not call for".into()) } else { Ok(()) }
            }
            _ => Err(format!("it has had {:?} of its time to close", world.now - *at)),
        }
    }

    /// Checks that a connection dropped at a deadline has no unread request, Close or end of the stream, unless the client does not read
    /// its output.
    fn check_nothing_unread(&self, client: &Client, connection: &Connection) -> Result<(), String> {
        let mut script = client.output.script.iter();
        if client.pauses.last() || self.setup.is_tight || script.any(|item| has_ended(item, connection)) {
            return Ok(());
        }
        if connection.closed_behind_end {
            return Err("its end has arrived and is not read".into());
        }
        let waits = client.output.script.iter().find(|item| {
            let has_arrived = connection.read < item.end && item.end <= connection.arrived();
            has_arrived && matches!(item.what, ItemKind::Close(_) | ItemKind::Request(_))
        });
        waits.map_or(Ok(()), |item| Err(format!("this has arrived and is not read: {:?}", item.what)))
    }

    /// Checks the end of a connection that had not become a WebSocket.
    fn justify_unopened_close(&self, number: usize, world: &World) -> Result<(), String> {
        let (client, connection) = (&self.clients[number], &world.connections[number]);
        // The connection was never watched: it was dropped at the limit, shed for lack of a descriptor, or epoll had no room.
        if connection.token.is_none() {
            let most = self.setup.limits.worker_connections.min(self.setup.limits.server_connections);
            let full = connection.held_before >= most;
            return if full || self.was_exhausted { Ok(()) } else { Err("there was room for it".into()) };
        }
        let is_abandoned = connection.client_ended || connection.client_reset;
        if is_abandoned && client.put_off_at.is_some() && client.answered_at.is_none() {
            // A client that has ended its half cannot use a WebSocket, and does not wait for the decision.
            return Ok(());
        }
        let accepted = connection.accepted_at.unwrap_or_default();
        let handshake = self.setup.limits.handshake_timeout;
        let most = self.setup.limits.worker_connections.min(self.setup.limits.server_connections);
        let is_refused = connection.held_before >= most || self.draining.is_some();
        let window = if is_refused { handshake.min(LINGER) } else { handshake };
        let deadline = client.answered_at.map_or(accepted + window, |answered| answered + LINGER);
        if world.now < deadline {
            return Err(format!("it had until {deadline:?}"));
        }
        self.check_nothing_unread(client, connection)
    }
}

/// Returns whether the worker has read a Close or a violation, after which the client's stream is over.
const fn has_ended(item: &OutputItem, connection: &Connection) -> bool {
    item.end <= connection.read && matches!(item.what, ItemKind::Close(_) | ItemKind::Fault(_))
}
