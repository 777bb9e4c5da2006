//! A server described, setting by setting.

use std::time::Duration;

use super::error::StartError;
use super::{Compression, Config, Listen, Server};
use crate::worker::{Context, Handler, PingPolicy};

/// Describes a server; [`Server::builder`] makes one.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    config: Config,
}

macro_rules! settings {
    ($($name:ident: $type:ty,)+) => {
        impl Builder {
            $(
                #[doc = concat!("Sets [`Config::", stringify!($name), "`].")]
                pub fn $name(mut self, $name: $type) -> Self {
                    self.config.$name = $name;
                    self
                }
            )+
        }
    };
}

settings! {
    unix_mode: u32,
    unix_group: Option<u32>,
    pin: bool,
    steer: bool,
    private_tables: bool,
    handshake_timeout: Duration,
    message_timeout: Option<Duration>,
    ping_interval: Option<Duration>,
    ping_policy: PingPolicy,
    pong_timeout: Duration,
    close_timeout: Duration,
    max_head: usize,
    max_head_fields: usize,
    max_message: usize,
    max_frames_per_message: u32,
    compression: Compression,
    compression_threshold: usize,
    compression_level: u8,
    compression_window: usize,
    outbox_limit: usize,
}

impl Builder {
    /// Adds a place to listen at.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.config.listen.push(listen);
        self
    }

    /// Sets [`Config::workers`].
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = Some(workers);
        self
    }

    /// Sets [`Config::max_connections`].
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.config.max_connections = Some(connections);
        self
    }

    /// Sets [`Config::buffer_limit`].
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.config.buffer_limit = Some(bytes);
        self
    }

    /// Sets [`Config::backlog_limit`].
    pub fn backlog_limit(mut self, bytes: usize) -> Self {
        self.config.backlog_limit = Some(bytes);
        self
    }

    /// Starts the server. `handler` is called once in each worker's thread to make its handler. When this returns, every worker
    /// listens.
    ///
    /// # Errors
    /// What is wrong with the configuration or the system, and what to change.
    pub fn start<H, F>(self, handler: F) -> Result<Server, StartError>
    where
        H: Handler,
        F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
    {
        super::start::start(self.config, handler)
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        Self { config }
    }
}
