//! Threads, descriptor tables and listeners: from a configuration to workers that run.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use core_affinity::CoreId;

use super::bell::Bell;
use super::config::Config;
#[cfg(feature = "metering")]
use super::error::ConfigError;
use super::error::StartError;
use super::listen::{Opened, SocketFile};
use super::plan::Plan;
use super::{Listen, Server, listen};
use crate::budget::{POOL_KEEP, POOL_KEEP_LEAST, SLOWEST_READER};
use crate::sys::eventfd::EventFd;
use crate::sys::{fdtable, signals};
use crate::worker::{
    Assembly, Context, Handle, Handler, Inbox, Limits, Linux, Listening, Shared, TICK, Wake, Worker,
};

/// What a worker's thread needs to become one. In a server with private tables it holds no descriptor but the wakers.
struct Launch<F> {
    plan: Plan,
    limits: Limits,
    pin: bool,
    steer: bool,
    cores: Vec<CoreId>,
    /// When the server started.
    start: Instant,
    handler: F,
    handle: Handle,
    wakers: Vec<Arc<EventFd>>,
    bell: Bell,
}

/// What a worker's thread says when it listens, or cannot.
type Report = Result<Places, StartError>;

/// Where a worker listens.
#[derive(Debug, Default)]
struct Places {
    addresses: Vec<SocketAddr>,
    files: Vec<SocketFile>,
}

/// Plans and starts a server; returns when every worker listens.
pub(super) fn start<H, F>(config: Config, handler: F) -> Result<Server, StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
{
    config.validate()?;
    let (descriptors, _) = fdtable::limits().map_err(StartError::system("read the descriptor limit"))?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let plan =
        Plan::new(&config, H::ENVELOPES, cores.len(), usize::try_from(descriptors).unwrap_or(usize::MAX))?;
    listen::find_others(&config.listen)?;

    // The wakers of all workers, and the program's, come before the first private table, so that their numbers mean the same in
    // every one.
    let wakers: io::Result<Vec<Arc<EventFd>>> =
        (0..plan.workers).map(|_| EventFd::new().map(Arc::new)).collect();
    let wakers = wakers.map_err(StartError::system("make a waker"))?;
    let bell = Bell::new().map_err(StartError::system("make a waker"))?;
    let boxed = wakers.iter().map(|waker| Box::new(Arc::clone(waker)) as Box<dyn Wake>).collect();
    let (shared, inboxes) = Shared::new(boxed);
    let handle = Handle { shared: Arc::new(shared) };
    let launch = Launch {
        limits: limits(&config, &plan),
        plan,
        pin: config.pin,
        steer: config.steer,
        cores,
        start: Instant::now(),
        handler,
        handle: handle.clone(),
        wakers,
        bell: bell.clone(),
    };
    let launch = Arc::new(launch);
    if plan.private_tables {
        // Copies of the wakers stay in every table, so their numbers must not come to mean anything else: never freed.
        std::mem::forget(Arc::clone(&launch));
    }

    let mut server = Server {
        shared: handle.shared,
        bell,
        threads: Vec::with_capacity(plan.workers),
        addresses: Vec::new(),
        socket_files: Vec::new(),
        max_connections: plan.connections,
        private_tables: plan.private_tables,
    };
    start_workers(&launch, inboxes, config.listen, &mut server)?;
    Ok(server)
}

/// Starts the first worker, which finds the ports, and then the others on the same ones. On an error the server is dropped by
/// the caller, which ends the workers that run.
fn start_workers<H, F>(
    launch: &Arc<Launch<F>>,
    inboxes: Vec<Inbox>,
    mut places: Vec<Listen>,
    server: &mut Server,
) -> Result<(), StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
{
    let silent = || StartError::system("start a worker")(io::Error::other("its thread panicked"));
    let mut inboxes = inboxes.into_iter().enumerate();
    if let Some((number, inbox)) = inboxes.next() {
        // No sender is kept here: when the thread panics, the channel ends.
        let (report, reported) = channel();
        server.threads.push(spawn(Arc::clone(launch), number, inbox, places.clone(), report)?);
        let found = reported.recv().map_err(|_| silent())??;
        (server.addresses, server.socket_files) = (found.addresses, found.files);
    }
    // A Unix socket is the first worker's alone.
    places.retain(|place| matches!(place, Listen::Tcp(_)));
    for (place, address) in places.iter_mut().zip(&server.addresses) {
        *place = Listen::Tcp(*address);
    }
    let (reports, reported) = channel();
    for (number, inbox) in inboxes {
        server.threads.push(spawn(Arc::clone(launch), number, inbox, places.clone(), reports.clone())?);
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
    places: Vec<Listen>,
    reports: Sender<Report>,
) -> Result<JoinHandle<io::Result<()>>, StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H + Send + Sync + 'static,
{
    let body = move || {
        let worker = match set_up(&launch, number, inbox, &places) {
            Ok((worker, found)) => {
                // Whoever started us waits for the report; if it has gone, the server's end follows at once.
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
    places: &[Listen],
) -> Result<(Worker<Linux, H>, Places), StartError>
where
    H: Handler,
    F: Fn(&Context<'_>) -> H,
{
    signals::block_all().map_err(StartError::system("block signals"))?;
    if launch.plan.private_tables {
        let wakers = launch.wakers.iter().map(|waker| waker.as_fd());
        let keep: Vec<RawFd> = wakers.chain([launch.bell.as_fd()]).map(|fd| fd.as_raw_fd()).collect();
        fdtable::make_private(&keep).map_err(StartError::system("get a private descriptor table"))?;
    }
    let core = pin(launch, number).filter(|_| launch.steer);
    let os = Linux::new(clock_of(launch, number), launch.wakers[number].as_fd(), core)
        .map_err(StartError::system("make an epoll"))?;
    let (listeners, found) = open_listeners(places, core)?;
    let limits = launch.limits.clone();
    let max_message = limits.rules.max_message;
    let handler = (launch.handler)(&Context { worker: number, open: 0, max_message, handle: &launch.handle });
    let parts = Assembly { os, handler, limits, number, handle: launch.handle.clone(), inbox, listeners };
    let worker = Worker::new(parts).map_err(StartError::system("watch a listener"))?;
    Ok((worker, found))
}

/// Pins the calling thread to the worker's core and returns its number; `None` where it is not pinned.
fn pin<F>(launch: &Launch<F>, number: usize) -> Option<usize> {
    if !launch.pin || launch.cores.is_empty() {
        return None;
    }
    let core = launch.cores[number % launch.cores.len()];
    if !core_affinity::set_for_current(core) {
        tracing::warn!(worker = number, core = core.id, "cannot pin the worker to its core");
        return None;
    }
    Some(core.id)
}

/// Where a worker's time counts from: a fraction of a tick apart from the others', so that with many workers not all of them
/// find their timers due at the same moment.
fn clock_of<F>(launch: &Launch<F>, number: usize) -> Instant {
    let apart = TICK.mul_f64(number as f64 / launch.plan.workers as f64);
    launch.start.checked_sub(apart).unwrap_or(launch.start)
}

fn open_listeners(
    places: &[Listen],
    core: Option<usize>,
) -> Result<(Vec<Listening<OwnedFd>>, Places), StartError> {
    let mut listeners = Vec::with_capacity(places.len());
    let mut found = Places::default();
    for place in places {
        let opened =
            listen::open(place, core).map_err(|error| StartError::Listen { listen: place.clone(), error })?;
        let (listener, address) = match opened {
            Opened::Tcp(listener, address) => {
                found.addresses.push(address);
                (listener, Some(address))
            }
            Opened::Unix(listener, file) => {
                found.files.push(file);
                (listener, None)
            }
        };
        listeners.push(Listening { listener: Some(listener), address, ready: false });
    }
    Ok((listeners, found))
}

/// The limits of a server's only worker, where the table of descriptors has room for `descriptors`.
#[cfg(feature = "metering")]
pub(crate) fn limits_of_one(
    config: &Config,
    envelopes: bool,
    descriptors: usize,
) -> Result<Limits, ConfigError> {
    Ok(limits(config, &Plan::new(config, envelopes, 1, descriptors)?))
}

fn limits(config: &Config, plan: &Plan) -> Limits {
    Limits {
        server_connections: plan.connections,
        worker_connections: plan.per_worker,
        rules: config.rules(),
        deflation: config.deflation(),
        outbox: config.outbox_limit,
        buffers: config.buffer_limit / plan.workers,
        backlog: config.backlog_limit / plan.workers,
        spare_buffers: (POOL_KEEP / plan.workers).max(POOL_KEEP_LEAST),
        handshake_timeout: config.handshake_timeout,
        message_timeout: config.message_timeout,
        ping_interval: config.ping_interval,
        ping_policy: config.ping_policy,
        pong_timeout: config.pong_timeout,
        slowest_reader: SLOWEST_READER,
        close_timeout: config.close_timeout,
    }
}
