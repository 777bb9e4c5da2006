//! What an operator decides.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Listen;
use super::error::ConfigError;
use crate::budget::{LEAST_HEAD, LEAST_HEADERS, LEAST_OUTBOX, MAX_WORKERS, MOST_HEAD};
use crate::http::{HeadLimits, MAX_HEAD, MAX_HEADERS, MOST_HEADERS};
use crate::worker::{Deflation, MAX_TIME, PingPolicy};
use crate::ws::deflate;
use crate::ws::{Role, Rules};

/// Whether messages are compressed with clients that offer it (permessage-deflate, RFC 7692), and at what cost in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// They are not.
    #[default]
    Off,
    /// Each message by itself, in both directions: a connection keeps nothing. A worker has one compressor and one decompressor,
    /// about half a megabyte, once they are needed.
    Shared,
    /// Messages may refer to those before, which makes small ones much smaller: from its first compressed message on, a
    /// connection keeps the last bytes of each direction, [`Config::compression_window`] of each at most, and a side record of
    /// 272 bytes.
    Dedicated,
}

/// The settings of a server. [`Builder`](super::Builder) has a method for each.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; at least one place.
    pub listen: Vec<Listen>,
    /// The permissions of Unix sockets' files, from 0 to 0o777 and with one to write for somebody at least: whoever may write to a
    /// socket may connect to it. They hold whatever the umask.
    pub unix_mode: u32,
    /// The group of those files. `None`: that of the process.
    pub unix_group: Option<u32>,
    /// Workers, at most 1,024. `None`: one per core, more where the descriptor limit demands it and
    /// [`private_tables`](Self::private_tables) allows it, and fewer where it has no room for so many. Only the cores count that the
    /// process may use (sched_setaffinity(2)), and no more than the quota of its control group allows, v1 or v2, rounded down.
    pub workers: Option<usize>,
    /// Whether workers are pinned to cores: as many of them as fill all cores evenly. With fewer workers than cores none is, so that
    /// several servers on a machine do not sit on the same ones; all are with [`steer`](Self::steer).
    pub pin: bool,
    /// Whether a new connection goes to the worker on the core where its first packet is dealt with (`SO_INCOMING_CPU`; Linux 6.2),
    /// rather than to any. It pays where the network card has a queue for the core of each worker: with fewer queues the other
    /// workers get no connections. Workers need to be [pinned](Self::pin).
    pub steer: bool,
    /// The most connections of all workers together. `None`: as many as the descriptor limit allows in one table, or, where the workers'
    /// own descriptors would fill most of it and [`private_tables`](Self::private_tables) allows it, in a table for each.
    pub max_connections: Option<usize>,
    /// Whether workers may get descriptor tables of their own when `max_connections` does not fit one. Then no descriptor of
    /// the program's may be used in a [`Handler`](crate::Handler), standard streams aside, or be opened there and used elsewhere. That holds
    /// for log lines as well: those of a handler must go to standard error or to another thread. Those of the workers themselves are
    /// written by a thread of its own, in the table of the thread that starts the server.
    pub private_tables: bool,
    /// Time for a request head to arrive, from its first byte on, or from about a second on where there is none: so long the kernel
    /// keeps a connection to itself.
    pub handshake_timeout: Duration,
    /// Time for a message that has begun to arrive whole. Whoever takes longer is closed with 1008, since he takes up memory all
    /// along. `None`: any time.
    pub message_timeout: Option<Duration>,
    /// Time between the Pings to a peer; the first comes after half of it to one and a half. `None`: none are sent, and dead peers are found only when something is sent to them.
    pub ping_interval: Option<Duration>,
    /// Which connections are pinged.
    pub ping_policy: PingPolicy,
    /// Time for a Ping to be answered.
    pub pong_timeout: Duration,
    /// Time for a peer to finish closing.
    pub close_timeout: Duration,
    /// Most bytes of a request's head, the blank line included, from 1 KiB to 64 KiB. More is answered with 431.
    pub max_head: usize,
    /// Most header fields of a request, from 16 to 256. More are answered with 431.
    pub max_head_fields: usize,
    /// Most bytes of a message received.
    pub max_message: usize,
    /// Most frames of a message received.
    pub max_frames_per_message: u32,
    /// Whether and how messages are compressed.
    pub compression: Compression,
    /// Messages with fewer bytes are sent as they are.
    pub compression_threshold: usize,
    /// How hard is tried, from 1, the fastest, to 9, the smallest.
    pub compression_level: u8,
    /// How far back a message may refer to those before it, in bytes: a power of two from 256 to 32,768. It counts with
    /// [`Compression::Dedicated`] alone.
    pub compression_window: usize,
    /// Most bytes that wait to be written to one connection. Of messages to many, one that takes more than half of them finds room for
    /// itself, for one as long before it, and for half of the limit.
    pub outbox_limit: usize,
    /// Most bytes of incomplete messages and queued output of all connections together. Each worker has an equal share. `None`: 512 MiB,
    /// or what the workers need for one message and one outbox each where that is more.
    pub buffer_limit: Option<usize>,
    /// Most bytes of messages to many that wait for slow connections, of all of them together: each message is shared, but counted
    /// for every connection it waits for, with 64 bytes for the reference. Each worker has an equal share. `None`: 2 GiB, or an outbox for
    /// each worker where that is more.
    pub backlog_limit: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            unix_mode: 0o660,
            unix_group: None,
            workers: None,
            pin: true,
            steer: false,
            max_connections: None,
            private_tables: false,
            handshake_timeout: Duration::from_secs(10),
            message_timeout: Some(Duration::from_secs(60)),
            ping_interval: Some(Duration::from_secs(30)),
            ping_policy: PingPolicy::WhenIdle,
            pong_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_head: MAX_HEAD,
            max_head_fields: MAX_HEADERS,
            max_message: 1 << 20,
            max_frames_per_message: 4096,
            compression: Compression::Off,
            compression_threshold: 256,
            compression_level: 1,
            // RFC 7692-7.3-1: 1,024 or more.
            compression_window: 2048,
            outbox_limit: 2 << 20,
            buffer_limit: None,
            backlog_limit: None,
        }
    }
}

/// The least message limit in bytes: anything below could not hold what a control frame can.
const MIN_MESSAGE: usize = 125;
/// The least time anything is given; the clock ticks every tenth of a second.
const MIN_TIME: Duration = Duration::from_millis(100);
/// The windows of permessage-deflate in bytes (RFC 7692, section 7.1.2).
const WINDOWS: RangeInclusive<usize> = 1 << 8..=1 << 15;

impl Config {
    /// Checks each setting by itself, and that they fit each other.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::NoListener);
        }
        for (at, second) in self.listen.iter().enumerate() {
            if let Some(first) = self.listen[..at].iter().find(|first| first.overlaps(second)) {
                return Err(ConfigError::SamePlace { first: first.clone(), second: second.clone() });
            }
        }
        if self.unix_mode & !0o777 != 0 || self.unix_mode & 0o222 == 0 {
            return Err(ConfigError::UnixMode { mode: self.unix_mode });
        }
        if self.workers.is_some_and(|workers| workers == 0 || workers > MAX_WORKERS) {
            return Err(ConfigError::OutOfRange { what: "workers", least: 1, most: MAX_WORKERS });
        }
        if self.steer && !self.pin {
            return Err(ConfigError::SteeredUnpinned);
        }
        if self.max_connections == Some(0) {
            return Err(ConfigError::OutOfRange { what: "max-connections", least: 1, most: usize::MAX });
        }
        for (what, time) in [
            ("handshake-timeout", Some(self.handshake_timeout)),
            ("message-timeout", self.message_timeout),
            ("ping-interval", self.ping_interval),
            ("pong-timeout", Some(self.pong_timeout)),
            ("close-timeout", Some(self.close_timeout)),
        ] {
            if time.is_some_and(|time| time < MIN_TIME || time > MAX_TIME) {
                return Err(ConfigError::Time { what, least: MIN_TIME, most: MAX_TIME });
            }
        }
        for (what, value, least, most) in [
            ("max-head", self.max_head, LEAST_HEAD, MOST_HEAD),
            ("max-head-fields", self.max_head_fields, LEAST_HEADERS, MOST_HEADERS),
        ] {
            if value < least || value > most {
                return Err(ConfigError::OutOfRange { what, least, most });
            }
        }
        let most = usize::MAX / 8;
        if self.max_message < MIN_MESSAGE || self.max_message > most {
            return Err(ConfigError::OutOfRange { what: "max-message", least: MIN_MESSAGE, most });
        }
        if self.max_frames_per_message == 0 {
            let most = u32::MAX as usize;
            return Err(ConfigError::OutOfRange { what: "max-frames-per-message", least: 1, most });
        }
        if !(1..=9).contains(&self.compression_level) {
            return Err(ConfigError::OutOfRange { what: "compression-level", least: 1, most: 9 });
        }
        if !self.compression_window.is_power_of_two() || !WINDOWS.contains(&self.compression_window) {
            let (least, most) = (*WINDOWS.start(), *WINDOWS.end());
            return Err(ConfigError::PowerOfTwo { what: "compression-window", least, most });
        }
        if self.outbox_limit < LEAST_OUTBOX || self.outbox_limit > most {
            return Err(ConfigError::OutOfRange { what: "outbox-limit", least: LEAST_OUTBOX, most });
        }
        Ok(())
    }

    /// What every worker enforces on requests.
    pub(super) const fn head(&self) -> HeadLimits {
        HeadLimits { bytes: self.max_head, fields: self.max_head_fields }
    }

    /// What every worker enforces on frames.
    pub(super) const fn rules(&self) -> Rules {
        Rules {
            role: Role::Server,
            max_message: self.max_message,
            max_frames: self.max_frames_per_message,
            // Each connection has its own.
            deflate: false,
        }
    }

    pub(super) fn deflation(&self) -> Option<Deflation> {
        let context = match self.compression {
            Compression::Off => return None,
            Compression::Shared => deflate::Context::None,
            // At most 15.
            Compression::Dedicated => {
                deflate::Context::Window(u8::try_from(self.compression_window.ilog2()).unwrap_or(15))
            }
        };
        let level = self.compression_level.into();
        Some(Deflation { context, level, threshold: self.compression_threshold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a setting that is out of its range is called in the error; `None` when nothing is.
    fn complaint(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() };
        change(&mut config);
        config.validate().err().map(|error| match error {
            ConfigError::OutOfRange { what, .. }
            | ConfigError::PowerOfTwo { what, .. }
            | ConfigError::Time { what, .. } => what,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn numbers_have_edges() {
        for (workers, is_right) in [(0, false), (1, true), (MAX_WORKERS, true), (MAX_WORKERS + 1, false)] {
            let complaint = complaint(|config| config.workers = Some(workers));
            assert_eq!(complaint, (!is_right).then_some("workers"), "{workers}");
        }
        for (connections, is_right) in [(0, false), (1, true)] {
            let complaint = complaint(|config| config.max_connections = Some(connections));
            assert_eq!(complaint, (!is_right).then_some("max-connections"), "{connections}");
        }
        for (bytes, is_right) in
            [(LEAST_HEAD - 1, false), (LEAST_HEAD, true), (MOST_HEAD, true), (MOST_HEAD + 1, false)]
        {
            let complaint = complaint(|config| config.max_head = bytes);
            assert_eq!(complaint, (!is_right).then_some("max-head"), "{bytes}");
        }
        for (fields, is_right) in [
            (LEAST_HEADERS - 1, false),
            (LEAST_HEADERS, true),
            (MOST_HEADERS, true),
            (MOST_HEADERS + 1, false),
        ] {
            let complaint = complaint(|config| config.max_head_fields = fields);
            assert_eq!(complaint, (!is_right).then_some("max-head-fields"), "{fields}");
        }
        for (bytes, is_right) in
            [(124, false), (125, true), (usize::MAX / 8, true), (usize::MAX / 8 + 1, false)]
        {
            let complaint = complaint(|config| config.max_message = bytes);
            assert_eq!(complaint, (!is_right).then_some("max-message"), "{bytes}");
        }
        for (frames, is_right) in [(0, false), (1, true), (u32::MAX, true)] {
            let complaint = complaint(|config| config.max_frames_per_message = frames);
            assert_eq!(complaint, (!is_right).then_some("max-frames-per-message"), "{frames}");
        }
        for (bytes, is_right) in [(LEAST_OUTBOX - 1, false), (LEAST_OUTBOX, true), (usize::MAX, false)] {
            let complaint = complaint(|config| config.outbox_limit = bytes);
            assert_eq!(complaint, (!is_right).then_some("outbox-limit"), "{bytes}");
        }
        for (level, is_right) in [(0, false), (1, true), (9, true), (10, false)] {
            let complaint = complaint(|config| config.compression_level = level);
            assert_eq!(complaint, (!is_right).then_some("compression-level"), "{level}");
        }
        for (window, is_right) in
            [(0, false), (128, false), (256, true), (257, false), (32_768, true), (65_536, false)]
        {
            let complaint = complaint(|config| config.compression_window = window);
            assert_eq!(complaint, (!is_right).then_some("compression-window"), "{window}");
        }
    }

    #[test]
    fn places_and_who_may_connect_are_checked() {
        let listen = |places: &[&str]| places.iter().map(|place| place.parse().unwrap()).collect();
        let config = |listen, unix_mode| Config { listen, unix_mode, ..Config::default() }.validate();
        let twice: Vec<Listen> = listen(&["unix:/a", "127.0.0.1:80", "0.0.0.0:80"]);
        let (first, second) = (twice[1].clone(), twice[2].clone());
        assert_eq!(config(twice, 0o660), Err(ConfigError::SamePlace { first, second }));
        for (mode, is_right) in
            [(0o660, true), (0o777, true), (0o200, true), (0o1660, false), (0o555, false), (0, false)]
        {
            let expected = if is_right { Ok(()) } else { Err(ConfigError::UnixMode { mode }) };
            assert_eq!(config(listen(&["unix:/a"]), mode), expected, "{mode:o}");
        }
    }

    #[test]
    fn what_is_steered_is_pinned() {
        for (steer, pin, is_right) in
            [(false, false, true), (false, true, true), (true, true, true), (true, false, false)]
        {
            let listen = vec!["127.0.0.1:0".parse().unwrap()];
            let checked = Config { listen, steer, pin, ..Config::default() }.validate();
            assert_eq!(checked, if is_right { Ok(()) } else { Err(ConfigError::SteeredUnpinned) });
        }
    }

    #[test]
    fn times_have_edges() {
        type Set = fn(&mut Config, Duration);
        let settings: [(&str, Set); 5] = [
            ("handshake-timeout", |config, time| config.handshake_timeout = time),
            ("message-timeout", |config, time| config.message_timeout = Some(time)),
            ("ping-interval", |config, time| config.ping_interval = Some(time)),
            ("pong-timeout", |config, time| config.pong_timeout = time),
            ("close-timeout", |config, time| config.close_timeout = time),
        ];
        let tiny = Duration::from_nanos(1);
        for (what, set) in settings {
            for (time, is_right) in
                [(MIN_TIME - tiny, false), (MIN_TIME, true), (MAX_TIME, true), (MAX_TIME + tiny, false)]
            {
                let complaint = complaint(|config| set(config, time));
                assert_eq!(complaint, (!is_right).then_some(what), "{time:?}");
            }
        }
        assert_eq!(complaint(|config| (config.ping_interval, config.message_timeout) = (None, None)), None);
    }

    #[test]
    fn without_a_place_to_listen_there_is_no_server() {
        assert_eq!(Config::default().validate(), Err(ConfigError::NoListener));
    }

    #[test]
    fn windows_are_powers_of_two() {
        for (window, bits) in [(256, 8), (2048, 11), (32_768, 15)] {
            let config = Config {
                compression: Compression::Dedicated,
                compression_window: window,
                ..Config::default()
            };
            let context = config.deflation().map(|deflation| deflation.context);
            assert_eq!(context, Some(deflate::Context::Window(bits)));
        }
        assert!(Config::default().deflation().is_none());
    }
}
