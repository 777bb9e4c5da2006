//! The builder of a server.

use super::error::StartError;
use super::{Config, DescriptorTables, Server};
use crate::worker::{Context, Handler};

/// The description of a server to start. [`Server::builder`] makes a builder.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    pub(super) config: Config,
}

impl Builder {
    /// Sets whether workers may have private descriptor tables when [`max_connections`](Self::max_connections) do not fit one table. The
    /// program `throng` allows it.
    ///
    /// Default: `DescriptorTables::Shared`.
    pub fn descriptor_tables(mut self, tables: DescriptorTables) -> Self {
        self.config.descriptor_tables = tables;
        self
    }

    /// Starts the server, and returns when every worker listens. Each worker's thread calls `handler` once to make the worker's handler.
    ///
    /// # Errors
    /// The configuration or the system does not allow the server to start. The error says what to change.
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
