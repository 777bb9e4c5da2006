//! `GET /slowest`

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use throng::hub::{FindSlowest, SlowClient};

use super::hub_client::HubClient;
use super::problem::Problem;

/// Clients that are listed unless the request says otherwise.
const LIMIT: usize = 10;
/// Most clients that can be listed.
const MAX_LIMIT: usize = 1000;

/// What the query may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default = "default_limit")]
    limit: usize,
}

const fn default_limit() -> usize {
    LIMIT
}

/// The clients for which most bytes wait, most first.
#[derive(Debug, Serialize)]
pub(super) struct Slowest {
    slowest: Vec<Slow>,
}

#[derive(Debug, Serialize)]
struct Slow {
    connection: String,
    bytes: usize,
}

impl From<SlowClient> for Slow {
    fn from(client: SlowClient) -> Self {
        Self { connection: client.connection.to_string(), bytes: client.bytes }
    }
}

/// `GET /slowest`
pub(super) async fn slowest(
    State(hub): State<Arc<HubClient>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Slowest>, Problem> {
    let Query(Which { limit }) = which.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be from 1 to {MAX_LIMIT}")));
    }
    let mut all = hub.ask(FindSlowest { limit })?.all().await?.concat();
    all.sort_by_key(|client| (Reverse(client.bytes), client.connection));
    all.truncate(limit);
    let slowest = all.into_iter().map(Slow::from).collect();
    Ok(Json(Slowest { slowest }))
}
