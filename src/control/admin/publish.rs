//! `POST /publish/{topic}`, `POST /publish` and `POST /broadcast`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use throng::hub::Published;

use super::batch::Batch;
use super::body::Body;
use super::hub_client::HubClient;
use super::problem::Problem;

/// Messages of a batch that are under way to their topics' owners at a time: few enough that their queues have room for others. Of
/// large messages there are as many as come to the longest that may be, which `queue-limit` has room for.
const AT_A_TIME: usize = 128;
/// For how many times the time that a worker has to answer a batch goes on. What is left of it then is not published: the request's own
/// time must not end before it is told what has become of which message.
const ROUNDS: u32 = 2;

/// What became of a message.
#[derive(Debug, Serialize)]
pub(super) struct Place {
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

/// What became of each message of a batch, in its order.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    results: Vec<Place>,
}

/// How many a message to everybody is under way to.
#[derive(Debug, Serialize)]
pub(super) struct Reached {
    connections: u64,
}

/// `POST /publish/{topic}`
pub(super) async fn one(
    State(hub): State<Arc<HubClient>>,
    topic: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<Place>, Problem> {
    let Path(topic) = topic.map_err(|rejection| Problem::bad_topic(rejection.body_text()))?;
    let outcome = hub.publish(&topic, body.message()?)?.only().await?.into();
    Ok(Json(Place { topic, outcome }))
}

/// `POST /publish`. What is wrong with the batch as a whole refuses it before anything is published; afterwards each message has an
/// outcome of its own. Messages of one topic keep their order.
pub(super) async fn batch(State(hub): State<Arc<HubClient>>, body: Body) -> Result<Json<Results>, Problem> {
    let batch = Batch::parse(body.json()?)?;
    let mut results = Vec::new();
    let mut entries = batch.entries();
    let end = Instant::now() + ROUNDS * hub.limits().answer_timeout;
    while Instant::now() < end {
        let mut burst = hub.burst();
        let (mut asked, mut bytes) = (Vec::new(), 0);
        while asked.len() < AT_A_TIME
            && bytes < hub.limits().max_message
            && let Some((topic, message)) = entries.next()
        {
            bytes += message.payload().len();
            asked.push((topic, hub.publish_with(&mut burst, topic, message)));
        }
        drop(burst);
        if asked.is_empty() {
            return Ok(Json(Results { results }));
        }
        for (topic, asked) in asked {
            let outcome = match asked {
                Ok(asked) => asked.only().await,
                Err(error) => Err(error),
            };
            let outcome = outcome.map_or_else(|error| Outcome::Not { error }, Outcome::from);
            results.push(Place { topic: topic.into(), outcome });
        }
    }
    let left = entries.map(|(topic, _)| (topic, Outcome::Not { error: Problem::not_begun() }));
    results.extend(left.map(|(topic, outcome)| Place { topic: topic.into(), outcome }));
    Ok(Json(Results { results }))
}

/// `POST /broadcast`
pub(super) async fn broadcast(
    State(hub): State<Arc<HubClient>>,
    body: Body,
) -> Result<Json<Reached>, Problem> {
    let workers = hub.broadcast(body.message()?)?.each().await?;
    let is_partial = workers.iter().any(Result::is_err);
    let connections = workers.into_iter().flatten().sum();
    if is_partial { Err(Problem::partly(connections)) } else { Ok(Json(Reached { connections })) }
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

    use throng::hub::{Hub, HubConfig, Question, Reply, Responder};
    use throng::{Pinning, Server};

    use super::super::hub_client::Limits;
    use super::*;

    /// Meets the test twice: the worker is held up between.
    #[derive(Clone)]
    struct HoldUp(Arc<Barrier>);

    impl Question for HoldUp {
        type Answer = ();

        fn answer(self, _: &mut Responder<'_, '_>, _: Reply<()>) {
            self.0.wait();
            self.0.wait();
        }
    }

    /// The request's own time is up in six times as long as a worker has to answer.
    #[test]
    fn a_batch_that_nobody_answers_ends_with_an_outcome_for_each_message_in_time() {
        let hub = Hub::new(HubConfig::default());
        let builder =
            Server::builder().listen("127.0.0.1:0".parse().unwrap()).workers(1).pinning(Pinning::Off);
        let server = builder.start(hub.handler()).unwrap();
        let limits =
            Limits { max_message: 100, max_body: 1 << 20, answer_timeout: Duration::from_millis(200) };
        let client = Arc::new(HubClient::new(hub.publisher(), server.bell(), limits));
        let barrier = Arc::new(Barrier::new(2));
        let _held_up = client.ask(HoldUp(Arc::clone(&barrier))).unwrap();
        barrier.wait();
        let messages = vec![r#"{"topic":"a","data":"x"}"#; 1000].join(",");
        let body = Body::of_text(format!(r#"{{"messages":[{messages}]}}"#));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = Instant::now();
        let Json(Results { results }) = runtime.block_on(batch(State(client), body)).unwrap();
        assert!(start.elapsed() < 6 * limits.answer_timeout, "{:?}", start.elapsed());
        let is = |place: &Place, problem: &Problem| matches!(&place.outcome, Outcome::Not { error } if error == problem);
        assert_eq!(results.len(), 1000);
        assert!(is(&results[0], &Problem::unanswered()) && is(&results[999], &Problem::not_begun()));
        barrier.wait();
    }
}
