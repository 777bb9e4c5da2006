//! The options of `throng serve`: one table for the command line, the environment and the configuration file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use throng::hub::{HubConfig, Rules, TopicsPath};
use throng::{Compression, Config, Listen, PingPolicy};

use super::units::{self, MaybeAddress, MaybeDuration};

/// The hub's admin port, unless it is said to be elsewhere.
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9190);

/// The longest messages that must be able to be on their way at a time.
pub(super) const QUEUED_MESSAGES: usize = 4;

/// What clients get to talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum App {
    /// Topics, which they subscribe to and others publish to: docs/HUB.md.
    Hub,
    /// Sends every message back.
    Echo,
    /// Takes every message and says nothing.
    Sink,
}

/// Which connections are pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Ping {
    /// Those that have been silent for half an interval or more; anything from the peer is a sign of life.
    Idle,
    /// All of them every interval; only its Pong answers a Ping.
    Always,
}

/// Whether messages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Compress {
    /// They are not.
    Off,
    /// Each by itself: an idle connection takes no memory for it.
    Shared,
    /// With what was sent and received before: smaller, for up to two windows of memory a connection.
    Dedicated,
}

/// The options of `throng serve`. Each is a key of the configuration file and a variable of the environment, too, by its name.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// A file with settings (TOML): `NAME = VALUE` for the options below, and `[[topics]]` tables. See docs/CONFIGURATION.md.
    #[arg(long, value_name = "PATH")]
    pub(super) config: Option<PathBuf>,

    /// Where to listen: IP:PORT, [IPv6]:PORT or unix:PATH. May be given several times; the environment separates by commas, and
    /// the file has a list. Port 0 is any free one.
    #[arg(long, required = true, value_name = "ADDRESS")]
    pub(super) listen: Vec<Listen>,

    /// The permissions of Unix sockets, whatever the umask, in octal with a 0 before it: whoever may write to one may connect.
    #[arg(long, value_name = "MODE", default_value = "0660", value_parser = units::mode)]
    pub(super) unix_mode: u32,

    /// The group of Unix sockets, by name or number: of a proxy, say. Default: the group of the process.
    #[arg(long, value_name = "GROUP", value_parser = units::group)]
    pub(super) unix_group: Option<u32>,

    /// Event loops. Default: one per core that the process may use, by its affinity and its control group's CPU quota, and more only where
    /// the descriptor limit demands it.
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<usize>,

    /// Leave the workers to the scheduler. Otherwise as many are pinned as fill all cores evenly: none where they are fewer than the cores.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) no_pin: bool,

    /// Give a new connection to the worker on the core where its first packet is dealt with. For network cards that have a queue for
    /// the core of each worker: with fewer queues the other workers get none.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) steer: bool,

    /// The most connections. Above the descriptor limit each worker gets a descriptor table of its own. Default: what the limit
    /// allows in one table, or in one for each worker where they would fill most of it themselves.
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub(super) max_connections: Option<usize>,

    /// Time between the Pings to a client, or `off`. The first comes after half of it to one and a half.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::duration_or_off)]
    pub(super) ping_interval: MaybeDuration,

    /// Which connections are pinged.
    #[arg(long, value_enum, default_value_t = Ping::Idle)]
    pub(super) ping: Ping,

    /// Time for a Ping to be answered; then the connection is dropped.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) pong_timeout: Duration,

    /// Time for a request to arrive; then the connection is dropped.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) handshake_timeout: Duration,

    /// Time for a message that has begun to arrive whole, or `off`; then the connection is closed with 1008.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::duration_or_off)]
    pub(super) message_timeout: MaybeDuration,

    /// Time for a peer to finish closing; then the connection is dropped.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub(super) close_timeout: Duration,

    /// Time for all connections to close at the end; then those left are cut.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub(super) drain_timeout: Duration,

    /// Most bytes of a request's head, from 1 KiB to 64 KiB; more is answered with 431. Cookies count, and topics in the URL. The
    /// admin port has a limit of its own, which is no lower.
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = units::size)]
    pub(super) max_head: usize,

    /// Most header fields of a request, from 16 to 256; more are answered with 431. The admin port takes 100.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) max_head_fields: usize,

    /// Most bytes of a message, from a client or published over the admin port; of throng.v1, of a payload. A longer one closes the
    /// client's connection with 1009, or is refused with the error too-large or 413.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = units::size)]
    pub(super) max_message: usize,

    /// Most frames of a message from a client. More close the connection with 1008.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(super) max_frames_per_message: u32,

    /// Whether messages are compressed with clients that offer it (permessage-deflate).
    #[arg(long, value_enum, default_value_t = Compress::Off)]
    pub(super) compression: Compress,

    /// Messages with fewer bytes are sent as they are.
    #[arg(long, value_name = "SIZE", default_value = "256B", value_parser = units::size)]
    pub(super) compression_threshold: usize,

    /// How hard to compress, from 1, the fastest, to 9, the smallest.
    #[arg(long, value_name = "1-9", default_value_t = 1)]
    pub(super) compression_level: u8,

    /// How far back a message may refer to those before it, with `--compression dedicated`: a power of two from 256 B to 32 KiB.
    #[arg(long, value_name = "SIZE", default_value = "2KiB", value_parser = units::size)]
    pub(super) compression_window: usize,

    /// Most bytes that wait to be written to one client. A message that takes more than half of them finds room for itself, for one as
    /// long before it, and for half of the limit.
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = units::size)]
    pub(super) outbox_limit: usize,

    /// Most bytes of incomplete messages and waiting output of all clients together. Each worker has an equal share; when it
    /// is used up, those with the largest and oldest incomplete messages are closed with 1013. Default: 512MiB, or a message and an outbox for each worker where that is more.
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(super) buffer_limit: Option<usize>,

    /// Most bytes of messages to many that wait for slow clients, of all of them together: a message counts for each client that it
    /// waits for. Each worker has an equal share. Default: 2GiB, or an outbox for each worker where that is more.
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(super) backlog_limit: Option<usize>,

    /// Most topics at a time. The last sixteenth of them is for messages over the admin port, not for clients.
    #[arg(long, value_name = "N", default_value = "2M", value_parser = units::count)]
    pub(super) max_topics: usize,

    /// Most topics with a history that are there because the same client was the first to publish to them. Above that its messages to
    /// others are refused.
    #[arg(long, value_name = "N", default_value = "1k", value_parser = units::count)]
    pub(super) max_client_topics: usize,

    /// Most subscriptions of a client.
    #[arg(long, value_name = "N", default_value = "128", value_parser = units::count)]
    pub(super) max_subscriptions: usize,

    /// Most bytes of messages that have been published and are on their way to clients' outboxes, with 512 bytes for each message beside
    /// its payload. More are refused: `busy`. Half of it is for messages over the admin port alone. Default: 64 MiB, or four times
    /// `max-message` where that is more.
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(super) queue_limit: Option<usize>,

    /// Most bytes of the histories of all topics together, with 256 bytes for each message beside its payload.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = units::size)]
    pub(super) history_limit: usize,

    /// How the path of a URL begins that names a topic: `/topics/` stands before `NAME` in `/topics/NAME`. It ends with a slash. With `/`
    /// every path but `/` itself is a topic.
    #[arg(long, value_name = "PATH", default_value_t)]
    pub(super) topics_path: TopicsPath,

    /// When the server ends, clients of throng.v1 come back each after a random part of this time. It should be a second or more for
    /// each 15,000 of them and core: see docs/SCALING.md. At most an hour.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::reconnect)]
    pub(super) reconnect_within: Duration,

    /// What clients get to talk to.
    #[arg(long, value_enum, default_value_t = App::Hub)]
    pub(super) app: App,

    /// Where to publish, and to look at what the server is doing, over HTTP; or `off`. An address that is not loopback needs a
    /// token. Default: 127.0.0.1:9190 for the hub, off for other applications.
    #[arg(long, value_name = "IP:PORT", value_parser = units::address_or_off)]
    pub(super) admin: Option<MaybeAddress>,

    /// A file with the token that requests to the admin port must bear (`Authorization: Bearer TOKEN`), all but `GET /health`.
    /// Instead of the file, the variable THRONG_ADMIN_TOKEN may hold the token. Default: none is needed.
    #[arg(long, value_name = "PATH")]
    pub(super) admin_token_file: Option<PathBuf>,
}

impl Settings {
    /// The configuration of the server.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.listen.clone_from(&self.listen);
        config.unix_mode = self.unix_mode;
        config.unix_group = self.unix_group;
        config.workers = self.workers;
        config.pin = !self.no_pin;
        config.steer = self.steer;
        config.max_connections = self.max_connections;
        config.private_tables = true;
        config.handshake_timeout = self.handshake_timeout;
        config.message_timeout = self.message_timeout.0;
        config.ping_interval = self.ping_interval.0;
        config.ping_policy = match self.ping {
            Ping::Idle => PingPolicy::WhenIdle,
            Ping::Always => PingPolicy::Always,
        };
        config.pong_timeout = self.pong_timeout;
        config.close_timeout = self.close_timeout;
        config.max_head = self.max_head;
        config.max_head_fields = self.max_head_fields;
        config.max_message = self.max_message;
        config.max_frames_per_message = self.max_frames_per_message;
        config.compression = match self.compression {
            Compress::Off => Compression::Off,
            Compress::Shared => Compression::Shared,
            Compress::Dedicated => Compression::Dedicated,
        };
        config.compression_threshold = self.compression_threshold;
        config.compression_level = self.compression_level;
        config.compression_window = self.compression_window;
        config.outbox_limit = self.outbox_limit;
        config.buffer_limit = self.buffer_limit;
        config.backlog_limit = self.backlog_limit;
        config
    }

    /// The configuration of the hub.
    pub(super) fn hub(&self, rules: Rules) -> HubConfig {
        let mut config = HubConfig::default();
        config.rules = rules;
        config.max_topics = self.max_topics;
        config.max_client_topics = self.max_client_topics;
        config.queue_limit = self.queue_limit.unwrap_or(config.queue_limit.max(self.least_queue()));
        config.max_subscriptions = self.max_subscriptions;
        config.history_limit = self.history_limit;
        config.topics_path = self.topics_path.clone();
        config.reconnect_within = self.reconnect_within;
        config
    }

    /// The least that may be on its way to clients: of the half that is for them, one topic of one of them has a half.
    pub(super) const fn least_queue(&self) -> usize {
        self.max_message.saturating_mul(QUEUED_MESSAGES)
    }

    /// Where the admin port is.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        match self.admin {
            Some(MaybeAddress(address)) => address,
            None => (self.app == App::Hub).then_some(DEFAULT_ADMIN),
        }
    }
}
