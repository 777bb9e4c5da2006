//! Starts a server: makes threads, descriptor tables and listeners from a configuration, until all workers run.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::Instant;

use core_affinity::CoreId;

use super::choices::{Pinning, Steering};
use super::config::Config;
#[cfg(feature = "guard")]
use super::error::ConfigError;
use super::error::StartError;
use super::listeners::{Handed, open_listeners, open_unix, tcp_addresses};
use super::loop_waker::LoopWaker;
use super::plan::{Plan, buffers_of_one};
use super::{Server, listen, log};
use crate::base::meter::Allowance;
use crate::base::notifier::Wake;
use crate::base::ticks::TICK;
use crate::budget::{
    POOL_KEEP, POOL_KEEP_LEAST, SLOWEST_READER, SMALL_SERVER, WORK_PER_FIRST, WORK_PER_ITERATION,
    WORK_PER_VISIT,
};
use crate::sys::eventfd::EventFd;
use crate::sys::{fdtable, signals};
use crate::worker::{
    Budgets, Context, Handle, Handler, Inbox, Limits, Linux, Notice, Shared, Worker, WorkerParts,
    record_bytes,
};

/// The values that a worker's thread needs to start. In a server with private tables the only descriptors in it are the wakers.
struct Launch<F> {
    plan: Plan,
    limits: Limits,
    pinning: Pinning,
    steering: Steering,
    cores: Vec<CoreId>,
    /// When the server started.
    start: Instant,
    handler: F,
    handle: Handle,
    wakers: Vec<Arc<EventFd>>,
    loop_waker: LoopWaker,
}

/// A worker's report that it listens, with the TCP addresses, or the error.
type Report = Result<Vec<SocketAddr>, StartError>;

/// Plans and starts a server; returns when every worker listens.
pub(super) fn start<H, F>(config: Config, handler: F) -> Result<Server, StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
{
    config.validate()?;
    let (descriptors, _) = fdtable::limits().map_err(StartError::system("read the descriptor limit"))?;
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    // A control group may allow the CPU time of fewer cores.
    let usable = thread::available_parallelism().map_or(cores.len(), NonZeroUsize::get);
    let plan = Plan::new(&config, H::ENVELOPES, usable, descriptors)?;
    if config.max_connections.is_none() && plan.connections < SMALL_SERVER {
        tracing::warn!(
            limit = descriptors,
            max_connections = plan.connections,
            "the descriptor limit leaves room for few connections: raise it (ulimit -n, LimitNOFILE=), or set max-connections"
        );
    }
    let claims = listen::claim(&config.listen);
    // Opened before the first private table is made, so that each table can have a copy.
    let (unix_listeners, socket_files) = open_unix(&config)?;

    // The wakers of all workers and of the program are made before the first private table, so that their numbers mean the same in every
    // table.
    let wakers: io::Result<Vec<Arc<EventFd>>> =
        (0..plan.workers).map(|_| EventFd::new().map(Arc::new)).collect();
    let wakers = wakers.map_err(StartError::system("make a waker"))?;
    let loop_waker = LoopWaker::new().map_err(StartError::system("make a waker"))?;
    let boxed = wakers.iter().map(|waker| Box::new(Arc::clone(waker)) as Box<dyn Wake>).collect();
    let (shared, inboxes) = Shared::new(boxed, config.outbox_limit);
    let handle = Handle { shared: Arc::new(shared) };
    let launch = Launch {
        limits: limits(&config, H::ENVELOPES, &plan),
        plan,
        pinning: config.pinning,
        steering: config.steering,
        cores,
        start: Instant::now(),
        handler,
        handle: handle.clone(),
        wakers,
        loop_waker: loop_waker.clone(),
    };
    let launch = Arc::new(launch);
    if plan.private_tables {
        // Copies of the wakers stay in every table, so no other file may get their numbers: the wakers are never freed.
        std::mem::forget(Arc::clone(&launch));
    }

    let mut server = Server {
        log: Some(log::start(&handle.shared, plan.connections)?),
        shared: handle.shared,
        loop_waker,
        threads: Vec::with_capacity(plan.workers),
        addresses: Vec::new(),
        socket_files,
        max_connections: plan.connections,
        private_tables: plan.private_tables,
        record_bytes: record_bytes::<H::Data>(),
    };
    start_workers(&launch, inboxes, tcp_addresses(&config), &unix_listeners, &mut server)?;
    drop(claims);
    Ok(server)
}

/// Starts the first worker, which finds the ports, and then the other workers on the same ports. On an error the caller drops the server,
/// which ends the running workers.
fn start_workers<H, F>(
    launch: &Arc<Launch<F>>,
    inboxes: Vec<Inbox>,
    places: Vec<SocketAddr>,
    unix: &[OwnedFd],
    server: &mut Server,
) -> Result<(), StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
{
    let silent = || StartError::system("start a worker")(io::Error::other("its thread panicked"));
    let handed = || Handed::new(launch.plan.private_tables, unix);
    let mut inboxes = inboxes.into_iter().enumerate();
    if let Some((number, inbox)) = inboxes.next() {
        // The thread owns the only sender: if it panics, the channel ends.
        let (report, reported) = channel();
        server.threads.push(spawn(Arc::clone(launch), number, inbox, places, handed()?, report)?);
        server.addresses = reported.recv().map_err(|_| silent())??;
    }
    let (reports, reported) = channel();
    for (number, inbox) in inboxes {
        server.threads.push(spawn(
            Arc::clone(launch),
            number,
            inbox,
            server.addresses.clone(),
            handed()?,
            reports.clone(),
        )?);
    }
    drop(reports);
    for _ in 1..launch.plan.workers {
        reported.recv().map_err(|_| silent())??;
    }
    Ok(())
}

fn spawn<H, F>(
    launch: Arc<Launch<F>>,
    number: usize,
    inbox: Inbox,
    places: Vec<SocketAddr>,
    unix: Handed,
    reports: Sender<Report>,
) -> Result<JoinHandle<io::Result<()>>, StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
{
    let body = move || {
        let worker = match set_up(&launch, number, inbox, &places, unix) {
            Ok((worker, found)) => {
                // The starting thread waits for the report. If its receiver is gone, the server ends at once.
                let _ = reports.send(Ok(found));
                worker
            }
            Err(error) => {
                let _ = reports.send(Err(error));
                return Ok(());
            }
        };
        drop(reports);
        worker.run()
    };
    let thread = Builder::new().name(format!("throng-{number}"));
    thread.spawn(body).map_err(StartError::system("start a worker's thread"))
}

/// Makes a worker in the calling thread.
fn set_up<H, F>(
    launch: &Launch<F>,
    number: usize,
    inbox: Inbox,
    places: &[SocketAddr],
    unix: Handed,
) -> Result<(Worker<Linux, H>, Vec<SocketAddr>), StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H,
{
    signals::block_all().map_err(StartError::system("block signals"))?;
    let unix = match unix {
        Handed::Own(listeners) => listeners,
        Handed::Copies(numbers) => {
            let wakers = launch.wakers.iter().map(|waker| waker.as_fd());
            let keep: Vec<RawFd> =
                wakers.chain([launch.loop_waker.as_fd()]).map(|fd| fd.as_raw_fd()).collect();
            fdtable::make_private_with(&keep, &numbers)
                .map_err(StartError::system("get a private descriptor table"))?
        }
    };
    let core = pin(launch, number).filter(|_| launch.steering == Steering::ByCore);
    let os = Linux::new(clock_of(launch, number), launch.wakers[number].as_fd(), core)
        .map_err(StartError::system("make an epoll"))?;
    let (listeners, found) = open_listeners(places, unix, number == 0, core)?;
    let limits = launch.limits.clone();
    let max_message = limits.decoder.max_message;
    let handler = (launch.handler)(&Context { worker: number, open: 0, max_message, handle: &launch.handle });
    let parts = WorkerParts { os, handler, limits, number, handle: launch.handle.clone(), inbox, listeners };
    let worker = Worker::new(parts).map_err(StartError::system("watch a listener"))?;
    Ok((worker, found))
}

/// Pins the calling thread to the worker's core and returns the core's number; `None` if the thread is not pinned.
fn pin<F>(launch: &Launch<F>, number: usize) -> Option<usize> {
    let (workers, cores) = (launch.plan.workers, launch.cores.len());
    let is_steered = launch.steering == Steering::ByCore && cores > 0;
    if launch.pinning == Pinning::Off || !(number < evenly_pinned(workers, cores) || is_steered) {
        return None;
    }
    let core = launch.cores[number % cores];
    if !core_affinity::set_for_current(core) {
        let notice = Notice::CannotPin { worker: number, core: core.id };
        launch.handle.shared.common.notices.send(notice);
        return None;
    }
    Some(core.id)
}

/// Returns how many workers can be pinned so that each core has the same number of them. The scheduler places the others, because another
/// program may use the first cores, too.
const fn evenly_pinned(workers: usize, cores: usize) -> usize {
    match workers.checked_rem(cores) {
        Some(rest) => workers - rest,
        None => 0,
    }
}

/// Returns the origin of a worker's time. The origins of the workers differ by a fraction of a tick, so that the workers' timers are not
/// all due at the same moment.
fn clock_of<F>(launch: &Launch<F>, number: usize) -> Instant {
    let apart = TICK.mul_f64(number as f64 / launch.plan.workers as f64);
    launch.start.checked_sub(apart).unwrap_or(launch.start)
}

/// Returns the limits of a server's only worker, where a table has room for `descriptors` descriptors.
#[cfg(feature = "guard")]
pub(crate) fn limits_of_one(
    config: &Config,
    envelopes: bool,
    descriptors: usize,
) -> Result<Limits, ConfigError> {
    Ok(limits(config, envelopes, &Plan::new(config, envelopes, 1, descriptors)?))
}

fn limits(config: &Config, envelopes: bool, plan: &Plan) -> Limits {
    Limits {
        server_connections: plan.connections,
        worker_connections: plan.per_worker,
        refusals: plan.refusals,
        head: config.head(),
        decoder: config.decoder_config(),
        deflation: config.deflation(),
        outbox: config.outbox_limit,
        buffers: plan.buffers,
        least_buffers: buffers_of_one(config, envelopes),
        backlog: plan.backlog,
        work: Allowance { first: WORK_PER_FIRST, visit: WORK_PER_VISIT, iteration: WORK_PER_ITERATION },
        spare_buffers: (POOL_KEEP / plan.workers).max(POOL_KEEP_LEAST),
        handshake_timeout: config.handshake_timeout,
        decision_timeout: config.decision_timeout,
        message_timeout: config.message_timeout,
        ping_interval: config.ping_interval,
        ping_policy: config.ping_policy,
        pong_timeout: config.pong_timeout,
        slowest_reader: SLOWEST_READER,
        close_timeout: config.close_timeout,
        budgets: Budgets::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_pinned_only_where_every_core_gets_as_many() {
        for (workers, cores, pinned) in
            [(1, 2, 0), (2, 2, 2), (3, 2, 2), (54, 2, 54), (7, 8, 0), (8, 8, 8), (1, 1, 1), (2, 0, 0)]
        {
            assert_eq!(evenly_pinned(workers, cores), pinned, "{workers} on {cores}");
        }
    }
}
