//! permessage-deflate (RFC 7692) without I/O: what two ends agree on in the handshake, and messages compressed and decompressed.

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

/// The extension's name. RFC 6455-9.1-3: a registered one.
pub(super) const NAME: &str = "permessage-deflate";
/// The end of a flushed DEFLATE stream, which does not travel (section 7.2.1): an empty stored block but for its first byte.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
