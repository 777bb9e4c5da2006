//! The settings of a server.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::builder::Builder;
use super::choices::{Compression, DescriptorTables, Pinning, Steering};
use super::error::ConfigError;
use super::listen::Listen;
use crate::base::ticks::{MAX_TIME, TICK};
use crate::budget::{LEAST_OUTBOX, MAX_LISTENERS, MAX_WORKERS, MOST_HEAD};
use crate::http::{HeadLimits, MAX_HEAD, MAX_HEADERS, MOST_HEADERS};
use crate::settings;
use crate::settings::{RangeError, SettingsTable};
use crate::worker::{Deflation, PingPolicy};
use crate::ws::deflate;
use crate::ws::{DecoderConfig, Role};

/// The windows of permessage-deflate in bytes (RFC 7692, section 7.1.2).
const WINDOWS: RangeInclusive<usize> = 1 << 8..=1 << 15;

settings! {
    /// The settings of a server. [`Builder`] has a method for each.
    ///
    /// To make a configuration, change the fields of [`Config::default`]; to start a server with it, convert it to a [`Builder`]. Sizes are
    /// in bytes. Each setting except `descriptor_tables` is also an option of `throng serve`, with the same text.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut config = throng::Config::default();
    /// config.listen.push("127.0.0.1:9001".parse()?);
    /// config.max_message = 64 * 1024;
    /// config.ping_interval = Some(Duration::from_secs(60));
    /// config.validate()?;
    /// let builder = throng::Builder::from(config);
    /// # let _ = builder;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub struct Config, built by Builder {
        /// Address to listen on: `IP:PORT`, `[IPv6]:PORT` or `unix:PATH`. Port 0 means any free port. A server has 16 addresses at
        /// most.
        #[option("listen", list_of::<Listen>("ADDRESS"))]
        listen: Vec<Listen>;
        /// Permissions of the files of Unix sockets. As text they are octal, with a leading 0. The umask does not change them. A client
        /// needs write permission to connect.
        #[option("unix-mode", MODE)]
        unix_mode: u32 = 0o660;
        /// Group of the files of Unix sockets, for example the group of a proxy: its number, or as text its name. Default: the group of the
        /// process.
        #[option("unix-group", GROUP)]
        unix_group: Option<u32>;
        /// Number of workers, each a thread with an event loop, at most 1,024. Default: one for each core that the process may use, by its
        /// CPU affinity and the CPU quota of its control group, rounded down; more where the connections need more descriptor tables, and
        /// fewer where the descriptor limit has no room for so many.
        #[option("workers", COUNT, 1..=1_024)]
        workers: Option<usize>;
        /// Placement of the workers: left to the scheduler (`no-pin`, `Pinning::Off`), or pinned to cores, the same number on each core,
        /// where the scheduler places the rest. With fewer workers than cores, none is pinned.
        #[option("no-pin", choice::<Pinning>())]
        pinning: Pinning = Pinning::Even;
        /// Whether a new connection goes to the worker on the core where the kernel handles its first packet (Linux 6.2). Set it only with
        /// network cards that have a queue for each worker's core: with fewer queues, the other workers get no connections. The workers
        /// must be pinned.
        #[option("steer", choice::<Steering>())]
        steering: Steering = Steering::Off;
        /// Most connections of all workers together. Above the descriptor limit, each worker gets a descriptor table of its own, in a
        /// program that allows it. Default:
        /// as many as the limit allows in one table, or in one table per worker where the workers' own descriptors would fill most of a
        /// single table.
        #[option("max-connections", COUNT, 1..)]
        max_connections: Option<usize>;
        /// Time between Pings to a client, or `off`. With `off`, a dead client is detected only when something is sent to it. The first
        /// Ping is sent after 0.5 to 1.5 times this time.
        #[option("ping-interval", TIME_OR_OFF, Duration::from_millis(100)..=Duration::from_hours(168))]
        ping_interval: Option<Duration> = Some(Duration::from_secs(30));
        /// Which connections are sent Pings.
        #[option("ping", choice::<PingPolicy>())]
        ping_policy: PingPolicy = PingPolicy::WhenIdle;
        /// Time for a client to answer a Ping. Then the connection is dropped.
        #[option("pong-timeout", TIME, Duration::from_millis(100)..=Duration::from_hours(168))]
        pong_timeout: Duration = Duration::from_secs(10);
        /// Time for a request's head to arrive. It counts from the first byte, or from about a second after the connection is made if no
        /// byte arrives. Then the connection is dropped.
        #[option("handshake-timeout", TIME, Duration::from_millis(100)..=Duration::from_hours(168))]
        handshake_timeout: Duration = Duration::from_secs(10);
        /// Time for a program's handler to decide on a request that it has deferred. Then the client gets 503. The applications of `throng
        /// serve` decide at once.
        #[option("decision-timeout", TIME, Duration::from_millis(100)..=Duration::from_hours(168))]
        decision_timeout: Duration = Duration::from_secs(10);
        /// Time for a message to arrive, from its first byte to its last, or `off`. Then the connection is closed with 1008.
        #[option("message-timeout", TIME_OR_OFF, Duration::from_millis(100)..=Duration::from_hours(168))]
        message_timeout: Option<Duration> = Some(Duration::from_secs(60));
        /// Time for a peer to finish closing. Then the connection is dropped. A peer that is still reading earlier output gets more time,
        /// as long as it takes 1 KiB a second.
        #[option("close-timeout", TIME, Duration::from_millis(100)..=Duration::from_hours(168))]
        close_timeout: Duration = Duration::from_secs(5);
        /// Most bytes of a request's head, the blank line included, from 1 KiB to 64 KiB; a longer head is answered with 431. Cookies and
        /// topics in the URL count. The admin port has its own limit, which is not lower.
        // Browsers send up to 700 B to open a WebSocket.
        #[option("max-head", SIZE, 1_024..=65_536)]
        max_head: usize = 16 * 1024;
        /// Most header fields of a request, from 16 to 256; a request with more is answered with 431. The limit of the admin port is 100.
        // A WebSocket takes five fields, and browsers add as many.
        #[option("max-head-fields", COUNT, 16..=256)]
        max_head_fields: usize = 100;
        /// Most bytes of a message from a client, or of one that the operator publishes; with throng.v1, most bytes of a payload. A longer
        /// message closes the client's connection with 1009, or is refused: with the error too-large, or with 413 over the admin port.
        // The longest payload of a control frame, up to a limit at which the sum of a few such limits does not overflow.
        #[option("max-message", SIZE, 125..=usize::MAX / 8)]
        max_message: usize = 1024 * 1024;
        /// Most frames of a message from a client. A message with more closes the connection with 1008.
        #[option("max-frames-per-message", small_count::<u32>("N"), 1..=u32::MAX)]
        max_frames_per_message: u32 = 4096;
        /// Whether messages are compressed for clients that offer it (permessage-deflate).
        #[option("compression", choice::<Compression>())]
        compression: Compression = Compression::Off;
        /// Messages with fewer bytes are not compressed.
        #[option("compression-threshold", SIZE)]
        compression_threshold: usize = 256;
        /// Compression level, from 1 (fastest) to 9 (smallest output).
        #[option("compression-level", small_count::<u8>("1-9"), 1..=9)]
        compression_level: u8 = 1;
        /// Compression window with `dedicated` compression: how far back a message may refer to earlier messages. A power of two from 256 B
        /// to 32 KiB.
        // RFC 7692-7.3-1: 1,024 or more by default.
        #[option("compression-window", SIZE)]
        compression_window: usize = 2048;
        /// Most bytes that wait to be written to one client. A message to many clients counts 64 bytes more than it has. For a message to
        /// many clients that takes more than half of this limit, the limit is twice the bytes of that message plus half of this limit.
        #[option("outbox-limit", SIZE, 65_536..=usize::MAX / 8)]
        outbox_limit: usize = 2 * 1024 * 1024;
        /// Most bytes of incomplete messages and waiting output of all clients together. Each worker has an equal share. When a share is
        /// used up, the connections with the largest and oldest incomplete messages are closed with 1013. Default: 512MiB, or room for one
        /// message and one outbox per worker where that is more.
        #[option("buffer-limit", SIZE)]
        buffer_limit: Option<usize>;
        /// Most bytes of messages to many clients that wait for slow clients, for all clients together. Such a message is in memory once,
        /// but counts for each client that it waits for, with 64 bytes for the reference. Each worker has an equal share. Default: 2GiB, or
        /// room for one outbox per worker where that is more.
        #[option("backlog-limit", SIZE)]
        backlog_limit: Option<usize>;
    }
    with {
        /// Whether workers may have private descriptor tables when [`max_connections`](Self::max_connections) do not fit one table. The
        /// program `throng` allows it.
        pub descriptor_tables: DescriptorTables = DescriptorTables::Shared;
    }
}

// The table has numbers in place of these names, for rustdoc.
const _: () =
    assert!(MAX_WORKERS == 1_024 && MOST_HEAD == 65_536 && MOST_HEADERS == 256 && LEAST_OUTBOX == 65_536);
const _: () = assert!(MAX_HEAD == 16 * 1024 && MAX_HEADERS == 100);
const _: () = assert!(TICK.as_millis() == 100 && MAX_TIME.as_secs() == 168 * 60 * 60);

impl Config {
    /// Checks each setting, and that the settings are consistent with each other.
    ///
    /// # Errors
    /// Returns the first error found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::NoListener);
        }
        if self.listen.len() > MAX_LISTENERS {
            return Err(ConfigError::TooManyListeners { given: self.listen.len() });
        }
        for (at, second) in self.listen.iter().enumerate() {
            if let Some(first) = self.listen[..at].iter().find(|first| first.overlaps(second)) {
                return Err(ConfigError::SamePlace { first: first.clone(), second: second.clone() });
            }
        }
        if self.unix_mode & !0o777 != 0 || self.unix_mode & 0o222 == 0 {
            return Err(ConfigError::UnixMode { mode: self.unix_mode });
        }
        if self.steering == Steering::ByCore && self.pinning == Pinning::Off {
            return Err(ConfigError::SteeredUnpinned);
        }
        if !self.compression_window.is_power_of_two() || !WINDOWS.contains(&self.compression_window) {
            let range = format!("a power of two from {} to {}", WINDOWS.start(), WINDOWS.end());
            return Err(RangeError { setting: "compression-window", range }.into());
        }
        self.check_ranges()?;
        Ok(())
    }

    /// Returns the limits of request heads, which every worker enforces.
    pub(super) const fn head(&self) -> HeadLimits {
        HeadLimits { bytes: self.max_head, fields: self.max_head_fields }
    }

    /// Returns the limits of frames and messages, which every worker enforces.
    pub(super) const fn decoder_config(&self) -> DecoderConfig {
        DecoderConfig {
            role: Role::Server,
            max_message: self.max_message,
            max_frames: self.max_frames_per_message,
            // Each connection has its own value, agreed in the handshake.
            deflate: false,
        }
    }

    pub(super) fn deflation(&self) -> Option<Deflation> {
        let context = match self.compression {
            Compression::Off => return None,
            Compression::Shared => deflate::ContextTakeover::Off,
            // At most 15.
            Compression::Dedicated => {
                deflate::ContextTakeover::Window(u8::try_from(self.compression_window.ilog2()).unwrap_or(15))
            }
        };
        let level = self.compression_level.into();
        Some(Deflation { context, level, threshold: self.compression_threshold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The setting that the error names as out of its range; `None` for another error.
    fn complaint(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
        let mut config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() };
        change(&mut config);
        config.validate().err().map(|error| match error {
            ConfigError::OutOfRange(error) => error.setting,
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
        for (bytes, is_right) in [(1023, false), (1024, true), (MOST_HEAD, true), (MOST_HEAD + 1, false)] {
            let complaint = complaint(|config| config.max_head = bytes);
            assert_eq!(complaint, (!is_right).then_some("max-head"), "{bytes}");
        }
        for (fields, is_right) in [(15, false), (16, true), (MOST_HEADERS, true), (MOST_HEADERS + 1, false)] {
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
        for (steering, pinning, is_right) in [
            (Steering::Off, Pinning::Off, true),
            (Steering::Off, Pinning::Even, true),
            (Steering::ByCore, Pinning::Even, true),
            (Steering::ByCore, Pinning::Off, false),
        ] {
            let listen = vec!["127.0.0.1:0".parse().unwrap()];
            let checked = Config { listen, steering, pinning, ..Config::default() }.validate();
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
                [(TICK - tiny, false), (TICK, true), (MAX_TIME, true), (MAX_TIME + tiny, false)]
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
    fn there_are_no_more_places_to_listen_than_a_record_tells_apart() {
        for given in [MAX_LISTENERS, MAX_LISTENERS + 1] {
            let listen = vec!["127.0.0.1:0".parse().unwrap(); given];
            let checked = Config { listen, ..Config::default() }.validate();
            let is_right = given == MAX_LISTENERS;
            assert_eq!(checked, if is_right { Ok(()) } else { Err(ConfigError::TooManyListeners { given }) });
        }
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
            assert_eq!(context, Some(deflate::ContextTakeover::Window(bits)));
        }
        assert!(Config::default().deflation().is_none());
    }
}
