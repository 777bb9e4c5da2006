//! TCP sockets as the kernel counts them.

use anyhow::Context;

/// What the line `TCP:` of /proc/net/sockstat says.
pub(crate) struct TcpSockets {
    /// Sockets of this network namespace.
    pub(crate) in_use: u64,
    pub(crate) time_wait: u64,
    /// What the buffers of all TCP sockets of this machine take: what waits to be sent, to be acknowledged or to be read. The kernel
    /// adds it up in whole pages, and by processor in up to 1 MiB.
    pub(crate) buffer_bytes: u64,
}

impl TcpSockets {
    pub(crate) fn read() -> anyhow::Result<Self> {
        const PATH: &str = "/proc/net/sockstat";
        let text = std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        Self::parse(&text, procfs::page_size()).with_context(|| format!("{PATH} has an unknown form"))
    }

    /// `TCP: inuse 5 orphan 0 tw 2 alloc 6 mem 1` is one of its lines.
    fn parse(text: &str, page_size: u64) -> Option<Self> {
        let mut words = text.lines().find_map(|line| line.strip_prefix("TCP:"))?.split_whitespace();
        let mut after = |name| words.find(|&word| word == name).and_then(|_| words.next()?.parse().ok());
        let (in_use, time_wait, pages): (_, _, u64) = (after("inuse")?, after("tw")?, after("mem")?);
        Some(Self { in_use, time_wait, buffer_bytes: pages * page_size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_their_buffers_are_read() {
        let text = "sockets: used 15\nTCP: inuse 5 orphan 0 tw 2 alloc 6 mem 229\nUDP: inuse 0 mem 7\n";
        let sockets = TcpSockets::parse(text, 4096).unwrap();
        assert_eq!((sockets.in_use, sockets.time_wait, sockets.buffer_bytes), (5, 2, 229 * 4096));
        assert!(TcpSockets::parse("UDP: inuse 0 mem 7\n", 4096).is_none());
        assert!(TcpSockets::read().is_ok());
    }
}
