//! RFC 6455 without I/O: bytes in, events and bytes out, for both roles.
//!
//! - [`handshake`] judges an upgrade request and writes the 101; [`client`] is its other side.
//! - [`Decoder`] turns received bytes into [`Event`]s, unmasking in place; it keeps nothing between messages.
//! - [`deflate`] negotiates compression, compresses and decompresses.
//! - [`encode`] writes frames.
//!
//! There are no sockets, clocks, threads or prints here. Memory comes from the caller through [`Buffers`].
#![forbid(unsafe_code)]

mod buffers;
pub mod client;
mod close;
mod config;
mod decode;
pub mod deflate;
pub mod encode;
mod error;
mod event;
mod extensions;
mod frame;
pub mod handshake;
mod mask;
mod partial;
mod payload;
mod unfragmented;
mod utf8;

pub use buffers::{Buffers, Heap};
pub(crate) use close::clip_reason;
pub use close::{CloseCode, CloseFrame};
pub use config::DecoderConfig;
pub use decode::{Decoded, Decoder};
pub use error::{DecodeError, ProtocolError};
pub use event::{Event, Message};
pub(crate) use frame::MAX_HEADER;
pub use frame::{FrameHeader, Opcode, Role};
pub use mask::apply_mask;
pub(crate) use payload::LARGE;
pub use unfragmented::UnfragmentedMessage;
