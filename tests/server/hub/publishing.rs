//! From those who publish to all who subscribe.

use std::sync::mpsc::channel;

use serde_json::json;
use throng::Message;
use throng::hub::questions::ListTopics;
use throng::hub::{AnswerSender, HubView, PublishError, Question};

use super::super::client::{Client, Got, PATIENCE, eventually};
use super::{ask, hear, start};

#[test]
fn clients_publish_where_the_rules_allow_it() {
    let running = start(|builder, _| builder);
    let mut listener = running.listener("open/a");
    running.has_subscribers("open/a", 1);
    let mut client = running.speaker();
    let published = ask(&mut client, &json!({"type": "publish", "topic": "open/a", "data": "hi", "id": 3}));
    assert_eq!(
        (&published["type"], &published["offset"], &published["subscribers"], &published["id"]),
        (&json!("published"), &json!(1), &json!(1), &json!(3))
    );
    client.say(&json!({"type": "publish", "topic": "open/a", "base64": "AAE="}).to_string());
    assert_eq!([listener.get(), listener.get()], ["hi".into(), Got::Binary(vec![0, 1])]);
    // Without an id there is no answer.
    assert_eq!(ask(&mut client, &json!({"type": "ping"})), json!({"type": "pong"}));
}

#[test]
fn every_subscriber_of_every_worker_gets_every_message_once_and_in_order() {
    const MESSAGES: usize = 3_000;
    let running = start(|builder, _| builder.outbox_limit(8 << 20));
    let mut clients: Vec<(usize, Client)> =
        (0..30).map(|at| (at % 3, running.listener(["a", "b", "c"][at % 3]))).collect();
    ["a", "b", "c"].iter().for_each(|topic| running.has_subscribers(topic, 10));
    let publisher = running.hub.publisher();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..3 * MESSAGES {
                let (topic, text) = (["a", "b", "c"][at % 3], format!("{}", at / 3));
                // More may be published than goes out: who is refused tries again.
                while let Err(error) = publisher.publish(topic, Message::Text(&text)) {
                    assert_eq!(error, PublishError::Busy);
                    std::thread::yield_now();
                }
            }
        });
        for chunk in clients.chunks_mut(10) {
            scope.spawn(move || {
                for at in 0..MESSAGES {
                    chunk.iter_mut().for_each(|(_, client)| {
                        assert_eq!(client.get_answering(), Got::Text(at.to_string()))
                    });
                }
            });
        }
    });
    let stats = running.hub.stats();
    assert_eq!((stats.published, stats.delivered), (3 * MESSAGES as u64, 30 * MESSAGES as u64));
    assert_eq!((stats.undelivered, stats.dropped_newest, stats.displaced, stats.waiting), (0, 0, 0, 0));
    drop(clients);
    running.is_empty();
}

#[test]
fn a_broadcast_reaches_all_in_their_own_words() {
    let running = start(|builder, _| builder);
    let mut listeners: Vec<Client> = (0..5).map(|_| running.listener("a")).collect();
    let mut speaker = running.speaker();
    eventually("all are open", || running.server.stats().open == 6);
    let (to, counts) = channel();
    let workers =
        running.hub.publisher().broadcast(Message::Text("all"), move |open| to.send(open.unwrap()).unwrap());
    let counts: Vec<u64> = (0..2).map(|_| counts.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!((workers, counts.iter().sum()), (Ok(2), 6));
    listeners.iter_mut().for_each(|client| assert_eq!(client.get(), "all".into()));
    assert_eq!(hear(&mut speaker), json!({"type": "broadcast", "data": "all"}));
}

/// Asks each worker for its open connections, and for the subscribers of a topic that it owns.
#[derive(Clone)]
struct Census(&'static str);

impl Question for Census {
    type Answer = (u64, Option<u64>);

    fn answer(self, worker: &mut HubView<'_, '_>, reply: AnswerSender<Self::Answer>) {
        let subscribers = worker.topic(self.0).map(|topic| topic.subscribers);
        reply.send((worker.open_connections(), subscribers));
    }
}

#[test]
fn a_program_asks_questions_of_its_own() {
    let running = start(|builder, _| builder);
    let clients = ["x", "x", "y"].map(|topic| running.listener(topic));
    running.has_subscribers("x", 2);
    let census = running.ask(Census("x"));
    assert_eq!((census.len(), census.iter().map(|(open, _)| open).sum::<u64>()), (2, 3));
    assert_eq!(census.iter().filter_map(|(_, subscribers)| *subscribers).collect::<Vec<_>>(), [2]);
    drop(clients);
}

/// Asks something that no worker answers.
#[derive(Clone)]
struct Ignored;

impl Question for Ignored {
    type Answer = ();

    fn answer(self, _: &mut HubView<'_, '_>, _: AnswerSender<()>) {}
}

#[test]
fn who_asks_hears_from_each_worker_that_it_does_not_answer() {
    let running = start(|builder, _| builder);
    let (to, answers) = channel();
    let workers = running.hub.publisher().ask(Ignored, move |answer| to.send(answer).unwrap());
    assert_eq!(workers, Ok(2));
    for _ in 0..2 {
        assert_eq!(answers.recv_timeout(PATIENCE), Ok(Err(PublishError::NotRunning)));
    }
}

#[test]
fn presence_is_counted_and_topics_are_listed() {
    let running = start(|builder, _| builder);
    let clients: Vec<Client> = ["x/1", "x/2", "x/2", "y"].map(|topic| running.listener(topic)).into();
    running.has_subscribers("x/2", 2);
    running.has_subscribers("x/1", 1);
    running.has_subscribers("y", 1);
    running.publish("kept/z", "hello");
    let list = |prefix, limit| {
        let answers = running.ask(ListTopics { prefix: String::from(prefix), limit });
        let mut topics: Vec<(String, u64, u64)> = answers
            .into_iter()
            .flatten()
            .map(|topic| (topic.topic, topic.subscribers, topic.offset))
            .collect();
        topics.sort();
        topics
    };
    assert_eq!(list("x/", 10), [("x/1".into(), 1, 0), ("x/2".into(), 2, 0)]);
    assert_eq!(list("kept", 10), [("kept/z".into(), 0, 1)]);
    assert_eq!(list("", 10).len(), 4);
    assert!(list("", 1).len() <= 2, "one of each worker");
    assert_eq!(list("nothing", 10), []);
    drop(clients);
    running.has_subscribers("x/2", 0);
    assert_eq!(running.subscribers("x/2"), None, "gone with its last subscriber");
    assert_eq!(running.subscribers("kept/z"), Some(0), "its history is there");
}

#[test]
fn a_publisher_without_a_server_is_told() {
    let hub = throng::hub::Hub::new(throng::hub::HubConfig::default());
    let publisher = hub.publisher();
    assert_eq!(publisher.publish("a", Message::Text("x")), Err(PublishError::NotRunning));
    let running = start(|builder, _| builder);
    let publisher = running.hub.publisher();
    assert!(matches!(publisher.publish("#", Message::Text("x")), Err(PublishError::Name(_))));
    running.server.stop();
    eventually("the workers have ended", || {
        publisher.publish("a", Message::Text("x")) == Err(PublishError::NotRunning)
    });
}
