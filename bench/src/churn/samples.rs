//! What is looked at every second, and whether it grows.

use std::time::Duration;

use serde::Serialize;

use super::visits::Visits;
use crate::measure::process::user_bytes;
use crate::measure::slab::Slabs;
use crate::measure::sockets::TcpSockets;
use crate::servers::running::Running;

/// How much of the steady state its beginning and its end are.
const WINDOW: Duration = Duration::from_secs(10);
/// Growth below so many bytes is none.
const GROWTH_BYTES: f64 = 1024.0 * 1024.0;
/// Growth below this part of what was there is none.
const GROWTH_SHARE: f64 = 0.02;
/// The kernel's caches that nothing but sockets use. What else a connection takes (files, epoll's entries, ports, queued data)
/// lies in caches that every program uses, and comes and goes with these.
const SOCKET_CACHES: [&str; 3] = ["TCP", "TCPv6", "sock_inode_cache"];
/// What a socket takes in them, about.
const SOCKET_BYTES: u32 = 3_400;

/// One look at the server, the kernel and the clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) user_bytes: u64,
    pub(crate) kernel_bytes: Option<u64>,
    pub(crate) slab_bytes: Option<u64>,
    pub(crate) time_wait: u64,
    pub(crate) foreign_sockets: i64,
    pub(crate) open: u64,
    pub(crate) sockets: u64,
    pub(crate) accepted: u64,
    pub(crate) opened: u64,
    pub(crate) lost: u64,
    pub(crate) buffered_bytes: u64,
    pub(crate) held: u64,
    pub(crate) visitors: u64,
}

/// Takes a look.
pub(super) fn look(seconds: f64, server: &Running, held: u64, visits: &Visits) -> anyhow::Result<Sample> {
    let slabs = Slabs::read().ok();
    let sockets = TcpSockets::read()?;
    let stats = server.stats()?;
    Ok(Sample {
        seconds,
        user_bytes: user_bytes(server.pid())?,
        kernel_bytes: slabs.as_ref().map(socket_bytes),
        slab_bytes: slabs.as_ref().map(Slabs::bytes),
        time_wait: sockets.time_wait,
        // Both ends of each of the server's are here.
        foreign_sockets: sockets.in_use.cast_signed() - 2 * stats.sockets.cast_signed(),
        open: stats.open,
        sockets: stats.sockets,
        accepted: stats.accepted,
        opened: stats.opened,
        lost: stats.lost,
        buffered_bytes: stats.buffered_bytes,
        held,
        visitors: visits.here,
    })
}

fn socket_bytes(slabs: &Slabs) -> u64 {
    let is_of_sockets = |name: &String| SOCKET_CACHES.contains(&name.as_str());
    slabs.0.values().filter(|cache| cache.names.iter().any(is_of_sockets)).map(|cache| cache.bytes).sum()
}

/// Why the kernel's memory says nothing about the server, if so many sockets of others came or went that they alone could have
/// it grow too much, or hide that it does.
pub(super) fn disturbance(samples: &[Sample], kernel: &Growth) -> Option<String> {
    let foreign = || samples.iter().map(|sample| sample.foreign_sockets);
    let changed = foreign().max()?.abs_diff(foreign().min()?);
    let too_many = (kernel.limit - kernel.first) / f64::from(SOCKET_BYTES);
    let is_disturbed = changed as f64 > too_many;
    is_disturbed.then(|| format!("other programs' sockets changed by about {changed} meanwhile"))
}

/// A figure at the beginning of the steady state and at its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Growth {
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) limit: f64,
    pub(crate) met: bool,
}

impl Growth {
    /// Compares the last ten seconds with the first ten, or the halves of a shorter time.
    pub(super) fn of(samples: &[Sample], figure: impl Fn(&Sample) -> Option<u64>) -> Option<Self> {
        let end = samples.last()?.seconds;
        let window = WINDOW.as_secs_f64().min(end / 2.0);
        let mean = |is_in: &dyn Fn(f64) -> bool| {
            let inside = samples.iter().filter(|sample| is_in(sample.seconds));
            let figures: Option<Vec<u64>> = inside.map(&figure).collect();
            figures
                .filter(|figures| !figures.is_empty())
                .map(|figures| figures.iter().sum::<u64>() as f64 / figures.len() as f64)
        };
        let first = mean(&|seconds| seconds <= window)?;
        let last = mean(&|seconds| seconds >= end - window)?;
        let limit = first + GROWTH_BYTES.max(first * GROWTH_SHARE);
        Some(Self { first, last, limit, met: last <= limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::slab::Cache;

    fn samples(seconds: u32, user_bytes: impl Fn(u32) -> u64) -> Vec<Sample> {
        let sample = |second: u32| Sample {
            seconds: f64::from(second),
            user_bytes: user_bytes(second),
            ..Sample::default()
        };
        (0..=seconds).map(sample).collect()
    }

    fn user(sample: &Sample) -> Option<u64> {
        Some(sample.user_bytes)
    }

    #[test]
    fn growth_is_judged_by_the_first_and_last_ten_seconds() {
        let mib = |mib: u64| mib << 20;
        let steady = Growth::of(&samples(60, |_| mib(200)), user).unwrap();
        assert!(steady.met && (steady.first - steady.last).abs() < 1.0);
        let peak = samples(60, |second| if (20..40).contains(&second) { mib(900) } else { mib(200) });
        assert!(Growth::of(&peak, user).unwrap().met);
        let growing =
            Growth::of(&samples(60, |second| mib(200) + u64::from(second) * 100_000), user).unwrap();
        assert!(!growing.met, "{growing:?}");
        // 1 MiB is nothing however small the whole is, and two percent are nothing however large.
        assert!(Growth::of(&samples(60, |second| u64::from(second) * 20_000), user).unwrap().met);
        let large = samples(60, |second| mib(2_000) + u64::from(second) * 800_000);
        assert!(Growth::of(&large, user).unwrap().met);
    }

    #[test]
    fn a_short_time_is_halved_and_no_figure_is_no_growth() {
        let short = Growth::of(&samples(4, |second| u64::from(second) << 20), user).unwrap();
        assert!(
            (short.first - f64::from(1 << 20)).abs() < 1.0 && (short.last - f64::from(3 << 20)).abs() < 1.0
        );
        assert_eq!(Growth::of(&samples(60, |_| 1), |sample| sample.kernel_bytes), None);
        assert_eq!(Growth::of(&[], user), None);
    }

    #[test]
    fn the_kernel_is_judged_only_by_sockets_of_ours() {
        let kernel = Growth { first: 100e6, last: 100e6, limit: 102e6, met: true };
        let mut samples = samples(3, |_| 0);
        (samples[0].foreign_sockets, samples[2].foreign_sockets) = (20, 500);
        assert_eq!(disturbance(&samples, &kernel), None);
        samples[1].foreign_sockets = -300;
        assert!(disturbance(&samples, &kernel).unwrap().contains("800"));
        let cache =
            |name: &str, bytes| (name.to_owned(), Cache { objects: 1, bytes, names: vec![name.to_owned()] });
        let slabs = [cache("TCP", 5), cache("dentry", 7), cache("sock_inode_cache", 9)];
        assert_eq!(socket_bytes(&Slabs(slabs.into())), 14);
    }
}
