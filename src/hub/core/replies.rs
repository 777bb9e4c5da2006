//! Replies of the server to clients.

use super::client_state::ClientState;
use crate::hub::dialect::ServerMessage;
use crate::worker::{Conn, ConnIndex, Connections};
use crate::ws::{CloseCode, Message};

/// The reason of the Close to a client whose outbox has no room for a reply.
const REPLIES_TOO_SLOW: &str = "answers are read too slowly";

/// Sends a message of the server to a client while the worker handles the client's input. Does nothing if the client's dialect has no such
/// messages.
pub(super) fn reply(conn: &mut Conn<'_, ClientState>, message: &ServerMessage<'_>) {
    if let Some(text) = conn.data().dialect().encode_server_message(message)
        && conn.send(Message::Text(&text)).is_err()
    {
        conn.close(CloseCode::POLICY_VIOLATION, REPLIES_TOO_SLOW);
    }
}

/// Sends a message of the server to a client in the turn of the hub. Does nothing if the client's dialect has no such messages.
pub(super) fn reply_in_turn(
    connections: &mut Connections<'_, ClientState>,
    index: ConnIndex,
    message: &ServerMessage<'_>,
) {
    let dialect = connections.data_mut(index).map(|state| state.dialect());
    if let Some(text) = dialect.and_then(|dialect| dialect.encode_server_message(message))
        && connections.send(index, Message::Text(&text)).is_err()
    {
        connections.close(index, CloseCode::POLICY_VIOLATION, REPLIES_TOO_SLOW);
    }
}
