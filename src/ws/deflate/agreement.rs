//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1), server side.

use std::ops::RangeInclusive;

use super::NAME;
use crate::http::Request;
use crate::ws::extensions::{Extension, Value, extensions};

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
pub(super) const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";
/// The smallest and the largest window as powers of two (section 7.1.2).
pub(super) const WINDOW_BITS: RangeInclusive<u8> = 8..=15;

/// How much context of a connection the server is ready to keep from one message to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextTakeover {
    /// Nothing: each message stands alone, in both directions.
    Off,
    /// The last bytes of each direction, as a power of two from 8 to 15; what is outside becomes the nearer of the two.
    ///
    /// The client is told to refer back no further. We are free to: within a message there is no need to keep anything, so that
    /// our own window is as large as the client allows, and only what is kept of earlier messages is as small.
    Window(u8),
}

/// How the messages of one direction are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// Whether a message may refer to those before it.
    pub takeover: bool,
    /// How far back it may refer, as a power of two of bytes, 8 to 15; `None` for 15, without a word about it.
    pub window_bits: Option<u8>,
}

/// What both ends have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// What the server sends.
    pub server: Direction,
    /// What the client sends.
    pub client: Direction,
}

impl Agreement {
    /// Accepts the first of the request's offers that can be accepted; `None` when there is none.
    ///
    /// An offer is declined, and the next one looked at, when it has a parameter that is unknown, is there twice, or has an
    /// illegal value (section 7.1). A list that breaks the grammar of extensions is none:
    /// [`Upgrade::of`](crate::ws::handshake::Upgrade::of) refuses such a request.
    ///
    /// ```
    /// use throng::http::{HeadBuffer, parse_head};
    /// use throng::ws::deflate::{Agreement, ContextTakeover};
    ///
    /// let head = b"GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    /// let mut buffer = HeadBuffer::default();
    /// let (request, _) = parse_head(head, &mut buffer).unwrap().unwrap();
    /// let mut response = Vec::new();
    /// Agreement::of(&request, ContextTakeover::Off).unwrap().write(&mut response);
    /// assert_eq!(response, b"permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    /// ```
    #[must_use]
    pub fn of(request: &Request<'_>, context: ContextTakeover) -> Option<Self> {
        // RFC 6455-9.1-6: several fields are one list. RFC 6455-4.2.2-8 and 6455-5.8-1: nothing is used that is not offered.
        let offers = request.header_all("sec-websocket-extensions").flat_map(extensions);
        let mut offers = offers.filter(|extension| extension.name == NAME.as_bytes());
        // RFC 7692-5-2: the first is what the client prefers.
        offers.find_map(|offer| Some(Offer::parse(&offer)?.accept(context)))
    }

    /// Appends what the response's `Sec-WebSocket-Extensions` says of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        // RFC 7692-5-6 and 7692-5-8: the name, and all that was agreed on, whichever offer it came from.
        out.extend_from_slice(NAME.as_bytes());
        for (direction, no_takeover, window_bits) in [
            (self.server, SERVER_NO_CONTEXT_TAKEOVER, SERVER_MAX_WINDOW_BITS),
            (self.client, CLIENT_NO_CONTEXT_TAKEOVER, CLIENT_MAX_WINDOW_BITS),
        ] {
            // RFC 7692-7.1.1.1-2 and 7692-7.1.1.2-2: without a value.
            if !direction.takeover {
                out.extend_from_slice(b"; ");
                out.extend_from_slice(no_takeover.as_bytes());
            }
            // RFC 7692-7.1.2.1-3 and 7692-7.1.2.2-3: 8 to 15, as a `Direction` has it.
            if let Some(bits) = direction.window_bits {
                out.extend_from_slice(format!("; {window_bits}={bits}").as_bytes());
            }
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// The largest window that the client would use, where it can be told to use a smaller one.
    pub(super) client_max_window_bits: Option<u8>,
}

impl Offer {
    /// `None` for an offer that must be declined (RFC 7692-7-1, 7692-7-2 and 7692-7-3). RFC 7692-7-4: of what is left
    /// everything is supported.
    pub(super) fn parse(extension: &Extension<'_>) -> Option<Self> {
        let mut offer = Self::default();
        for parameter in extension.parameters() {
            let is_new = match (std::str::from_utf8(parameter.name).ok()?, parameter.value) {
                // RFC 7692-7.1.1.1-1 and 7692-7.1.1.1-3
                (SERVER_NO_CONTEXT_TAKEOVER, None) => {
                    !std::mem::replace(&mut offer.server_no_context_takeover, true)
                }
                // RFC 7692-7.1.1.2-1
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => {
                    !std::mem::replace(&mut offer.client_no_context_takeover, true)
                }
                // RFC 7692-7.1.2.1-1
                (SERVER_MAX_WINDOW_BITS, Some(value)) => {
                    offer.server_max_window_bits.replace(window_bits(value)?).is_none()
                }
                // RFC 7692-7.1.2.2-1
                (CLIENT_MAX_WINDOW_BITS, value) => {
                    let bits = value.map_or(Some(*WINDOW_BITS.end()), window_bits)?;
                    offer.client_max_window_bits.replace(bits).is_none()
                }
                // RFC 6455-9.1-4
                _ => return None,
            };
            if !is_new {
                return None;
            }
        }
        Some(offer)
    }

    /// RFC 6455-9-2 and RFC 7692-5-7: what the server is ready for, as far as the offer allows it.
    fn accept(&self, context: ContextTakeover) -> Agreement {
        let none = |window_bits| Direction { takeover: false, window_bits };
        // RFC 7692-5-3 and 7692-7.1.2.1-2: accepted by naming the same window or a smaller one.
        let asked = self.server_max_window_bits;
        let ContextTakeover::Window(own) = context else {
            // Section 7.1.1.2: a server may demand of the client what it has not offered.
            return Agreement { server: none(asked), client: none(None) };
        };
        let own = own.clamp(*WINDOW_BITS.start(), *WINDOW_BITS.end());
        // RFC 7692-7.1.1.1-2
        let server = Direction { takeover: !self.server_no_context_takeover, window_bits: asked };
        // RFC 7692-5-5, 7692-7.1.2.2-2 and 7692-7.1.2.2-4: a window may be named only to a client that has said it understands.
        // Whoever has not would use the largest, so he is told to use none.
        let client = match self.client_max_window_bits {
            Some(most) if !self.client_no_context_takeover => {
                Direction { takeover: true, window_bits: Some(own.min(most)) }
            }
            _ => none(None),
        };
        Agreement { server, client }
    }
}

/// A decimal number from 8 to 15, without leading zeros (section 7.1.2).
fn window_bits(value: Value<'_>) -> Option<u8> {
    let mut digits = value.bytes();
    let bits = match (digits.next()?, digits.next(), digits.next()) {
        (digit @ b'8'..=b'9', None, None) => digit - b'0',
        (b'1', Some(digit @ b'0'..=b'5'), None) => 10 + (digit - b'0'),
        _ => return None,
    };
    debug_assert!(WINDOW_BITS.contains(&bits));
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadBuffer, parse_head};

    /// The response to offers, one header field each.
    fn response(fields: &[&str], context: ContextTakeover) -> Option<String> {
        let fields: String =
            fields.iter().map(|field| format!("Sec-WebSocket-Extensions: {field}\r\n")).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut buffer = HeadBuffer::default();
        let (request, _) = parse_head(head.as_bytes(), &mut buffer).unwrap().unwrap();
        Agreement::of(&request, context).map(|agreement| {
            let mut out = Vec::new();
            agreement.write(&mut out);
            String::from_utf8(out).unwrap()
        })
    }

    #[test]
    fn without_a_context_each_message_stands_alone() {
        const ALONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=9; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover",
        ] {
            assert_eq!(response(&[offer], ContextTakeover::Off).as_deref(), Some(ALONE), "{offer}");
        }
    }

    #[test]
    fn a_window_that_is_asked_for_is_named() {
        for (offered, named) in [("8", 8), ("9", 9), ("\"10\"", 10), ("\"1\\5\"", 15)] {
            let offer = format!("permessage-deflate; server_max_window_bits={offered}");
            let expected = format!(
                "permessage-deflate; server_no_context_takeover; server_max_window_bits={named}; client_no_context_takeover"
            );
            assert_eq!(response(&[&offer], ContextTakeover::Off), Some(expected), "{offered}");
        }
    }

    #[test]
    fn the_clients_context_is_as_small_as_either_end_wants() {
        for (offer, expected) in [
            ("", "; client_no_context_takeover"),
            ("; client_max_window_bits", "; client_max_window_bits=11"),
            ("; client_max_window_bits=9", "; client_max_window_bits=9"),
            ("; server_max_window_bits=10", "; server_max_window_bits=10; client_no_context_takeover"),
            (
                "; server_max_window_bits=15; client_max_window_bits=15",
                "; server_max_window_bits=15; client_max_window_bits=11",
            ),
            (
                "; server_no_context_takeover; client_max_window_bits",
                "; server_no_context_takeover; client_max_window_bits=11",
            ),
            (
                "; server_no_context_takeover; server_max_window_bits=12",
                "; server_no_context_takeover; server_max_window_bits=12; client_no_context_takeover",
            ),
            ("; client_no_context_takeover; client_max_window_bits", "; client_no_context_takeover"),
        ] {
            let expected = format!("permessage-deflate{expected}");
            let offer = format!("permessage-deflate{offer}");
            assert_eq!(response(&[&offer], ContextTakeover::Window(11)), Some(expected), "{offer}");
        }
        let widest =
            response(&["permessage-deflate; client_max_window_bits"], ContextTakeover::Window(99)).unwrap();
        assert!(widest.contains("client_max_window_bits=15"), "{widest}");
    }

    #[test]
    fn offers_that_break_a_rule_are_declined_and_the_next_is_looked_at() {
        for bad in [
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=1",
            "permessage-deflate; server_max_window_bits=100",
            "permessage-deflate; client_max_window_bits=0",
            "permessage-deflate; client_max_window_bits=x",
            "Permessage-Deflate",
            "permessage-bzip2",
        ] {
            assert_eq!(response(&[bad], ContextTakeover::Off), None, "{bad}");
            let then = format!("{bad}, permessage-deflate; server_max_window_bits=12");
            let accepted = response(&[&then], ContextTakeover::Off).unwrap_or_else(|| panic!("{then}"));
            assert!(accepted.contains("server_max_window_bits=12"), "{accepted}");
            let in_another_field = response(&[bad, "permessage-deflate"], ContextTakeover::Off);
            assert!(in_another_field.is_some(), "{bad}");
        }
        assert_eq!(response(&[], ContextTakeover::Off), None);
    }
}
