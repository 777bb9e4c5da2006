//! An agreement as the server needs it for each message, in a byte.

use super::agreement::{Agreement, WINDOW_BITS};

/// What an [`Agreement`] comes to for the server: small enough to be kept with every connection.
///
/// The client's window is not in it: a server may always remember more than the client refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms(u8);

impl Terms {
    /// Nothing was agreed on.
    pub const NONE: Self = Self(0);

    const AGREED: u8 = 1 << 7;
    const SERVER_TAKEOVER: u8 = 1 << 6;
    const CLIENT_TAKEOVER: u8 = 1 << 5;
    const ENVELOPED: u8 = 1 << 3;
    /// The server's window, less the smallest.
    const SERVER_BITS: u8 = 0b111;

    /// Whether messages may be compressed at all.
    #[must_use]
    pub const fn is_agreed(self) -> bool {
        self.0 & Self::AGREED != 0
    }

    /// The same for a client whose messages wrap payloads. It is nothing of compression's, but it, too, bounds the client's messages from
    /// the upgrade on, and here is room for it.
    pub(crate) const fn enveloped(self) -> Self {
        Self(self.0 | Self::ENVELOPED)
    }

    /// Whether the client's messages wrap payloads.
    pub(crate) const fn is_enveloped(self) -> bool {
        self.0 & Self::ENVELOPED != 0
    }

    /// How far back what the server sends may refer, as a power of two from 8 to 15.
    #[must_use]
    pub const fn server_bits(self) -> u8 {
        (self.0 & Self::SERVER_BITS) + *WINDOW_BITS.start()
    }

    /// Whether what the server sends may refer to the messages before.
    #[must_use]
    pub const fn server_takeover(self) -> bool {
        self.0 & Self::SERVER_TAKEOVER != 0
    }

    /// Whether what the client sends may refer to the messages before.
    #[must_use]
    pub const fn client_takeover(self) -> bool {
        self.0 & Self::CLIENT_TAKEOVER != 0
    }
}

impl From<Agreement> for Terms {
    fn from(agreement: Agreement) -> Self {
        let bits = agreement.server.window_bits.unwrap_or(*WINDOW_BITS.end());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Self(
            Self::AGREED
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
        assert!(!Terms::NONE.is_agreed() && !Terms::NONE.enveloped().is_agreed());
        for bits in (8..=15).map(Some).chain([None]) {
            for (server, client) in [(false, false), (false, true), (true, false), (true, true)] {
                let terms = Terms::from(Agreement {
                    server: Direction { takeover: server, window_bits: bits },
                    client: Direction { takeover: client, window_bits: Some(9) },
                });
                assert!(terms.is_agreed() && !terms.is_enveloped());
                let wrapped = terms.enveloped();
                assert!(wrapped.is_agreed() && wrapped.is_enveloped());
                assert_eq!(wrapped.server_bits(), terms.server_bits());
                assert_eq!(terms.server_bits(), bits.unwrap_or(15));
                assert_eq!((terms.server_takeover(), terms.client_takeover()), (server, client));
            }
        }
    }
}
