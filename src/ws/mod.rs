//! RFC 6455 without I/O: bytes in, events and bytes out, for both roles.
//!
//! - [`handshake`] checks an upgrade request and writes the 101 response; [`client`] is the client side of the handshake.
//! - [`Decoder`] turns received bytes into [`Event`]s and unmasks payloads in place; it keeps no state between messages.
//! - [`deflate`] negotiates compression, compresses and decompresses.
//! - [`encode`] writes frames.
//!
//! This module uses no sockets, clocks, threads or output. The caller gives it memory through [`Buffers`].
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
pub(crate) use payload::LARGE_MESSAGE;
pub use unfragmented::UnfragmentedMessage;
