//! `throng serve`: starts the server, and runs it to its end.

use std::io::Write;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use throng::hub::Hub;
use throng::sys::signals::Signals;
use throng::sys::{fdtable, memory};
use throng::{Builder, Server, budget};
use tokio::net::TcpListener;

use super::admin::{self, AdminToken};
use super::cli::Serve;
use super::error::ExitError;
use super::housekeeping::Housekeeper;
use super::settings::{App, ProgramConfig, QUEUED_MESSAGES, Settings};
use super::signals::SignalStream;
use crate::app::{Echo, Sink};

/// Number of the allocator's arenas. Each keeps free memory of its own, and a worker seldom allocates.
const ARENAS: usize = 2;
/// Bytes that an outbox must hold beyond the longest message, so that each one can be echoed: earlier echoes that have not left, and
/// headers.
const ECHO_ROOM: usize = 2 * budget::LEAST_OUTBOX;
/// The interval at which the main thread checks its workers.
const WATCH: Duration = Duration::from_millis(100);

/// The line of JSON that is printed when every worker listens.
#[derive(Debug, Serialize)]
struct Ready {
    ready: bool,
    listen: Vec<String>,
    admin: Option<SocketAddr>,
    workers: usize,
    max_connections: usize,
    private_tables: bool,
}

/// Runs the server to its end.
pub(super) fn serve(serve: Serve, signals: &Signals) -> Result<(), ExitError> {
    let Serve { settings, token, log, warnings } = serve;
    if let Some(address) = settings.admin() {
        admin::check(address, token.as_ref())?;
    }
    // Before there are other threads: the allocator's options hold for all of them.
    memory::map_large_blocks(budget::MAPPED_BLOCK);
    memory::limit_arenas(ARENAS);
    log.init();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Err(error) = fdtable::raise_limit() {
        tracing::warn!(%error, "cannot raise the descriptor limit");
    }
    signals.begin();
    let admin = settings.admin().map(admin::bind).transpose()?;
    let hub = (settings.program.app == App::Hub).then(|| Hub::new(settings.hub.clone()));
    let server = start(&settings, hub.as_ref())?;
    // The runtime opens its descriptors after the workers have private tables, so that they stay in the main thread's.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(|error| {
            ExitError::Runtime(format!("cannot start the control thread's runtime: {error}"))
        })?;
    runtime.block_on(control(server, &settings, hub.as_ref(), admin, token, signals))
}

fn start(settings: &Settings, hub: Option<&Hub>) -> Result<Server, ExitError> {
    let Settings { server: config, hub: hub_config, program: ProgramConfig { app, .. } } = settings;
    if *app == App::Echo && config.outbox_limit < config.max_message.saturating_add(ECHO_ROOM) {
        return Err(ExitError::Configuration(
            "outbox-limit must be at least 128 KiB more than max-message, so that every message can be echoed".into(),
        ));
    }
    let (queue, least) = (hub_config.queue_limit, settings.least_queue());
    if *app == App::Hub && queue < least {
        return Err(ExitError::Configuration(format!(
            "queue-limit is {queue}, and must be at least {QUEUED_MESSAGES} times max-message, {least}, so that long messages of several \
             clients can be under way: raise it, or lower max-message"
        )));
    }
    let builder = Builder::from(config.clone());
    let server = match (hub, app) {
        (Some(hub), _) => builder.start(hub.handler())?,
        (None, App::Sink) => builder.start(|_| Sink)?,
        (None, _) => builder.start(|_| Echo)?,
    };
    if server.private_tables() {
        tracing::warn!(
            workers = server.workers(),
            max_connections = server.max_connections(),
            "the descriptor limit is too low for one table: each worker has one of its own"
        );
    }
    Ok(server)
}

/// Controls the running server: handles signals, the admin port and failed workers, and returns free memory.
async fn control(
    server: Server,
    settings: &Settings,
    hub: Option<&Hub>,
    admin: Option<std::net::TcpListener>,
    token: Option<AdminToken>,
    signals: &Signals,
) -> Result<(), ExitError> {
    let stream = SignalStream::new(signals).map_err(signals_lost)?;
    let admin = admin
        .map(TcpListener::from_std)
        .transpose()
        .map_err(|error| ExitError::Runtime(format!("cannot watch the admin port: {error}")))?;
    announce(&server, settings, admin.as_ref().and_then(|listener| listener.local_addr().ok()))?;
    run(&server, settings, hub, admin, token, &stream).await?;
    let stats = server.stats();
    server.join()?;
    tracing::info!(opened = stats.opened, bugs = stats.bugs, "ended");
    Ok(())
}

/// Runs the server and its admin port until all workers have ended, and requests under way on the admin port are answered.
async fn run(
    server: &Server,
    settings: &Settings,
    hub: Option<&Hub>,
    admin: Option<TcpListener>,
    token: Option<AdminToken>,
    stream: &SignalStream<'_>,
) -> Result<(), ExitError> {
    let admission = Arc::<admin::Admission>::default();
    let serve_admin = async {
        match admin {
            Some(listener) => {
                let admission = Arc::clone(&admission);
                admin::run(listener, admission, server, hub, token, settings.server.max_message).await
            }
            None => std::future::pending().await,
        }
    };
    let mut serve_admin = pin!(serve_admin);
    tokio::select! {
        ended = until_the_end(server, hub, stream, settings.program.drain_timeout) => ended?,
        failed = &mut serve_admin => match failed? {},
    }
    tokio::select! {
        () = admin::end(&admission) => Ok(()),
        failed = serve_admin => match failed? {},
    }
}

/// Announces that the server is ready: on standard output for programs, in the log for people.
fn announce(server: &Server, settings: &Settings, admin: Option<SocketAddr>) -> Result<(), ExitError> {
    let unix = settings.server.listen.iter().filter(|listen| matches!(listen, throng::Listen::Unix(_)));
    let tcp = server.addresses().iter().map(ToString::to_string);
    let ready = Ready {
        ready: true,
        listen: tcp.chain(unix.map(ToString::to_string)).collect(),
        admin,
        workers: server.workers(),
        max_connections: server.max_connections(),
        private_tables: server.private_tables(),
    };
    tracing::info!(
        listen = ready.listen.join(" "),
        workers = ready.workers,
        max_connections = ready.max_connections,
        "ready"
    );
    let mut line = serde_json::to_string(&ready)
        .map_err(|error| ExitError::Runtime(format!("cannot write the ready line: {error}")))?;
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| ExitError::Runtime(format!("cannot write to standard output: {error}")))
}

/// Waits until all workers have ended: gracefully after a signal, at once after a second one that arrives a second later or more.
async fn until_the_end(
    server: &Server,
    hub: Option<&Hub>,
    stream: &SignalStream<'_>,
    drain_timeout: Duration,
) -> Result<(), ExitError> {
    let mut housekeeper = Housekeeper::default();
    let first = loop {
        tokio::select! {
            signal = stream.end() => break signal.map_err(signals_lost)?,
            () = tokio::time::sleep(WATCH) => {
                if server.has_ended_worker() {
                    return Err(ExitError::Runtime("a worker has ended by itself, see above".into()));
                }
                housekeeper.look_after(server, hub);
            }
        }
    };
    let open = server.stats().open;
    server.drain(drain_timeout);
    tracing::info!(signal = first, open, ?drain_timeout, "ending: closing all connections");
    while !server.has_ended() {
        tokio::select! {
            signal = stream.cut() => {
                let signal = signal.map_err(signals_lost)?;
                server.stop();
                return Err(ExitError::Runtime(format!("{signal} while ending: connections were cut")));
            }
            () = tokio::time::sleep(WATCH) => {}
        }
    }
    Ok(())
}

fn signals_lost(error: std::io::Error) -> ExitError {
    ExitError::Runtime(format!("cannot hear of signals: {error}"))
}
