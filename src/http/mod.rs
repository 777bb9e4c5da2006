//! HTTP/1.1 as far as a WebSocket server needs it, without I/O: request heads in, responses out (RFC 9110, RFC 9112).
//!
//! Every connection to a serving port begins here: a WebSocket goes on in [`ws::handshake`](crate::ws::handshake), what does not gets
//! an error [`Refusal`] as a response.
#![forbid(unsafe_code)]

mod authority;
mod request;
mod response;

pub(crate) use authority::is_authority;
pub(crate) use request::is_head;
pub use request::{HeadBuffer, HeadLimits, MAX_HEAD, MAX_HEADERS, MOST_HEADERS, Request, parse_head};
pub use response::{Refusal, Status};
