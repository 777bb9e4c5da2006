//! The server side of the negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1).

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

/// How much context of a connection the server keeps from one message to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextTakeover {
    /// No context: each message is compressed separately, in both directions.
    Off,
    /// The last bytes of each direction, as a power of two from 8 to 15; a value outside becomes the nearer limit.
    ///
    /// The server limits the client's window to this size. Its own window is as large as the client allows, because references within a
    /// message need no kept context; only the context kept from earlier messages has this size.
    Window(u8),
}

/// The compression of the messages of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// Whether a message may refer to earlier messages.
    pub takeover: bool,
    /// The window, the farthest distance of a reference in bytes, as a power of two from 8 to 15. `None` means 15, and the parameter is not
    /// sent.
    pub window_bits: Option<u8>,
}

/// The compression that both ends have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The compression of the server's messages.
    pub server: Direction,
    /// The compression of the client's messages.
    pub client: Direction,
}

impl Agreement {
    /// Accepts the first acceptable offer of the request; returns `None` if there is none.
    ///
    /// An offer is declined, and the next one is tried, if it has a parameter that is unknown, occurs twice, or has an illegal value
    /// (section 7.1). A list that breaks the grammar of extensions offers nothing: [`Upgrade::of`](crate::ws::handshake::Upgrade::of)
    /// refuses such a request.
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
        // RFC 6455-9.1-6: several fields form one list. RFC 6455-4.2.2-8 and 6455-5.8-1: only offered extensions are used.
        let offers = request.header_all("sec-websocket-extensions").flat_map(extensions);
        let mut offers = offers.filter(|extension| extension.name == NAME.as_bytes());
        // RFC 7692-5-2: the client prefers its first offer.
        offers.find_map(|offer| Some(Offer::parse(&offer)?.accept(context)))
    }

    /// Appends the agreement's element of the response's `Sec-WebSocket-Extensions`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // RFC 7692-5-6 and 7692-5-8: the name and all agreed parameters, whichever offer they come from.
        out.extend_from_slice(NAME.as_bytes());
        for (direction, no_takeover, window_bits) in [
            (self.server, SERVER_NO_CONTEXT_TAKEOVER, SERVER_MAX_WINDOW_BITS),
            (self.client, CLIENT_NO_CONTEXT_TAKEOVER, CLIENT_MAX_WINDOW_BITS),
        ] {
            // RFC 7692-7.1.1.1-2 and 7692-7.1.1.2-2: the parameter has no value.
            if !direction.takeover {
                out.extend_from_slice(b"; ");
                out.extend_from_slice(no_takeover.as_bytes());
            }
            // RFC 7692-7.1.2.1-3 and 7692-7.1.2.2-3: the value is 8 to 15, as in a `Direction`.
            if let Some(bits) = direction.window_bits {
                out.extend_from_slice(format!("; {window_bits}={bits}").as_bytes());
            }
        }
    }
}

/// A client's offer of permessage-deflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// The largest window that the client uses; `None` if the server must not limit it.
    pub(super) client_max_window_bits: Option<u8>,
}

impl Offer {
    /// Parses an offer; returns `None` if it must be declined (RFC 7692-7-1, 7692-7-2 and 7692-7-3). All parameters of a parsed offer are
    /// supported (RFC 7692-7-4).
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

    /// Accepts the offer with as much of the server's `context` as it allows (RFC 6455-9-2 and RFC 7692-5-7).
    fn accept(&self, context: ContextTakeover) -> Agreement {
        let none = |window_bits| Direction { takeover: false, window_bits };
        // RFC 7692-5-3 and 7692-7.1.2.1-2: the server accepts a window by naming the same one or a smaller one.
        let offered_bits = self.server_max_window_bits;
        let ContextTakeover::Window(own) = context else {
            // Section 7.1.1.2: a server may demand `client_no_context_takeover` even if the client has not offered it.
            return Agreement { server: none(offered_bits), client: none(None) };
        };
        let own = own.clamp(*WINDOW_BITS.start(), *WINDOW_BITS.end());
        // RFC 7692-7.1.1.1-2
        let server = Direction { takeover: !self.server_no_context_takeover, window_bits: offered_bits };
        // RFC 7692-5-5, 7692-7.1.2.2-2 and 7692-7.1.2.2-4: a window may be named only to a client that has offered the parameter. Another
        // client would use the largest window, so the server turns its context takeover off.
        let client = match self.client_max_window_bits {
            Some(most) if !self.client_no_context_takeover => {
                Direction { takeover: true, window_bits: Some(own.min(most)) }
            }
            _ => none(None),
        };
        Agreement { server, client }
    }
}

/// Parses a decimal number from 8 to 15 without leading zeros (section 7.1.2).
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

    /// Returns the response to offers, each in a header field of its own.
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
