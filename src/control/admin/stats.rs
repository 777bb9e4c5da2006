//! `GET /stats` and `GET /metrics`: the server's counters.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;
use throng::hub::{Hub, HubStats};
use throng::metrics::{CONTENT_TYPE, Exposition};
use throng::{Handle, Stats};

/// The sources of the counters.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    handle: Handle,
    hub: Option<Hub>,
}

/// The counters: those of each worker, their sums, and those of the hub.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    workers: Vec<Stats>,
    total: Stats,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<HubStats>,
}

impl Counted {
    pub(super) const fn new(handle: Handle, hub: Option<Hub>) -> Self {
        Self { handle, hub }
    }
}

/// `GET /stats`: the counters as JSON.
pub(super) async fn stats(State(counted): State<Counted>) -> Json<Report> {
    let workers = counted.handle.worker_stats();
    let mut total = Stats::default();
    workers.iter().for_each(|worker| total.merge(worker));
    Json(Report { workers, total, hub: counted.hub.as_ref().map(Hub::stats) })
}

/// `GET /metrics`: the counters of all workers together in the OpenMetrics format.
pub(super) async fn metrics(State(counted): State<Counted>) -> ([(HeaderName, &'static str); 1], String) {
    let mut exposition = Exposition::default();
    exposition.add_info("throng_build", "The program.", &[("version", env!("CARGO_PKG_VERSION"))]);
    exposition.add(&counted.handle.stats());
    if let Some(hub) = &counted.hub {
        exposition.add(&hub.stats());
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], exposition.finish())
}
