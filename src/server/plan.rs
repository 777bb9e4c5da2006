//! How many workers, and whether each needs a descriptor table of its own.

use super::config::{Compression, Config};
use super::error::ConfigError;
use crate::budget::{DESCRIPTOR_RESERVE, MAX_CONNECTIONS_PER_WORKER, MAX_WORKERS, REFUSALS, enveloped};
use crate::ws::Rules;

/// The shape of a server on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) workers: usize,
    /// The most connections of all workers.
    pub(super) connections: usize,
    /// The most connections of one worker.
    pub(super) per_worker: usize,
    pub(super) private_tables: bool,
}

impl Plan {
    /// Makes the plan for a configuration, given the machine's cores and the limit of descriptors in a table.
    pub(super) fn new(
        config: &Config,
        envelopes: bool,
        cores: usize,
        descriptors: usize,
    ) -> Result<Self, ConfigError> {
        let workers = config.workers.unwrap_or(cores).clamp(1, MAX_WORKERS);
        let overhead = DESCRIPTOR_RESERVE + workers * (REFUSALS + config.listen.len() + 4);
        let room = descriptors.saturating_sub(overhead);
        let connections = config.max_connections.unwrap_or(room);
        let plan = if connections <= room && connections > 0 {
            Self {
                workers,
                connections,
                per_worker: MAX_CONNECTIONS_PER_WORKER - REFUSALS,
                private_tables: false,
            }
        } else if config.private_tables {
            Self::with_private_tables(config, workers, connections, descriptors)?
        } else {
            return Err(ConfigError::DescriptorLimit { wanted: connections, room, limit: descriptors });
        };
        plan.check_buffers(config, envelopes)?;
        Ok(plan)
    }

    fn with_private_tables(
        config: &Config,
        workers: usize,
        connections: usize,
        descriptors: usize,
    ) -> Result<Self, ConfigError> {
        // Every table also holds the wakers of all workers.
        let room = |workers: usize| {
            descriptors.saturating_sub(DESCRIPTOR_RESERVE + REFUSALS + config.listen.len() + workers)
        };
        let fits = |&workers: &usize| share(connections, workers) <= room(workers);
        let Some(needed) = (workers..=MAX_WORKERS).find(fits) else {
            let room = room(MAX_WORKERS) * MAX_WORKERS;
            return Err(ConfigError::DescriptorLimit { wanted: connections, room, limit: descriptors });
        };
        if config.workers.is_some() && needed > workers {
            return Err(ConfigError::TooFewWorkers { wanted: connections, workers, needed });
        }
        Ok(Self { workers: needed, connections, per_worker: room(needed), private_tables: true })
    }

    /// One connection must be able to use its limits.
    fn check_buffers(&self, config: &Config, envelopes: bool) -> Result<(), ConfigError> {
        let plain = config.rules();
        let rules =
            if envelopes { Rules { max_message: enveloped(plain.max_message), ..plain } } else { plain };
        let message = rules.max_payload(config.compression != Compression::Off);
        let needed = (message + config.outbox_limit).saturating_mul(self.workers);
        if config.buffer_limit < needed {
            return Err(ConfigError::BufferShare { needed });
        }
        let needed = config.outbox_limit.saturating_mul(self.workers);
        if config.backlog_limit < needed { Err(ConfigError::BacklogShare { needed }) } else { Ok(()) }
    }
}

/// The most connections that one of several workers gets, for all practical purposes: the kernel spreads them by a hash, so a
/// worker's number has a standard deviation of about the square root of its mean; six of them are added.
fn share(connections: usize, workers: usize) -> usize {
    let mean = connections.div_ceil(workers);
    mean + 6 * (mean.isqrt() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() }
    }

    #[test]
    fn what_fits_one_table_shares_it_among_one_worker_a_core() {
        let plan =
            Plan::new(&Config { max_connections: Some(19_000), ..config() }, false, 2, 20_000).unwrap();
        assert_eq!((plan.workers, plan.connections, plan.private_tables), (2, 19_000, false));
    }

    #[test]
    fn by_default_there_are_as_many_connections_as_fit() {
        let plan = Plan::new(&config(), false, 2, 20_000).unwrap();
        assert!((19_000..20_000).contains(&plan.connections), "{plan:?}");
        assert!(!plan.private_tables);
    }

    #[test]
    fn a_million_get_tables_of_their_own_with_room_for_an_uneven_spread() {
        let wanted = Config { max_connections: Some(1_000_000), private_tables: true, ..config() };
        let plan = Plan::new(&wanted, false, 2, 20_000).unwrap();
        assert!(plan.private_tables && (51..60).contains(&plan.workers), "{plan:?}");
        let mean = 1_000_000 / plan.workers;
        assert!(plan.per_worker > mean + 5 * mean.isqrt() && plan.per_worker < 20_000, "{plan:?}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_numbers() {
        let million = Config { max_connections: Some(1_000_000), ..config() };
        assert!(matches!(
            Plan::new(&million, false, 2, 20_000),
            Err(ConfigError::DescriptorLimit { wanted: 1_000_000, limit: 20_000, .. })
        ));
        let few = Config { private_tables: true, workers: Some(10), ..million.clone() };
        assert!(matches!(
            Plan::new(&few, false, 2, 20_000),
            Err(ConfigError::TooFewWorkers { workers: 10, needed: 51..60, .. })
        ));
        let many = Config { private_tables: true, max_connections: Some(100_000_000), ..million.clone() };
        assert!(matches!(Plan::new(&many, false, 2, 20_000), Err(ConfigError::DescriptorLimit { .. })));
        let no_room = Config { max_connections: None, ..million };
        assert!(matches!(Plan::new(&no_room, false, 2, 200), Err(ConfigError::DescriptorLimit { .. })));
        let narrow = Config { buffer_limit: 3 << 20, ..config() };
        assert_eq!(Plan::new(&narrow, false, 2, 20_000), Err(ConfigError::BufferShare { needed: 6 << 20 }));
        let narrow = Config { backlog_limit: (4 << 20) - 1, ..config() };
        assert_eq!(Plan::new(&narrow, false, 2, 20_000), Err(ConfigError::BacklogShare { needed: 4 << 20 }));
    }
}
