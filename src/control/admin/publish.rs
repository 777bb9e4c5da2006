//! `POST /publish/{topic}`, `POST /publish` and `POST /broadcast`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use throng::hub::Published;

use super::batch::BatchRequest;
use super::body::Body;
use super::hub_client::HubClient;
use super::problem::Problem;

/// The most messages of a batch that are queued for their topics' owners at a time, so that the owners' queues have room for others. Fewer
/// are queued when their bytes reach `max-message`, for which `queue-limit` has room.
const MESSAGES_AT_A_TIME: usize = 128;
/// The time for a batch, in multiples of the time for a worker to answer. Messages that are left then are not published: the request has a
/// timeout of its own, within which the client must get the outcome of each message.
const ANSWER_TIMEOUTS: u32 = 2;

/// A message of a request, and its outcome.
#[derive(Debug, Serialize)]
pub(super) struct MessageResult {
    topic: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Done { offset: u64, epoch: String, subscribers: u64 },
    Not { error: Problem },
}

/// The outcome of each message of a batch, in its order.
#[derive(Debug, Serialize)]
pub(super) struct BatchResults {
    results: Vec<MessageResult>,
}

/// The number of connections that a broadcast is sent to.
#[derive(Debug, Serialize)]
pub(super) struct BroadcastResult {
    connections: u64,
}

/// `POST /publish/{topic}`: publishes one message.
pub(super) async fn one(
    State(hub): State<Arc<HubClient>>,
    topic: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<MessageResult>, Problem> {
    let Path(topic) = topic.map_err(|rejection| Problem::bad_topic(rejection.body_text()))?;
    let outcome = hub.publish(&topic, body.message()?)?.only().await?.into();
    Ok(Json(MessageResult { topic, outcome }))
}

/// `POST /publish`. A batch that is invalid as a whole is refused before any message is published. Otherwise each message has an outcome of
/// its own. Messages of one topic keep their order.
pub(super) async fn batch(
    State(hub): State<Arc<HubClient>>,
    body: Body,
) -> Result<Json<BatchResults>, Problem> {
    let batch = BatchRequest::parse(body.json()?)?;
    let mut results = Vec::new();
    let mut entries = batch.entries();
    let end = Instant::now() + ANSWER_TIMEOUTS * hub.limits().answer_timeout;
    while Instant::now() < end {
        let mut together = hub.batch();
        let (mut asked, mut bytes) = (Vec::new(), 0);
        while asked.len() < MESSAGES_AT_A_TIME
            && bytes < hub.limits().max_message
            && let Some((topic, message)) = entries.next()
        {
            bytes += message.payload().len();
            asked.push((topic, hub.publish_with(&mut together, topic, message)));
        }
        drop(together);
        if asked.is_empty() {
            return Ok(Json(BatchResults { results }));
        }
        for (topic, asked) in asked {
            let outcome = match asked {
                Ok(asked) => asked.only().await,
                Err(error) => Err(error),
            };
            let outcome = outcome.map_or_else(|error| Outcome::Not { error }, Outcome::from);
            results.push(MessageResult { topic: topic.into(), outcome });
        }
    }
    let left = entries.map(|(topic, _)| (topic, Outcome::Not { error: Problem::not_begun() }));
    results.extend(left.map(|(topic, outcome)| MessageResult { topic: topic.into(), outcome }));
    Ok(Json(BatchResults { results }))
}

/// `POST /broadcast`: sends a message to all clients.
pub(super) async fn broadcast(
    State(hub): State<Arc<HubClient>>,
    body: Body,
) -> Result<Json<BroadcastResult>, Problem> {
    let workers = hub.broadcast(body.message()?)?.each().await?;
    let is_partial = workers.iter().any(Result::is_err);
    let connections = workers.into_iter().flatten().sum();
    if is_partial { Err(Problem::partly(connections)) } else { Ok(Json(BroadcastResult { connections })) }
}

impl From<Published> for Outcome {
    fn from(published: Published) -> Self {
        let Published { offset, epoch, subscribers } = published;
        Self::Done { offset, epoch: epoch.to_string(), subscribers }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use throng::hub::{AnswerSender, Hub, HubConfig, HubView, Question};
    use throng::{Pinning, Server};

    use super::super::hub_client::AdminLimits;
    use super::*;

    /// Meets the test at a barrier twice, and blocks the worker in between.
    #[derive(Clone)]
    struct HoldUp(Arc<Barrier>);

    impl Question for HoldUp {
        type Answer = ();

        fn answer(self, _: &mut HubView<'_, '_>, _: AnswerSender<()>) {
            self.0.wait();
            self.0.wait();
        }
    }

    /// The request's own timeout is six times the time for a worker to answer.
    #[test]
    fn a_batch_that_nobody_answers_ends_with_an_outcome_for_each_message_in_time() {
        let hub = Hub::new(HubConfig::default());
        let builder =
            Server::builder().listen("127.0.0.1:0".parse().unwrap()).workers(1).pinning(Pinning::Off);
        let server = builder.start(hub.handler()).unwrap();
        let limits =
            AdminLimits { max_message: 100, max_body: 1 << 20, answer_timeout: Duration::from_millis(200) };
        let client = Arc::new(HubClient::new(hub.publisher(), server.loop_waker(), limits));
        let barrier = Arc::new(Barrier::new(2));
        let _held_up = client.ask(HoldUp(Arc::clone(&barrier))).unwrap();
        barrier.wait();
        let messages = vec![r#"{"topic":"a","data":"x"}"#; 1000].join(",");
        let body = Body::of_text(format!(r#"{{"messages":[{messages}]}}"#));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = Instant::now();
        let Json(BatchResults { results }) = runtime.block_on(batch(State(client), body)).unwrap();
        assert!(start.elapsed() < 6 * limits.answer_timeout, "{:?}", start.elapsed());
        let is = |result: &MessageResult, problem: &Problem| matches!(&result.outcome, Outcome::Not { error } if error == problem);
        assert_eq!(results.len(), 1000);
        assert!(is(&results[0], &Problem::unanswered()) && is(&results[999], &Problem::not_begun()));
        barrier.wait();
    }
}
