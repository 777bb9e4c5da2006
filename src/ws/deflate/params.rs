//! The negotiated parameters of a connection, in one byte.

use super::agreement::{Agreement, WINDOW_BITS};

/// The negotiated parameters of permessage-deflate that a server needs for each message, in one byte of every connection.
///
/// The client's window is left out: the server may keep more bytes than the client refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeflateParams(u8);

impl DeflateParams {
    /// The parameters of a connection without the extension.
    pub const NONE: Self = Self(0);

    const NEGOTIATED: u8 = 1 << 7;
    const SERVER_TAKEOVER: u8 = 1 << 6;
    const CLIENT_TAKEOVER: u8 = 1 << 5;
    const ENVELOPED: u8 = 1 << 3;
    /// The bits of the server's window less the smallest one.
    const SERVER_BITS: u8 = 0b111;

    /// Returns whether the extension is negotiated, so that messages may be compressed.
    #[must_use]
    pub const fn is_negotiated(self) -> bool {
        self.0 & Self::NEGOTIATED != 0
    }

    /// Marks a connection on which the client's messages wrap payloads. The mark has nothing to do with compression, but it also limits the
    /// client's messages from the upgrade on, and this byte has a bit left for it.
    pub(crate) const fn enveloped(self) -> Self {
        Self(self.0 | Self::ENVELOPED)
    }

    /// Returns whether the client's messages wrap payloads.
    pub(crate) const fn is_enveloped(self) -> bool {
        self.0 & Self::ENVELOPED != 0
    }

    /// Returns the server's window (`server_max_window_bits`) as a power of two from 8 to 15.
    #[must_use]
    pub const fn server_window_bits(self) -> u8 {
        (self.0 & Self::SERVER_BITS) + *WINDOW_BITS.start()
    }

    /// Returns whether the server takes over context, so that its messages may refer to earlier ones.
    #[must_use]
    pub const fn server_context_takeover(self) -> bool {
        self.0 & Self::SERVER_TAKEOVER != 0
    }

    /// Returns whether the client takes over context, so that its messages may refer to earlier ones.
    #[must_use]
    pub const fn client_context_takeover(self) -> bool {
        self.0 & Self::CLIENT_TAKEOVER != 0
    }
}

impl From<Agreement> for DeflateParams {
    fn from(agreement: Agreement) -> Self {
        let bits = agreement.server.window_bits.unwrap_or(*WINDOW_BITS.end());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Self(
            Self::NEGOTIATED
                | flag(agreement.server.takeover, Self::SERVER_TAKEOVER)
                | flag(agreement.client.takeover, Self::CLIENT_TAKEOVER)
                | (bits.clamp(*WINDOW_BITS.start(), *WINDOW_BITS.end()) - WINDOW_BITS.start()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::deflate::Direction;

    #[test]
    fn every_agreement_keeps_what_the_server_needs() {
        assert!(!DeflateParams::NONE.is_negotiated() && !DeflateParams::NONE.enveloped().is_negotiated());
        for bits in (8..=15).map(Some).chain([None]) {
            for (server, client) in [(false, false), (false, true), (true, false), (true, true)] {
                let params = DeflateParams::from(Agreement {
                    server: Direction { takeover: server, window_bits: bits },
                    client: Direction { takeover: client, window_bits: Some(9) },
                });
                assert!(params.is_negotiated() && !params.is_enveloped());
                let wrapped = params.enveloped();
                assert!(wrapped.is_negotiated() && wrapped.is_enveloped());
                assert_eq!(wrapped.server_window_bits(), params.server_window_bits());
                assert_eq!(params.server_window_bits(), bits.unwrap_or(15));
                assert_eq!(
                    (params.server_context_takeover(), params.client_context_takeover()),
                    (server, client)
                );
            }
        }
    }
}
