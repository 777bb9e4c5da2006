//! Memory of socket buffers.

use anyhow::Context;

/// Bytes that the buffers of all TCP sockets of this machine take, `mem` of the line `TCP:` of /proc/net/sockstat: what waits to be
/// sent, to be acknowledged or to be read. The kernel adds it up in whole pages, and by processor in up to 1 MiB.
pub(crate) fn tcp_buffer_bytes() -> anyhow::Result<u64> {
    const PATH: &str = "/proc/net/sockstat";
    let text = std::fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
    let pages = tcp_pages(&text).with_context(|| format!("{PATH} has an unknown form"))?;
    Ok(pages * procfs::page_size())
}

/// `TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 229`
fn tcp_pages(text: &str) -> Option<u64> {
    let mut words = text.lines().find_map(|line| line.strip_prefix("TCP:"))?.split_whitespace();
    words.find(|&word| word == "mem")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_tcp_are_found() {
        let text = "sockets: used 15\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 229\nUDP: inuse 0 mem 7\n";
        assert_eq!(tcp_pages(text), Some(229));
        assert_eq!(tcp_pages("UDP: inuse 0 mem 7\n"), None);
        assert!(tcp_buffer_bytes().is_ok());
    }
}
