//! The admin port: what the server is doing, over HTTP on a loopback address.

use std::net::SocketAddr;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use throng::{Handle, Stats};
use tokio::net::TcpListener;

use super::exit::Failure;

/// The counters, each worker's and all together.
#[derive(Debug, Serialize)]
struct Report {
    workers: Vec<Stats>,
    total: Stats,
}

/// Listens on the admin address, which must be a loopback one.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::Configuration(format!(
            "the admin port has no authentication, so {address} will not do: give a loopback address"
        )));
    }
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Configuration(format!("cannot listen on {address} for the admin port: {error}"))
    })
}

/// Serves the admin port until it is dropped.
pub(super) async fn run(listener: TcpListener, handle: Handle) {
    let routes = Router::new().route("/stats", get(stats)).route("/health", get(health)).with_state(handle);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the admin port has failed");
    }
}

async fn stats(State(handle): State<Handle>) -> Json<Report> {
    let workers = handle.worker_stats();
    let mut total = Stats::default();
    workers.iter().for_each(|worker| total.merge(worker));
    Json(Report { workers, total })
}

async fn health() -> &'static str {
    "ok\n"
}
