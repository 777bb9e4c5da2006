//! What the server has counted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use throng::hub::{Hub, HubStats};
use throng::{Handle, Stats};

/// Where the counters are.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    handle: Handle,
    hub: Option<Hub>,
}

/// The counters: each worker's, all together, and the hub's.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    workers: Vec<Stats>,
    total: Stats,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<HubStats>,
}

impl Counters {
    pub(super) const fn new(handle: Handle, hub: Option<Hub>) -> Self {
        Self { handle, hub }
    }
}

/// `GET /stats`
pub(super) async fn stats(State(counters): State<Counters>) -> Json<Report> {
    let workers = counters.handle.worker_stats();
    let mut total = Stats::default();
    workers.iter().for_each(|worker| total.merge(worker));
    Json(Report { workers, total, hub: counters.hub.as_ref().map(Hub::stats) })
}

/// `GET /health`: 503 from the moment on that the server begins to end, so that no new client is sent here.
pub(super) async fn health(State(handle): State<Handle>) -> (StatusCode, &'static str) {
    if handle.is_ending() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
