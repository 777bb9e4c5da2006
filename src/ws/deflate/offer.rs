//! The client side of the negotiation of permessage-deflate: an offer, and the check of the server's answer (RFC 7692, sections 5 and 7.1).

use std::fmt;
use std::str::FromStr;

use super::NAME;
use super::agreement::{Agreement, CLIENT_MAX_WINDOW_BITS, Direction, Offer, WINDOW_BITS};
use crate::ws::extensions::{Extension, extensions};

/// The error of a text that is not an offer of permessage-deflate: it has another extension's name, several extensions, or a parameter that
/// is unknown, occurs twice, or has an illegal value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferError;

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no offer of {NAME}: write one such as `{NAME}; {CLIENT_MAX_WINDOW_BITS}`")
    }
}

impl std::error::Error for OfferError {}

impl FromStr for Offer {
    type Err = OfferError;

    /// Parses one offer in the form of a request's `Sec-WebSocket-Extensions`.
    fn from_str(text: &str) -> Result<Self, OfferError> {
        let mut offers = extensions(text.as_bytes());
        match (offers.next(), offers.next()) {
            (Some(only), None) if only.name == NAME.as_bytes() => Self::parse(&only).ok_or(OfferError),
            _ => Err(OfferError),
        }
    }
}

impl Offer {
    /// Returns the agreement if the server answers this offer with the extension `accepted`, whose name the caller has checked. Returns
    /// `None` for an illegal answer (section 7.1), upon which the client must fail the connection.
    pub(in crate::ws) fn agreement(&self, accepted: &Extension<'_>) -> Option<Agreement> {
        // An answer has the parameters of an offer, except that the client's window always has a value (section 7.1.2.2).
        let mut parameters = accepted.parameters();
        if parameters
            .any(|parameter| parameter.name == CLIENT_MAX_WINDOW_BITS.as_bytes() && parameter.value.is_none())
        {
            return None;
        }
        let answer = Self::parse(accepted)?;
        let is_server_takeover_legal = !self.server_no_context_takeover || answer.server_no_context_takeover;
        let is_server_window_legal = match (self.server_max_window_bits, answer.server_max_window_bits) {
            // Section 7.1.2.1: a server that accepts the limit names this window or a smaller one.
            (Some(most), named) => named.is_some_and(|bits| bits <= most),
            // A server may name a window without being asked.
            (None, _) => true,
        };
        let is_client_window_legal = match (self.client_max_window_bits, answer.client_max_window_bits) {
            (Some(most), Some(bits)) => bits <= most,
            // Section 7.1.2.2: a server must not name a window to a client that has not offered the parameter.
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if !(is_server_takeover_legal && is_server_window_legal && is_client_window_legal) {
            return None;
        }
        // A client keeps the limits that it has announced, whether or not the server repeats them.
        let own_window = self.client_max_window_bits.filter(|bits| bits != WINDOW_BITS.end());
        Some(Agreement {
            server: Direction {
                takeover: !answer.server_no_context_takeover,
                window_bits: answer.server_max_window_bits,
            },
            client: Direction {
                takeover: !(self.client_no_context_takeover || answer.client_no_context_takeover),
                window_bits: answer.client_max_window_bits.or(own_window),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadBuffer, parse_head};
    use crate::ws::deflate::ContextTakeover;

    #[test]
    fn only_one_legal_offer_is_an_offer() {
        for text in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            " permessage-deflate ; client_max_window_bits = \"9\"; server_no_context_takeover ",
        ] {
            assert!(text.parse::<Offer>().is_ok(), "{text}");
        }
        for text in [
            "",
            "permessage-bzip2",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        ] {
            let error = text.parse::<Offer>().expect_err(text);
            assert!(error.to_string().contains("client_max_window_bits"), "{error}");
        }
    }

    /// Checks that the client derives from the server's answer the agreement that the server has made of the offer.
    #[test]
    fn both_ends_agree_on_every_offer() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
        ] {
            for context in [
                ContextTakeover::Off,
                ContextTakeover::Window(8),
                ContextTakeover::Window(11),
                ContextTakeover::Window(15),
            ] {
                let head = format!("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n");
                let mut buffer = HeadBuffer::default();
                let (request, _) = parse_head(head.as_bytes(), &mut buffer).unwrap().unwrap();
                let theirs = Agreement::of(&request, context).unwrap();
                let mut answer = Vec::new();
                theirs.write(&mut answer);
                let accepted = extensions(&answer).next().unwrap();
                let ours = offer.parse::<Offer>().unwrap().agreement(&accepted).unwrap();
                assert_eq!(ours.server, theirs.server, "{offer}: {context:?}");
                assert_eq!(ours.client.takeover, theirs.client.takeover, "{offer}: {context:?}");
                let window = |agreement: Agreement| agreement.client.window_bits.unwrap_or(15);
                assert!(window(ours) <= window(theirs), "{offer}: {context:?}");
            }
        }
    }
}
