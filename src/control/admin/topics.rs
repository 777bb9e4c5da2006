//! `GET /topics/{topic}` and `GET /topics`: topics, one or several.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use throng::hub::TopicInfo;
use throng::hub::questions::{DescribeTopic, ListTopics};

use super::hub_client::HubClient;
use super::problem::Problem;

/// Number of topics in the list, unless the request sets another.
const LIMIT: usize = 100;
/// The most topics in a list.
const MAX_LIMIT: usize = 1000;

/// The query of the request target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopicsQuery {
    #[serde(default)]
    prefix: String,
    #[serde(default = "default_limit")]
    limit: usize,
}

const fn default_limit() -> usize {
    LIMIT
}

/// A topic.
#[derive(Debug, Serialize)]
pub(super) struct TopicEntry {
    topic: String,
    subscribers: u64,
    offset: u64,
    epoch: String,
    history: HistoryEntry,
}

#[derive(Debug, Serialize)]
struct HistoryEntry {
    messages: usize,
    bytes: usize,
}

/// Topics in the order of their names.
#[derive(Debug, Serialize)]
pub(super) struct TopicsPage {
    topics: Vec<TopicEntry>,
    /// Whether there are more topics behind the last one.
    more: bool,
}

impl From<TopicInfo> for TopicEntry {
    fn from(info: TopicInfo) -> Self {
        Self {
            topic: info.topic,
            subscribers: info.subscribers,
            offset: info.offset,
            epoch: info.epoch.to_string(),
            history: HistoryEntry { messages: info.history_messages, bytes: info.history_bytes },
        }
    }
}

/// `GET /topics/{topic}`
pub(super) async fn one(
    State(hub): State<Arc<HubClient>>,
    topic: Result<Path<String>, PathRejection>,
) -> Result<Json<TopicEntry>, Problem> {
    let Path(topic) = topic.map_err(|rejection| Problem::bad_topic(rejection.body_text()))?;
    let found = hub.ask(DescribeTopic(topic))?.only().await?;
    found.map(|info| Json(info.into())).ok_or_else(|| Problem::not_found("there is no such topic"))
}

/// `GET /topics`
pub(super) async fn list(
    State(hub): State<Arc<HubClient>>,
    which: Result<Query<TopicsQuery>, QueryRejection>,
) -> Result<Json<TopicsPage>, Problem> {
    let Query(TopicsQuery { prefix, limit }) =
        which.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be from 1 to {MAX_LIMIT}")));
    }
    // One topic more than is shown reveals whether there are more.
    let mut topics = hub.list(ListTopics { prefix, limit: limit + 1 }).await?.concat();
    topics.sort_by(|a, b| a.topic.cmp(&b.topic));
    let more = topics.len() > limit;
    topics.truncate(limit);
    Ok(Json(TopicsPage { topics: topics.into_iter().map(TopicEntry::from).collect(), more }))
}
