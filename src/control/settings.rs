//! All that an operator can set: the settings of the server, of the hub, and of the program.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use throng::hub::HubConfig;
use throng::{Config, DescriptorTables, choices, settings};

/// The address of the hub's admin port where none is set.
const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9190);

/// How many of the longest messages the default queue limit has room for.
pub(super) const QUEUED_MESSAGES: usize = 4;

choices! {
    /// The application that clients talk to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum App {
        /// Sends messages that are published to topics to the topics' subscribers: docs/HUB.md.
        Hub = "hub",
        /// Sends every message back.
        Echo = "echo",
        /// Receives every message and sends nothing.
        Sink = "sink",
    }
}

settings! {
    /// The settings of the program itself.
    #[derive(Debug)]
    pub(super) struct ProgramConfig {
        /// The application that clients talk to.
        #[option("app", choice::<App>())]
        app: App = App::Hub;
        /// Address of the HTTP port for publishing and for the server's state and metrics, or `off`. An address that is not loopback needs
        /// a token. Default: 127.0.0.1:9190 for the hub, off for other applications.
        #[option("admin", ADDRESS_OR_OFF)]
        admin: Option<Option<SocketAddr>>;
        /// File with the token that requests to the admin port must carry (`Authorization: Bearer TOKEN`), except `GET /health`. The
        /// environment variable THRONG_ADMIN_TOKEN may hold the token instead of the file. Default: no token is needed.
        #[option("admin-token-file", PATH)]
        admin_token_file: Option<PathBuf>;
        /// Time for all connections to close when the server ends. Then the remaining connections are cut.
        #[option("drain-timeout", TIME)]
        drain_timeout: Duration = Duration::from_secs(10);
    }
}

/// All settings: of the server, of the hub and of the program.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: Config,
    pub(super) hub: HubConfig,
    pub(super) program: ProgramConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let mut server = Config::default();
        // The program owns its process: no other code in it holds descriptors that a private table would break.
        server.descriptor_tables = DescriptorTables::PrivateIfNeeded;
        Self { server, hub: HubConfig::default(), program: ProgramConfig::default() }
    }
}

impl Settings {
    /// Returns the least queue limit in bytes: `QUEUED_MESSAGES` of the longest messages. Half of it is for clients' messages, and one
    /// topic of one client may use half of that.
    pub(super) const fn least_queue(&self) -> usize {
        self.server.max_message.saturating_mul(QUEUED_MESSAGES)
    }

    /// Returns the address of the admin port; `None` where it is off.
    pub(super) fn admin(&self) -> Option<SocketAddr> {
        let default = || (self.program.app == App::Hub).then_some(DEFAULT_ADMIN);
        self.program.admin.unwrap_or_else(default)
    }
}
