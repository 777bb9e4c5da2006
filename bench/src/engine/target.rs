//! Where to connect to: `ws://` addresses.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http::Uri;

use super::wire::connect_reason;

/// A WebSocket server's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The socket address that the host resolved to: the first, or the first that took a connection ([`Target::reach`]).
    pub(crate) address: SocketAddr,
    /// The other addresses of the host.
    others: Vec<SocketAddr>,
    /// What goes into the `Host` header field.
    pub(crate) host: String,
    /// The request's target: path and query. `{n}` in it stands for a number of the connection's.
    pub(crate) path: String,
}

/// What stands for a connection's number in a [`Target::path`].
const NUMBER: &str = "{n}";

impl Target {
    /// Looks which of several addresses of the host takes connections, in order, each for some time at most, and keeps to that one:
    /// `localhost` is often `::1` before it is 127.0.0.1, where the server may be. Whoever has one address is not asked.
    pub(crate) fn reach(&mut self, patience: Duration) -> anyhow::Result<()> {
        if self.others.is_empty() {
            return Ok(());
        }
        let mut refused = String::new();
        for address in std::iter::once(self.address).chain(self.others.iter().copied()) {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(_) => {
                    self.address = address;
                    self.others.clear();
                    return Ok(());
                }
                Err(error) => write!(refused, "; {}", connect_reason(address, &error))?,
            }
        }
        bail!("no address of `{}` takes connections{refused}", self.host)
    }

    /// Whether connections with different numbers have different paths.
    pub(crate) fn is_numbered(&self) -> bool {
        self.path.contains(NUMBER)
    }

    /// The path of the connection with this number.
    pub(crate) fn path_of(&self, number: usize) -> Cow<'_, str> {
        if self.is_numbered() {
            Cow::Owned(self.path.replace(NUMBER, &number.to_string()))
        } else {
            Cow::Borrowed(&self.path)
        }
    }
}

/// How connections are numbered where a path tells them apart ([`Target::path_of`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The number of the first one.
    pub(crate) first: usize,
    /// Different numbers, at least one: behind the last of them the first comes again.
    pub(crate) different: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { first: 0, different: usize::MAX }
    }
}

impl Numbers {
    /// The number in the path of a connection, by its place in the engine.
    pub(crate) const fn of(self, place: usize) -> usize {
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
        let mut others = Vec::new();
        for other in resolved {
            if other != address && !others.contains(&other) {
                others.push(other);
            }
        }
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self { address, others, host: authority.to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

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
    fn a_host_with_several_addresses_is_reached_at_the_first_that_takes_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let nobody = |host: &str| TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let (one, two) = (nobody("127.0.0.2"), nobody("127.0.0.3"));
        let named = |addresses: &[SocketAddr]| {
            let mut target: Target = "ws://127.0.0.1/".parse().unwrap();
            (target.address, target.others) = (addresses[0], addresses[1..].to_vec());
            target.host = "name:9001".to_owned();
            target
        };
        let patience = Duration::from_secs(10);
        for addresses in [vec![one, two, open], vec![open, one], vec![open]] {
            let mut target = named(&addresses);
            target.reach(patience).unwrap();
            assert_eq!(target.address, open);
        }
        let error = named(&[one, two]).reach(patience).unwrap_err().to_string();
        let why = "connect: refused: nobody listens there";
        assert_eq!(
            error,
            format!("no address of `name:9001` takes connections; {why} ({one}); {why} ({two})")
        );
        // A single address is not asked: connections to it are counted by the command itself.
        assert_eq!(named(&[one]).reach(patience).map_err(|error| error.to_string()), Ok(()));
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
