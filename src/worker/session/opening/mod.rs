//! The opening of a connection: a request head is read, routed by what it asks for, and answered.
//!
//! - `head`: parses a request head. `route`: asks the handler to decide on the request; `routed`: the result.
//! - `upgrade`: opens the WebSocket. `respond`: writes HTTP responses, after which the next request may follow or the connection ends.
//! - `pending`: requests that wait for a decision of the handler.

mod head;
mod pending;
mod respond;
mod route;
mod routed;
mod upgrade;

pub(in crate::worker) use respond::AT_LIMIT;
