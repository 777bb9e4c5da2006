//! The builder of a server.

use super::error::StartError;
use super::{Config, DescriptorTables, Server};
use crate::worker::{Context, Handler};

/// Describes a server; [`Server::builder`] makes one.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    pub(super) config: Config,
}

impl Builder {
    /// Whether workers may have private descriptor tables where the connections do not fit one table.
    pub fn descriptor_tables(mut self, tables: DescriptorTables) -> Self {
        self.config.descriptor_tables = tables;
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
