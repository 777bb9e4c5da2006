//! Where to connect to: `ws://` addresses.

use std::borrow::Cow;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use http::Uri;

/// A WebSocket server's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The socket address that the host resolved to.
    pub address: SocketAddr,
    /// What goes into the `Host` header field.
    pub host: String,
    /// The request's target: path and query. `{n}` in it stands for a number of the connection's.
    pub path: String,
}

/// What stands for a connection's number in a [`Target::path`].
const NUMBER: &str = "{n}";

impl Target {
    /// Whether connections with different numbers have different paths.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.path.contains(NUMBER)
    }

    /// The path of the connection with this number.
    #[must_use]
    pub fn path_of(&self, number: usize) -> Cow<'_, str> {
        if self.is_numbered() {
            Cow::Owned(self.path.replace(NUMBER, &number.to_string()))
        } else {
            Cow::Borrowed(&self.path)
        }
    }
}

/// How connections are numbered where a path tells them apart ([`Target::path_of`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The number of the first one.
    pub first: usize,
    /// Different numbers, at least one: behind the last of them the first comes again.
    pub different: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { first: 0, different: usize::MAX }
    }
}

impl Numbers {
    /// The number in the path of a connection, by its place in the swarm.
    #[must_use]
    pub const fn of(self, place: usize) -> usize {
        (self.first + place) % self.different
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let uri: Uri = text.parse().with_context(|| format!("`{text}` is no address"))?;
        match uri.scheme_str() {
            Some("ws") => {}
            Some("wss") => bail!("`{text}`: TLS is not supported; connect to the server's plain port"),
            _ => bail!("`{text}`: an address looks like ws://127.0.0.1:9001/path"),
        }
        let host = uri.host().ok_or_else(|| anyhow!("`{text}` names no host"))?;
        let authority = uri.authority().map_or(host, http::uri::Authority::as_str);
        let bare_host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(80);
        let mut resolved = (bare_host, port)
            .to_socket_addrs()
            .with_context(|| format!("`{host}` does not resolve to an address"))?;
        let address = resolved.next().ok_or_else(|| anyhow!("`{host}` has no address"))?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self { address, host: authority.to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let target: Target = "ws://127.0.0.1:9001/feed?x=1".parse().unwrap();
        assert_eq!(target.address, "127.0.0.1:9001".parse().unwrap());
        assert_eq!((&target.host[..], &target.path[..]), ("127.0.0.1:9001", "/feed?x=1"));
        let target: Target = "ws://[::1]".parse().unwrap();
        assert_eq!(target.address, "[::1]:80".parse().unwrap());
        assert_eq!((&target.host[..], &target.path[..]), ("[::1]", "/"));
    }

    #[test]
    fn a_path_may_have_the_connection_s_number_in_it() {
        let target: Target = "ws://127.0.0.1:9001/topics/t-{n}?again={n}".parse().unwrap();
        assert!(target.is_numbered());
        assert_eq!(target.path_of(17), "/topics/t-17?again=17");
        let target: Target = "ws://127.0.0.1:9001/feed".parse().unwrap();
        assert!(!target.is_numbered());
        assert_eq!(target.path_of(17), "/feed");
        let numbers = Numbers { first: 4, different: 3 };
        assert_eq!([0, 1, 2, 3].map(|place| numbers.of(place)), [1, 2, 0, 1]);
        assert_eq!(Numbers::default().of(17), 17);
    }

    #[test]
    fn what_is_no_websocket_address_is_refused_with_a_hint() {
        for (text, hint) in [
            ("wss://127.0.0.1/", "TLS"),
            ("http://127.0.0.1/", "ws://"),
            ("127.0.0.1:80", "ws://"),
            ("ws://", "address"),
            ("ws://a b/", "address"),
        ] {
            let error = format!("{:#}", text.parse::<Target>().unwrap_err());
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
