//! The part of HTTP/1.1 that a WebSocket server needs, without I/O: it parses request heads and writes responses (RFC 9110, RFC 9112).
//!
//! Every connection begins with a request. [`ws::handshake`](crate::ws::handshake) handles a request for a WebSocket; any other request
//! gets a [`Response`]. A [`Refusal`] is an error response with a fixed text.
#![forbid(unsafe_code)]

mod authority;
mod refusal;
mod request;
mod response;
mod status;
mod token;

pub(crate) use authority::is_authority;
pub use refusal::Refusal;
pub(crate) use request::is_head_method;
pub use request::{HeadBuffer, HeadLimits, MAX_HEAD, MAX_HEADERS, MOST_HEADERS, Request, parse_head};
pub use response::{FieldError, Persistence, Response};
pub use status::Status;
pub use token::is_token;
