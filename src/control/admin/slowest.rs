//! `GET /slowest`: the clients with the most bytes of queued output.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use throng::hub::SlowClient;
use throng::hub::questions::FindSlowest;

use super::hub_client::HubClient;
use super::problem::Problem;

/// Number of clients in the list, unless the request sets another.
const LIMIT: usize = 10;
/// The most clients in a list.
const MAX_LIMIT: usize = 1000;

/// The query of the request target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlowestQuery {
    #[serde(default = "default_limit")]
    limit: usize,
}

const fn default_limit() -> usize {
    LIMIT
}

/// The clients with the most bytes of queued output, in descending order.
#[derive(Debug, Serialize)]
pub(super) struct SlowestReport {
    slowest: Vec<SlowEntry>,
}

#[derive(Debug, Serialize)]
struct SlowEntry {
    connection: String,
    bytes: usize,
}

impl From<SlowClient> for SlowEntry {
    fn from(client: SlowClient) -> Self {
        Self { connection: client.connection.to_string(), bytes: client.bytes }
    }
}

/// `GET /slowest`
pub(super) async fn slowest(
    State(hub): State<Arc<HubClient>>,
    which: Result<Query<SlowestQuery>, QueryRejection>,
) -> Result<Json<SlowestReport>, Problem> {
    let Query(SlowestQuery { limit }) =
        which.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be from 1 to {MAX_LIMIT}")));
    }
    let mut all = hub.ask(FindSlowest { limit })?.all().await?.concat();
    all.sort_by_key(|client| (Reverse(client.bytes), client.connection));
    all.truncate(limit);
    let slowest = all.into_iter().map(SlowEntry::from).collect();
    Ok(Json(SlowestReport { slowest }))
}
