//! Kernel memory of connections, the two ends told apart where both are on this machine.

use serde::{Deserialize, Serialize};

use super::slab::{Cache, Slabs};

/// Caches with one object per connection on each side.
const PER_CONNECTION: [&str; 10] = [
    "TCP",
    "TCPv6",
    "dentry",
    "ep_head",
    "eventpoll_epi",
    "eventpoll_pwq",
    "filp",
    "lsm_file_cache",
    "lsm_inode_cache",
    "sock_inode_cache",
];
/// Caches of the side that connects: the ports it is bound to.
const CLIENT_ONLY: [&str; 2] = ["tcp_bind_bucket", "tcp_bind2_bucket"];
/// Caches, by the beginning of their names, of what either side may own: queued data, and blocks without a cache of their own.
/// Not of `TIME_WAIT`: it is what *earlier* connections left, and goes while later ones are held.
const EITHER: [&str; 3] = ["kmalloc-", "request_sock_", "skbuff_"];
/// Changes below so many bytes per connection are the noise of a living system.
const NOISE: f64 = 0.5;

/// The ends of a connection whose kernel memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Server and client are on this machine.
    Both,
    /// The clients are elsewhere.
    Server,
}

impl Ends {
    /// Those on the server's machine when so many of the load machines share its kernel; `None` when some do and others do not, as
    /// nothing tells their connections apart.
    pub(crate) const fn on_server(machines: u32, sharing_kernel: u32) -> Option<Self> {
        if sharing_kernel == 0 {
            Some(Self::Server)
        } else if sharing_kernel == machines {
            Some(Self::Both)
        } else {
            None
        }
    }
}

/// Whose a cache is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// Both sides have one object per connection in it.
    #[default]
    Both,
    /// Only the side that connects.
    Client,
    /// Either side's; taken to be one half each.
    Either,
    /// Has nothing to do with connections, as far as is known.
    Unrelated,
}

/// What a slab cache grew by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CacheGrowth {
    pub(crate) name: String,
    pub(crate) merged_with: Vec<String>,
    pub(crate) side: Side,
    pub(crate) objects: i64,
    /// Bytes more, waste included, of both sides.
    pub(crate) bytes: i64,
    pub(crate) server_bytes_per_connection: f64,
}

/// What kernel memory connections took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KernelMemory {
    pub(crate) server_bytes_per_connection: f64,
    /// Both sides' caches together.
    pub(crate) total_bytes: i64,
    /// The caches that changed by more than noise, the largest first.
    pub(crate) caches: Vec<CacheGrowth>,
}

impl KernelMemory {
    /// What the caches grew by from `before` to `after` with so many more connections.
    pub(crate) fn between(before: &Slabs, after: &Slabs, connections: u64, ends: Ends) -> Self {
        let nothing = Cache::default();
        let grown = after.0.iter().map(|(name, cache)| {
            growth(name, before.0.get(name).unwrap_or(&nothing), cache, connections, ends)
        });
        let grown =
            grown.filter(|cache| cache.side != Side::Unrelated || is_more_than_noise(cache, connections));
        let mut caches: Vec<CacheGrowth> = grown.collect();
        caches.sort_by_key(|cache| std::cmp::Reverse(cache.bytes));
        let related = || caches.iter().filter(|cache| cache.side != Side::Unrelated);
        let server_bytes_per_connection = related().map(|cache| cache.server_bytes_per_connection).sum();
        let total_bytes = related().map(|cache| cache.bytes).sum();
        caches.retain(|cache| is_more_than_noise(cache, connections));
        Self { server_bytes_per_connection, total_bytes, caches }
    }
}

fn growth(name: &str, before: &Cache, after: &Cache, connections: u64, ends: Ends) -> CacheGrowth {
    let bytes = after.bytes.cast_signed() - before.bytes.cast_signed();
    let objects = after.objects.cast_signed() - before.objects.cast_signed();
    let known = |list: &[&str]| after.names.iter().filter(|name| list.contains(&name.as_str())).count();
    let (both, client) = (known(&PER_CONNECTION), known(&CLIENT_ONLY));
    let side = if both > 0 {
        Side::Both
    } else if client > 0 {
        Side::Client
    } else if EITHER.iter().any(|prefix| name.starts_with(prefix)) {
        Side::Either
    } else {
        Side::Unrelated
    };
    let share = match side {
        Side::Both | Side::Either if ends == Ends::Server => 1.0,
        // The server has one object per connection and cache. What is more than its half belongs to others that share the
        // cache: the client's ports where caches are merged, or other programs.
        Side::Both if objects > 0 => ((both as f64 * connections as f64) / objects as f64).min(0.5),
        Side::Both | Side::Either => 0.5,
        Side::Client | Side::Unrelated => 0.0,
    };
    let merged = after.names.iter().filter(|&other| other != name);
    let merged =
        merged.filter(|name| PER_CONNECTION.contains(&name.as_str()) || CLIENT_ONLY.contains(&name.as_str()));
    CacheGrowth {
        name: name.to_owned(),
        merged_with: merged.cloned().collect(),
        side,
        objects,
        bytes,
        server_bytes_per_connection: bytes as f64 * share / connections.max(1) as f64,
    }
}

fn is_more_than_noise(cache: &CacheGrowth, connections: u64) -> bool {
    cache.bytes.unsigned_abs() as f64 >= NOISE * connections as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slabs(caches: &[(&str, u64, u64, &[&str])]) -> Slabs {
        let cache = |&(name, objects, bytes, also): &(&str, u64, u64, &[&str])| {
            let names = std::iter::once(name).chain(also.iter().copied()).map(str::to_owned).collect();
            (name.to_owned(), Cache { objects, bytes, names })
        };
        Slabs(caches.iter().map(cache).collect())
    }

    #[test]
    fn the_two_ends_are_told_apart() {
        let ports: &[&str] = &["tcp_bind_bucket", "tcp_bind2_bucket", "fib6_node"];
        let before = slabs(&[
            ("TCP", 10, 25_000, &[]),
            ("tw_sock_TCP", 500, 128_000, &[]),
            ("eventpoll_epi", 0, 0, ports),
            ("ext4_inode_cache", 1, 1000, &[]),
        ]);
        let after = slabs(&[
            ("TCP", 2_010, 5_025_000, &[]),
            ("tw_sock_TCP", 0, 0, &[]),
            ("eventpoll_epi", 3_000, 384_000, ports),
            ("ext4_inode_cache", 100, 100_000, &[]),
            ("kmalloc-512", 2_000, 1_000_000, &[]),
            ("tcp_bind2_bucket_of_another_kernel", 1, 10, &["tcp_bind2_bucket"]),
        ]);
        let kernel = KernelMemory::between(&before, &after, 1_000, Ends::Both);
        let of = |name: &str| kernel.caches.iter().find(|cache| cache.name == name).unwrap();
        // Half of the sockets; a third of what epoll shares with the client's ports; no files; half of what is either's.
        assert!((of("TCP").server_bytes_per_connection - 2_500.0).abs() < 0.01);
        assert!((of("eventpoll_epi").server_bytes_per_connection - 128.0).abs() < 0.01);
        assert_eq!(of("eventpoll_epi").merged_with, ["tcp_bind_bucket", "tcp_bind2_bucket"]);
        assert_eq!(of("ext4_inode_cache").side, Side::Unrelated);
        assert_eq!(of("tw_sock_TCP").side, Side::Unrelated);
        assert!((kernel.server_bytes_per_connection - 3_128.0).abs() < 0.01);
        assert_eq!(kernel.total_bytes, 5_000_000 + 384_000 + 1_000_000 + 10);
        assert!(kernel.caches.iter().all(|cache| cache.bytes != 10));
    }
}
