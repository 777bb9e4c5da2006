//! Sends what the server says to a client beside published messages.

use super::client_state::ClientState;
use crate::hub::dialect::ServerMessage;
use crate::worker::{Conn, Connections};
use crate::ws::{CloseCode, Message};

/// Tells a client something, in its dialect if that has words for it, while its input is dealt with.
pub(super) fn tell(conn: &mut Conn<'_, ClientState>, message: &ServerMessage<'_>) {
    if let Some(text) = conn.data().dialect().say(message)
        && conn.send(Message::Text(&text)).is_err()
    {
        conn.close(CloseCode::POLICY_VIOLATION, "answers are read too slowly");
    }
}

/// Tells a client something, in its dialect if that has words for it, in the turn of the hub.
pub(super) fn tell_later(
    connections: &mut Connections<'_, ClientState>,
    index: u32,
    message: &ServerMessage<'_>,
) {
    let dialect = connections.data_mut(index).map(|state| state.dialect());
    if let Some(text) = dialect.and_then(|dialect| dialect.say(message))
        && connections.send(index, Message::Text(&text)).is_err()
    {
        connections.close(index, CloseCode::POLICY_VIOLATION, "answers are read too slowly");
    }
}
