//! permessage-deflate (RFC 7692) without I/O: its negotiation in the handshake, and the compression and decompression of messages.

mod agreement;
mod deflater;
mod inflate_error;
mod inflater;
mod offer;
mod params;
#[cfg(test)]
mod reference;
mod window;
mod work;

pub use agreement::{Agreement, ContextTakeover, Direction, Offer};
pub use deflater::Deflater;
pub use inflate_error::InflateError;
pub use inflater::Inflater;
pub use offer::OfferError;
pub use params::DeflateParams;
pub use window::{Window, Windows};

/// The extension's registered name (RFC 6455-9.1-3).
pub(super) const NAME: &str = "permessage-deflate";
/// The last four bytes of a flushed DEFLATE stream, which are not sent (section 7.2.1): an empty stored block without its first byte.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
