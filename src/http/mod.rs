//! HTTP/1.1 as far as a WebSocket server needs it, without I/O: request heads in, responses out (RFC 9110, RFC 9112).
//!
//! Every connection begins with a request. One that asks for a WebSocket goes on in [`ws::handshake`](crate::ws::handshake), any other
//! gets a [`Response`]. A [`Refusal`] is an error response whose text is known beforehand.
#![forbid(unsafe_code)]

mod authority;
mod refusal;
mod request;
mod response;
mod status;
mod token;

pub(crate) use authority::is_authority;
pub use refusal::Refusal;
pub(crate) use request::is_head;
pub use request::{HeadBuffer, HeadLimits, MAX_HEAD, MAX_HEADERS, MOST_HEADERS, Request, parse_head};
pub use response::{FieldError, Persistence, Response};
pub use status::Status;
pub use token::is_token;
