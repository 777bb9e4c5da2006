//! All settings of an operator: those of the server, of the hub, and of the program.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use throng::hub::HubConfig;
use throng::{Config, DescriptorTables, choices, settings};

/// The address of the hub's admin port, unless another is set.
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9190);

/// How many messages of the greatest length `queue-limit` must have room for.
pub(super) const QUEUED_MESSAGES: usize = 4;

choices! {
    /// What clients get to talk to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum App {
        /// Topics, which they subscribe to and others publish to: docs/HUB.md.
        Hub = "hub",
        /// Sends every message back.
        Echo = "echo",
        /// Takes every message and says nothing.
        Sink = "sink",
    }
}

settings! {
    /// The settings of the program itself.
    #[derive(Debug)]
    pub(super) struct ProgramConfig {
        /// What clients get to talk to.
        #[option("app", choice::<App>())]
        app: App = App::Hub;
        /// Where to publish, and to look at what the server is doing, over HTTP; or `off`. An address that is not loopback needs a token.
        /// Default: 127.0.0.1:9190 for the hub, off for other applications.
        #[option("admin", ADDRESS_OR_OFF)]
        admin: Option<Option<SocketAddr>> = None;
        /// A file with the token that requests to the admin port must bear (`Authorization: Bearer TOKEN`), all but `GET /health`. Instead
        /// of the file, the variable THRONG_ADMIN_TOKEN may hold the token. Default: none is needed.
        #[option("admin-token-file", PATH)]
        admin_token_file: Option<PathBuf> = None;
        /// Time for all connections to close at the end; then those left are cut.
        #[option("drain-timeout", TIME)]
        drain_timeout: Duration = Duration::from_secs(10);
    }
}

/// The settings of the server, the hub and the program.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: Config,
    pub(super) hub: HubConfig,
    pub(super) program: ProgramConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let mut server = Config::default();
        // The program owns its process: no descriptors of other code are in the way.
        server.descriptor_tables = DescriptorTables::PrivateIfNeeded;
        Self { server, hub: HubConfig::default(), program: ProgramConfig::default() }
    }
}

impl Settings {
    /// Returns the fewest bytes that `queue-limit` may be. Half of the queue is for messages that clients publish, and a single topic may
    /// take half of that.
    pub(super) const fn least_queue(&self) -> usize {
        self.server.max_message.saturating_mul(QUEUED_MESSAGES)
    }

    /// Returns the address of the admin port, if it is on.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        let default = || (self.program.app == App::Hub).then_some(DEFAULT_ADMIN);
        self.program.admin.unwrap_or_else(default)
    }
}
