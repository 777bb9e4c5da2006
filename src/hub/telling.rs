//! What clients are told beside messages.

use super::dialect::Told;
use super::seat::Seat;
use crate::worker::{Conn, Connections};
use crate::ws::{CloseCode, Message};

/// Tells a client something, in its dialect if that has words for it, while its input is dealt with.
pub(super) fn tell(conn: &mut Conn<'_, Seat>, told: &Told<'_>) {
    if let Some(text) = conn.data().dialect().say(told)
        && conn.send(Message::Text(&text)).is_err()
    {
        conn.close(CloseCode::POLICY_VIOLATION, "answers are read too slowly");
    }
}

/// Tells a client something, in its dialect if that has words for it, in the turn of the hub.
pub(super) fn tell_later(connections: &mut Connections<'_, Seat>, index: u32, told: &Told<'_>) {
    let dialect = connections.data_mut(index).map(|seat| seat.dialect());
    if let Some(text) = dialect.and_then(|dialect| dialect.say(told))
        && connections.send(index, Message::Text(&text)).is_err()
    {
        connections.close(index, CloseCode::POLICY_VIOLATION, "answers are read too slowly");
    }
}
