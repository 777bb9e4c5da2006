//! The plan of a server: the number of workers, whether each needs a private descriptor table, and each worker's share of the limits.

use super::choices::{Compression, DescriptorTables};
use super::config::Config;
use super::error::ConfigError;
use crate::budget::{
    DEFAULT_BACKLOG, DEFAULT_BUFFERS, DESCRIPTOR_RESERVE, MAX_CONNECTIONS_PER_WORKER, MAX_WORKERS, REFUSALS,
    WORKER_DESCRIPTORS, enveloped, outbox_for,
};
use crate::ws::DecoderConfig;

/// The plan of a server on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) workers: usize,
    /// The most connections of all workers.
    pub(super) connections: usize,
    /// The most connections of one worker.
    pub(super) per_worker: usize,
    /// Connections that each worker may hold above its limit or the server's, to refuse them.
    pub(super) refusals: usize,
    pub(super) private_tables: bool,
    /// Bytes that one worker may use for buffers, and for messages that wait for slow connections.
    pub(super) buffers: usize,
    pub(super) backlog: usize,
}

/// The part of a plan that concerns descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    workers: usize,
    connections: usize,
    per_worker: usize,
    refusals: usize,
    private_tables: bool,
}

/// The room that descriptor tables have.
#[derive(Debug, Clone, Copy)]
struct Tables {
    /// The limit of descriptors in each table.
    descriptors: usize,
    /// The number of addresses to listen on. Every worker has a listener for each.
    listeners: usize,
    may_be_private: bool,
}

impl Plan {
    /// Makes the plan for a configuration, from the number of cores and the limit of descriptors in a table.
    pub(super) fn new(
        config: &Config,
        envelopes: bool,
        cores: usize,
        descriptors: usize,
    ) -> Result<Self, ConfigError> {
        let may_be_private = config.descriptor_tables == DescriptorTables::PrivateIfNeeded;
        let tables = Tables { descriptors, listeners: config.listen.len(), may_be_private };
        let asked = config.workers.unwrap_or(cores).clamp(1, MAX_WORKERS);
        let shape = match config.max_connections {
            None => tables.as_many_as_fit(config, asked)?,
            Some(wanted) => tables.for_connections(config, asked, wanted)?,
        };
        let Shape { workers, connections, per_worker, refusals, private_tables } = shape;
        let (buffers, backlog) = shares(config, envelopes, workers)?;
        Ok(Self { workers, connections, per_worker, refusals, private_tables, buffers, backlog })
    }
}

impl Tables {
    /// Returns the shape with all workers in one table, and the connections that fit beside the workers' own descriptors.
    fn shared(self, workers: usize) -> Shape {
        let own = DESCRIPTOR_RESERVE + workers * (self.listeners + WORKER_DESCRIPTORS);
        let room = self.descriptors.saturating_sub(own);
        let refusals = refusals(room / workers);
        let per_worker = MAX_CONNECTIONS_PER_WORKER - REFUSALS;
        let connections = room.saturating_sub(workers * refusals).min(workers * per_worker);
        Shape { workers, connections, per_worker, refusals, private_tables: false }
    }

    /// Returns the shape with a table for each worker, and the connections that fit even if the kernel spreads them unevenly. Every table
    /// also holds the wakers of all workers.
    fn private(self, workers: usize) -> Shape {
        let room = self.descriptors.saturating_sub(DESCRIPTOR_RESERVE + self.listeners + workers);
        let refusals = refusals(room);
        let per_worker = room.saturating_sub(refusals).min(MAX_CONNECTIONS_PER_WORKER - REFUSALS);
        let mean = per_worker.saturating_sub(6 * (per_worker.isqrt() + 1));
        Shape { workers, connections: workers * mean, per_worker, refusals, private_tables: true }
    }

    /// Returns the default shape, the first of these that fits: one table, if most of it is for connections; private tables, where they are
    /// allowed; fewer workers, where their number is not given.
    fn as_many_as_fit(self, config: &Config, workers: usize) -> Result<Shape, ConfigError> {
        let least = if config.workers.is_some() { workers } else { 1 };
        let half = (self.descriptors / 2).min(MAX_CONNECTIONS_PER_WORKER / 2);
        let shapes = |workers: usize| {
            let private = self.may_be_private.then(|| self.private(workers));
            [Some(self.shared(workers)), private].into_iter().flatten()
        };
        let all = || (least..=workers).rev().flat_map(shapes);
        let is_mostly_connections = |shape: &Shape| {
            let of_a_table = if shape.private_tables { shape.per_worker } else { shape.connections };
            shape.connections > 0 && of_a_table >= half
        };
        let best = all().find(is_mostly_connections).or_else(|| all().max_by_key(|shape| shape.connections));
        best.filter(|shape| shape.connections > 0).ok_or_else(|| self.no_room(config, workers))
    }

    /// Returns the shape for `wanted` connections.
    fn for_connections(self, config: &Config, workers: usize, wanted: usize) -> Result<Shape, ConfigError> {
        let as_wanted = |shape| Shape { connections: wanted, ..shape };
        if self.shared(workers).connections >= wanted {
            return Ok(as_wanted(self.shared(workers)));
        }
        let in_private = |&workers: &usize| share(wanted, workers) <= self.private(workers).per_worker;
        let in_shared = |&workers: &usize| self.shared(workers).connections >= wanted;
        let more = (workers..=MAX_WORKERS).find(in_private).filter(|_| self.may_be_private);
        // Fewer workers need fewer descriptors for themselves.
        let fewer = || {
            let private = (1..workers).rev().find(in_private).filter(|_| self.may_be_private);
            private
                .map(|workers| self.private(workers))
                .or_else(|| (1..workers).rev().find(in_shared).map(|workers| self.shared(workers)))
        };
        match more {
            Some(needed) if config.workers.is_none() || needed == workers => {
                Ok(as_wanted(self.private(needed)))
            }
            Some(needed) => Err(ConfigError::TooFewWorkers { wanted, workers, needed }),
            None => match fewer() {
                Some(shape) if config.workers.is_none() => Ok(as_wanted(shape)),
                Some(shape) => {
                    Err(ConfigError::TooManyWorkers { workers, most: shape.workers, limit: self.descriptors })
                }
                None => Err(self.no_room_for(config, workers, wanted)),
            },
        }
    }

    /// Returns the error that says why there is no room for a single connection.
    fn no_room(self, config: &Config, workers: usize) -> ConfigError {
        let limit = self.descriptors;
        match (1..workers).rev().find(|&workers| self.shared(workers).connections > 0) {
            Some(most) if config.workers.is_some() => ConfigError::TooManyWorkers { workers, most, limit },
            _ => self.no_room_for(config, workers, 1),
        }
    }

    fn no_room_for(self, config: &Config, workers: usize, wanted: usize) -> ConfigError {
        let least = if config.workers.is_some() { workers } else { 1 };
        let shared = (least..=workers).map(|workers| self.shared(workers).connections).max();
        let private = (1..=MAX_WORKERS).map(|workers| self.private(workers).connections).max();
        let private = private.filter(|_| self.may_be_private);
        let room = shared.max(private).unwrap_or(0);
        ConfigError::DescriptorLimit { wanted, room, limit: self.descriptors }
    }
}

/// Returns how many connections a worker may hold in order to refuse them, if there is room for `room` connections of all kinds.
const fn refusals(room: usize) -> usize {
    match room / 16 {
        0 => 1,
        part if part < REFUSALS => part,
        _ => REFUSALS,
    }
}

/// Returns the bytes of buffers that one connection must be able to use, for its longest message and its outbox.
pub(super) fn buffers_of_one(config: &Config, envelopes: bool) -> usize {
    let plain = config.decoder_config();
    let decoder =
        if envelopes { DecoderConfig { max_message: enveloped(plain.max_message), ..plain } } else { plain };
    decoder.max_payload(config.compression != Compression::Off).saturating_add(config.outbox_limit)
}

/// Returns the most connections that one of several workers is planned for. The kernel spreads connections by a hash, so the number of one
/// worker has a standard deviation of about the square root of its mean: the plan adds six standard deviations.
fn share(connections: usize, workers: usize) -> usize {
    let mean = connections.div_ceil(workers);
    mean.saturating_add(6 * (mean.isqrt() + 1))
}

/// Returns a worker's shares of the memory for buffers and for waiting messages, in bytes. A share must be large enough for the limits of
/// one connection. The default limits grow to make it so.
fn shares(config: &Config, envelopes: bool, workers: usize) -> Result<(usize, usize), ConfigError> {
    let needed = buffers_of_one(config, envelopes).saturating_mul(workers);
    let buffers = config.buffer_limit.unwrap_or(DEFAULT_BUFFERS.max(needed));
    if buffers < needed {
        return Err(ConfigError::BufferShare { needed, workers });
    }
    let outbox = config.outbox_limit;
    let outbox = if envelopes { outbox_for(outbox, enveloped(config.max_message)) } else { outbox };
    let needed = outbox.saturating_mul(workers);
    let backlog = config.backlog_limit.unwrap_or(DEFAULT_BACKLOG.max(needed));
    if backlog < needed {
        return Err(ConfigError::BacklogShare { needed, workers });
    }
    Ok((buffers / workers, backlog / workers))
}

#[cfg(test)]
mod tests {
    use super::DescriptorTables::{PrivateIfNeeded, Shared};
    use super::*;

    fn config() -> Config {
        Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() }
    }

    fn plan(config: &Config, cores: usize, descriptors: usize) -> Result<Plan, ConfigError> {
        Plan::new(config, false, cores, descriptors)
    }

    #[test]
    fn what_fits_one_table_shares_it_among_one_worker_a_core() {
        let plan = plan(&Config { max_connections: Some(19_000), ..config() }, 2, 20_000).unwrap();
        assert_eq!((plan.workers, plan.connections, plan.private_tables), (2, 19_000, false));
    }

    #[test]
    fn by_default_there_are_as_many_connections_as_fit() {
        for descriptor_tables in [Shared, PrivateIfNeeded] {
            let plan = plan(&Config { descriptor_tables, ..config() }, 2, 20_000).unwrap();
            assert!((19_000..20_000).contains(&plan.connections), "{plan:?}");
            assert!(!plan.private_tables);
        }
    }

    #[test]
    fn a_million_get_tables_of_their_own_with_room_for_an_uneven_spread() {
        let wanted =
            Config { max_connections: Some(1_000_000), descriptor_tables: PrivateIfNeeded, ..config() };
        let plan = plan(&wanted, 2, 20_000).unwrap();
        assert!(plan.private_tables && (51..60).contains(&plan.workers), "{plan:?}");
        let mean = 1_000_000 / plan.workers;
        assert!(plan.per_worker > mean + 5 * mean.isqrt() && plan.per_worker < 20_000, "{plan:?}");
    }

    /// Returns the number of descriptors in the fullest table that a plan allows.
    fn descriptors(plan: &Plan, listeners: usize) -> usize {
        let Plan { workers, connections, per_worker, refusals, private_tables, .. } = *plan;
        if private_tables {
            return DESCRIPTOR_RESERVE + listeners + workers + per_worker + refusals;
        }
        let own = workers * (listeners + WORKER_DESCRIPTORS + refusals);
        DESCRIPTOR_RESERVE + own + connections.min(workers * per_worker)
    }

    /// Checks a plan, or the error in its place.
    fn check(config: &Config, cores: usize, limit: usize) {
        let what =
            format!("{:?} of {cores} workers, {:?}, limit {limit}", config.workers, config.max_connections);
        match plan(config, cores, limit) {
            Ok(plan) => {
                assert!(descriptors(&plan, config.listen.len()) <= limit, "{what}: {plan:?}");
                assert!(plan.connections > 0 && plan.refusals > 0, "{what}: {plan:?}");
                assert!(plan.workers * plan.per_worker >= plan.connections, "{what}: {plan:?}");
                assert_eq!(plan.connections, config.max_connections.unwrap_or(plan.connections), "{what}");
                assert_eq!(plan.workers, config.workers.unwrap_or(plan.workers), "{what}");
                assert!(config.descriptor_tables == PrivateIfNeeded || !plan.private_tables, "{what}");
                if plan.private_tables {
                    assert!(share(plan.connections, plan.workers) <= plan.per_worker, "{what}: {plan:?}");
                }
                if config.workers.is_none() && config.max_connections.is_none() && limit >= 512 {
                    assert!(
                        plan.connections >= limit.min(MAX_CONNECTIONS_PER_WORKER) / 2,
                        "{what}: {plan:?}"
                    );
                }
            }
            Err(ConfigError::DescriptorLimit { wanted, room, limit: said }) => {
                assert_eq!((wanted, said), (config.max_connections.unwrap_or(1), limit), "{what}");
                assert!(room < wanted || room == 0, "{what}: room for {room}");
                // With the default settings, this happens only with a very low descriptor limit.
                assert!(
                    config.workers.is_some() || config.max_connections.is_some() || limit < 140,
                    "{what}"
                );
            }
            Err(ConfigError::TooFewWorkers { workers, needed, .. }) => {
                assert_eq!(config.workers, Some(workers), "{what}");
                plan(&Config { workers: Some(needed), ..config.clone() }, cores, limit).expect(&what);
            }
            Err(ConfigError::TooManyWorkers { workers, most, .. }) => {
                assert_eq!(config.workers, Some(workers), "{what}");
                plan(&Config { workers: Some(most), ..config.clone() }, cores, limit).expect(&what);
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }

    #[test]
    fn every_limit_is_served_or_refused_with_what_to_change() {
        let limits = [0, 64, 128, 140, 200, 256, 600, 1_024, 4_096, 20_000, 65_536, 1 << 20, usize::MAX];
        let numbers = [1, 2, 8, 30, 64, 170, 171, 256, 1_024];
        let wanted = [
            None,
            Some(1),
            Some(100),
            Some(630),
            Some(1_000),
            Some(20_000),
            Some(1_000_000),
            Some(100_000_000),
        ];
        for limit in limits {
            for cores in numbers {
                for max_connections in wanted {
                    for (workers, descriptor_tables, listeners) in [
                        (None, Shared, 1),
                        (None, PrivateIfNeeded, 1),
                        (Some(cores), Shared, 2),
                        (Some(cores), PrivateIfNeeded, 10),
                    ] {
                        let listen = vec!["127.0.0.1:0".parse().unwrap(); listeners];
                        let config =
                            Config { listen, workers, max_connections, descriptor_tables, ..config() };
                        check(&config, cores, limit);
                    }
                }
            }
        }
    }

    #[test]
    fn defaults_start_with_any_number_of_cores() {
        for cores in [1, 2, 8, 30, 170, 171, 1_024, 5_000] {
            for limit in [256, 1_024, 4_096, 20_000, 1 << 20] {
                for descriptor_tables in [Shared, PrivateIfNeeded] {
                    let plan = plan(&Config { descriptor_tables, ..config() }, cores, limit).unwrap();
                    assert!(plan.connections >= limit / 4, "{cores} cores, limit {limit}: {plan:?}");
                    assert!(plan.buffers >= 3 << 20 && plan.backlog >= 2 << 20, "{plan:?}");
                }
            }
        }
        // One worker a core, where one table has room for all workers or each worker has its own table.
        for (cores, limit) in [(8, 1_024), (30, 4_096), (170, 1_024), (170, 20_000)] {
            let plan =
                plan(&Config { descriptor_tables: PrivateIfNeeded, ..config() }, cores, limit).unwrap();
            assert_eq!(plan.workers, cores, "limit {limit}: {plan:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_numbers() {
        let million = Config { max_connections: Some(1_000_000), ..config() };
        assert!(matches!(
            plan(&million, 2, 20_000),
            Err(ConfigError::DescriptorLimit { wanted: 1_000_000, room: 19_000..20_000, limit: 20_000 })
        ));
        let few = Config { descriptor_tables: PrivateIfNeeded, workers: Some(10), ..million.clone() };
        assert!(matches!(
            plan(&few, 2, 20_000),
            Err(ConfigError::TooFewWorkers { workers: 10, needed: 51..60, .. })
        ));
        let many = Config {
            descriptor_tables: PrivateIfNeeded,
            max_connections: Some(100_000_000),
            ..million.clone()
        };
        assert!(matches!(plan(&many, 2, 20_000), Err(ConfigError::DescriptorLimit { .. })));
        let crowd = Config { descriptor_tables: PrivateIfNeeded, workers: Some(1_024), ..config() };
        assert!(matches!(
            plan(&crowd, 2, 1_024),
            Err(ConfigError::TooManyWorkers { workers: 1_024, most: 100..900, limit: 1_024 })
        ));
        let no_room = Config { max_connections: None, ..million };
        assert_eq!(
            plan(&no_room, 2, 130),
            Err(ConfigError::DescriptorLimit { wanted: 1, room: 0, limit: 130 })
        );
        let narrow = Config { buffer_limit: Some(3 << 20), ..config() };
        let needed = 6 << 20;
        assert_eq!(plan(&narrow, 2, 20_000), Err(ConfigError::BufferShare { needed, workers: 2 }));
        let narrow = Config { backlog_limit: Some((4 << 20) - 1), ..config() };
        let needed = 4 << 20;
        assert_eq!(plan(&narrow, 2, 20_000), Err(ConfigError::BacklogShare { needed, workers: 2 }));
    }
}
