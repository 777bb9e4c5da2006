//! How a connection begins: a request head comes, is routed by what it asks for, and is answered.
//!
//! - `head`: bytes become a request head. `route`: what is asked, and what the handler says to it; `routed`: what comes of
//!   that.
//! - `upgrade`: the WebSocket that is opened. `respond`: HTTP responses, after which the next request may come or the connection ends.
//! - `pending`: requests that wait for a decision of the handler's.

mod head;
mod pending;
mod respond;
mod route;
mod routed;
mod upgrade;

pub(in crate::worker) use respond::AT_LIMIT;
