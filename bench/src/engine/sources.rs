//! Which addresses to connect from, so that the ports do not run out.
//!
//! A connection is named by both its addresses and ports, so that one source address has at most a port range's worth of
//! connections to each destination. The kernel's search for a free port grows long well before that: it tries ports of one
//! parity first, and one after the other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, ensure};

/// Percentage of the port range to fill for each pair of source and destination.
const FILL_PERCENT: u64 = 40;
/// The loopback addresses to connect from, 127.0.0.2 on; 127.0.0.1 is left to the servers.
const FIRST_SOURCE: u32 = Ipv4Addr::new(127, 0, 0, 2).to_bits();
/// 127.0.0.0/8 has far more, but every use that needs more than these is a mistake.
const MOST_SOURCES: u32 = 4096;

/// Source addresses to take in turn; none leaves the choice to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sources(Vec<SocketAddr>);

impl Sources {
    /// Chooses addresses for `connections` to `targets`: `wanted` of them, or as many as are needed. Only loopback IPv4 has
    /// addresses to spare; elsewhere the kernel's choice of one must do.
    pub(crate) fn choose(
        targets: &[SocketAddr],
        connections: u64,
        wanted: Option<u32>,
    ) -> anyhow::Result<Self> {
        let (low, high) = port_range()?;
        Self::choose_within(targets, connections, wanted, u64::from(high.saturating_sub(low)) + 1)
    }

    /// Takes the addresses given, which this machine must have.
    pub(crate) fn given(
        targets: &[SocketAddr],
        connections: u64,
        addresses: &[IpAddr],
    ) -> anyhow::Result<Self> {
        let (low, high) = port_range()?;
        let ports = u64::from(high.saturating_sub(low)) + 1;
        let pairs = (addresses.len() * targets.len()) as u64;
        ensure!(
            connections <= pairs * ports,
            "{connections} connections need more ports than {} source and {} destination addresses have: give more --source \
             or --to, or widen net.ipv4.ip_local_port_range ({ports} ports)",
            addresses.len(),
            targets.len()
        );
        for source in addresses {
            let fits = targets.iter().all(|target| target.is_ipv4() == source.is_ipv4());
            ensure!(fits, "source {source} cannot connect to an address of another family");
        }
        Ok(Self(addresses.iter().map(|&address| SocketAddr::new(address, 0)).collect()))
    }

    fn choose_within(
        targets: &[SocketAddr],
        connections: u64,
        wanted: Option<u32>,
        ports: u64,
    ) -> anyhow::Result<Self> {
        let destinations = targets.len().max(1) as u64;
        let loopback = targets.iter().all(|target| target.is_ipv4() && target.ip().is_loopback());
        let needed = connections.div_ceil((ports * FILL_PERCENT / 100).max(1) * destinations);
        let sources = if loopback { u64::from(wanted.unwrap_or(0)).max(1) } else { 1 };
        let chosen = if loopback && wanted.is_none() { needed.max(1) } else { sources };
        ensure!(
            loopback || wanted.is_none_or(|wanted| wanted <= 1),
            "several source addresses are for targets in 127.0.0.0/8 only: leave out --sources"
        );
        ensure!(
            connections <= chosen * destinations * ports,
            "{connections} connections need more ports than {chosen} source and {destinations} destination addresses have: \
             give more --to or --sources, or widen net.ipv4.ip_local_port_range ({ports} ports)"
        );
        ensure!(chosen <= u64::from(MOST_SOURCES), "over {MOST_SOURCES} source addresses are not supported");
        if !loopback {
            return Ok(Self(Vec::new()));
        }
        let addresses = (FIRST_SOURCE..).take(usize::try_from(chosen)?);
        Ok(Self(addresses.map(|bits| SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), 0)).collect()))
    }

    /// The source of the connection with this number: they take turns.
    pub(crate) fn of(&self, number: usize) -> Option<SocketAddr> {
        if self.0.is_empty() { None } else { Some(self.0[number % self.0.len()]) }
    }

    /// The number of addresses, at least one.
    pub(crate) fn count(&self) -> usize {
        self.0.len().max(1)
    }
}

/// The ports that the kernel gives to connections, /proc/sys/net/ipv4/ip_local_port_range.
fn port_range() -> anyhow::Result<(u16, u16)> {
    const PATH: &str = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
    parse_port_range(&text).with_context(|| format!("{PATH} holds no range: `{}`", text.trim()))
}

fn parse_port_range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (Some(Ok(low)), Some(Ok(high)), None) = (numbers.next(), numbers.next(), numbers.next()) else {
        return None;
    };
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|target| target.parse().unwrap()).collect()
    }

    #[test]
    fn as_many_as_the_ports_demand_and_taken_in_turn() {
        let sources = Sources::choose_within(&targets(&["127.0.0.1:1"]), 1_000_000, None, 28_232).unwrap();
        assert_eq!(sources.count(), 89);
        assert_eq!(sources.of(0), Some("127.0.0.2:0".parse().unwrap()));
        assert_eq!(sources.of(88), Some("127.0.0.90:0".parse().unwrap()));
        assert_eq!(sources.of(89), sources.of(0));
        let two = targets(&["127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(Sources::choose_within(&two, 1_000_000, None, 28_232).unwrap().count(), 45);
        assert_eq!(Sources::choose_within(&two, 5, Some(3), 28_232).unwrap().count(), 3);
    }

    #[test]
    fn too_few_ports_are_told_before_the_start() {
        let error = Sources::choose_within(&targets(&["127.0.0.1:1"]), 30_000, Some(1), 28_232).unwrap_err();
        assert!(error.to_string().contains("--sources"), "{error}");
        assert!(Sources::choose_within(&targets(&["[::1]:1"]), 30_000, None, 28_232).is_err());
        let sources = Sources::choose_within(&targets(&["[::1]:1"]), 20_000, None, 28_232).unwrap();
        assert_eq!((sources.count(), sources.of(7)), (1, None));
        assert!(Sources::choose_within(&targets(&["[::1]:1"]), 1, Some(2), 28_232).is_err());
    }

    #[test]
    fn given_addresses_take_turns() {
        let to = targets(&["10.0.0.1:1"]);
        let two = ["10.0.0.2".parse().unwrap(), "10.0.0.3".parse().unwrap()];
        let sources = Sources::given(&to, 40_000, &two).unwrap();
        assert_eq!((sources.count(), sources.of(3)), (2, Some("10.0.0.3:0".parse().unwrap())));
        assert!(Sources::given(&to, 140_000, &two).unwrap_err().to_string().contains("--source"));
        assert!(Sources::given(&targets(&["[::1]:1"]), 1, &two).is_err());
    }

    #[test]
    fn the_port_range_is_read_or_refused() {
        assert_eq!(parse_port_range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(parse_port_range("60999 32768"), None);
        assert_eq!(parse_port_range("32768"), None);
        assert!(port_range().is_ok());
    }
}
