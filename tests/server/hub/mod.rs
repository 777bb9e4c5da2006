//! The hub over real sockets, through its public interface.

#[cfg(feature = "serve")]
mod churn;
mod flood;
mod identity;
mod large;
mod limits;
#[cfg(feature = "serve")]
mod memory;
mod publishing;
mod resuming;
mod slow;
mod subscribing;
mod under_way;
mod wire;

use std::net::SocketAddr;
use std::sync::mpsc::channel;

use serde_json::Value;
use throng::hub::questions::DescribeTopic;
use throng::hub::{
    Access, AnswerSender, HistoryRule, Hub, HubConfig, Position, PublishError, Published, Question, Rule,
    Rules,
};
use throng::{Builder, Message, Server};

use super::client::{Client, Got, PATIENCE, eventually};

/// A server with a hub.
struct Running {
    server: Server,
    hub: Hub,
    address: SocketAddr,
}

/// Two workers, and rules: clients may publish to topics that begin with `open/`; of `kept/` ten messages are kept, and of
/// `long/` a thousand.
fn start(configure: impl FnOnce(Builder, &mut HubConfig) -> Builder) -> Running {
    let mut config = HubConfig::default();
    config.rules = Rules::new(vec![
        Rule { publish: Some(Access::Anyone), ..rule("open/") },
        Rule { history: Some(keep(10)), ..rule("kept/") },
        Rule { history: Some(keep(1000)), publish: Some(Access::Anyone), ..rule("long/") },
        Rule { subscribe: Some(Access::Nobody), ..rule("secret/") },
    ])
    .unwrap();
    let builder = Server::builder().listen("127.0.0.1:0".parse().unwrap()).workers(2);
    let builder = configure(builder, &mut config);
    let hub = Hub::new(config);
    let server = builder.start(hub.handler()).unwrap();
    let address = server.addresses()[0];
    Running { server, hub, address }
}

fn rule(prefix: &str) -> Rule {
    Rule { prefix: prefix.into(), ..Rule::default() }
}

fn keep(messages: u32) -> HistoryRule {
    HistoryRule { messages, bytes: 1 << 20, age: PATIENCE * 10 }
}

impl Running {
    /// Publishes, and waits until the message has its place.
    fn publish(&self, topic: &str, text: &str) -> Published {
        self.try_publish(topic, text).unwrap()
    }

    fn try_publish(&self, topic: &str, text: &str) -> Result<Published, PublishError> {
        let (to, places) = channel();
        let reply = AnswerSender::new(move |place| to.send(place).unwrap());
        self.hub.publisher().publish_with_reply(topic, Message::Text(text), reply)?;
        places.recv_timeout(PATIENCE).unwrap()
    }

    /// Asks something, and waits for the answers of all workers that are asked.
    fn ask<Q: Question>(&self, question: Q) -> Vec<Q::Answer> {
        let (to, answers) = channel();
        let hear = move |answer: Result<Q::Answer, PublishError>| to.send(answer).unwrap();
        let expected = self.hub.publisher().ask(question, hear).unwrap();
        (0..expected).map(|_| answers.recv_timeout(PATIENCE).unwrap().unwrap()).collect()
    }

    fn subscribers(&self, topic: &str) -> Option<u64> {
        let [topic] = self.ask(DescribeTopic(topic.into())).try_into().unwrap();
        topic.map(|topic: throng::hub::TopicInfo| topic.subscribers)
    }

    /// Waits until a topic's home knows of so many subscribers; with none, until the topic is gone.
    fn has_subscribers(&self, topic: &str, count: u64) {
        eventually("the home knows of its subscribers", || self.subscribers(topic).unwrap_or(0) == count);
    }

    /// A client that subscribed by URL.
    fn listener(&self, topic: &str) -> Client {
        Client::ask(self.address, &format!("/topics/{topic}"), "").unwrap()
    }

    /// A client that speaks `throng.v1`.
    fn speaker(&self) -> Client {
        let mut client = Client::ask(self.address, "/", "other, throng.v1").unwrap();
        assert!(client.response.contains("Sec-WebSocket-Protocol: throng.v1"), "{}", client.response);
        assert_eq!(hear(&mut client)["type"], "welcome");
        client
    }

    /// Nothing is left of anybody, once all clients are gone.
    fn is_empty(&self) {
        eventually("all are gone", || self.server.stats().sockets == 0);
        eventually("nothing is left", || {
            let stats = self.hub.stats();
            (stats.local_topics, stats.subscriptions, stats.waiting) == (0, 0, 0)
        });
        assert_eq!((self.server.stats().backlog_bytes, self.server.stats().bugs), (0, 0));
    }
}

/// The next message of a client that speaks `throng.v1`.
fn hear(client: &mut Client) -> Value {
    match client.get_answering() {
        Got::Text(text) => serde_json::from_str(&text).unwrap(),
        got => panic!("{got:?}"),
    }
}

/// Says something and returns the answer.
fn ask(client: &mut Client, request: &Value) -> Value {
    client.say(&request.to_string());
    hear(client)
}

fn position(answer: &Value) -> Position {
    Position {
        offset: answer["offset"].as_u64().unwrap(),
        epoch: answer["epoch"].as_str().unwrap().parse().unwrap(),
    }
}
