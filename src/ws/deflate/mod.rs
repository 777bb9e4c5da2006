//! permessage-deflate (RFC 7692) without I/O: what two ends agree on in the handshake.

mod agreement;

pub use agreement::{Agreement, Context, Direction};
