//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use throng::{Compression, Config, Listen, PingPolicy};

use super::units::{self, MaybeDuration};

/// A server that holds a million mostly idle WebSockets and pushes to them.
#[derive(Debug, Parser)]
#[command(name = "throng", version, about, max_term_width = 110)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs the server until SIGTERM or SIGINT, which end it in order; a second one ends it at once.
    ///
    /// When every worker listens, it prints one line of JSON on standard output: the addresses, the number of workers, and
    /// whether they have descriptor tables of their own. Exit codes: 0 after an orderly end, 1 when something failed or the end
    /// was cut short, 2 for a command line it cannot read, 78 for a configuration it cannot serve.
    Serve(Box<ServeArguments>),
}

/// What clients get to talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum App {
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

/// The options of `throng serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Where to listen: IP:PORT, [IPv6]:PORT or unix:PATH. May be given several times. Port 0 is any free one.
    #[arg(long, required = true, value_name = "ADDRESS")]
    pub(super) listen: Vec<Listen>,

    /// Event loops. Default: one per core, and more only where the descriptor limit demands it.
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<usize>,

    /// Leave the workers to the scheduler instead of pinning each to a core.
    #[arg(long)]
    pub(super) no_pin: bool,

    /// The most connections. Above the descriptor limit each worker gets a descriptor table of its own. Default: what the limit
    /// allows in one table.
    #[arg(long, value_name = "N", value_parser = units::count)]
    pub(super) max_connections: Option<usize>,

    /// Time between Pings, or `off`.
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

    /// Most bytes of a message from a client. A longer one closes the connection with 1009.
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

    /// Most bytes that wait to be written to one client.
    #[arg(long, value_name = "SIZE", default_value = "2MiB", value_parser = units::size)]
    pub(super) outbox_limit: usize,

    /// Most bytes of incomplete messages and waiting output of all clients together. Each worker has an equal share; a client
    /// that would need more is closed with 1013.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = units::size)]
    pub(super) buffer_limit: usize,

    /// What clients get to talk to.
    #[arg(long, value_enum, default_value_t = App::Echo)]
    pub(super) app: App,

    /// Where to answer `GET /stats` (the counters as JSON) and `GET /health`. A loopback address: there is no authentication.
    #[arg(long, value_name = "IP:PORT")]
    pub(super) admin: Option<SocketAddr>,
}

impl ServeArguments {
    /// The configuration of the server.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.listen.clone_from(&self.listen);
        config.workers = self.workers;
        config.pin = !self.no_pin;
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
        config
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_librarys() {
        let Cli { command: Command::Serve(arguments) } =
            Cli::try_parse_from(["throng", "serve", "--listen", "127.0.0.1:0"]).unwrap();
        let mut library = Config::default();
        library.listen = arguments.listen.clone();
        // The program owns its process, so that it may do what a library must be asked for.
        library.private_tables = true;
        assert_eq!(format!("{:?}", arguments.config()), format!("{library:?}"));
    }
}
