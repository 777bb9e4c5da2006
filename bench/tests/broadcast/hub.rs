//! A hub in a few lines, which does what a test wants.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use super::support::serve;

/// What a hub makes of the message with this number of a topic, for the subscriber with this number of the topic.
type Deliver = dyn Fn(u64, usize, &str) -> Vec<String> + Send + Sync;

/// A hub in a few lines: who connects to /t-0 subscribes, who connects to /publish/t-0 publishes each message.
#[derive(Clone)]
pub(crate) struct Hub {
    topics: Arc<Mutex<HashMap<String, Topic>>>,
    deliver: Arc<Deliver>,
}

#[derive(Default)]
struct Topic {
    published: u64,
    subscribers: Vec<WebSocket<TcpStream>>,
}

impl Hub {
    pub(crate) fn serve(
        deliver: impl Fn(u64, usize, &str) -> Vec<String> + Send + Sync + 'static,
    ) -> (Self, SocketAddr) {
        let hub = Self { topics: Arc::default(), deliver: Arc::new(deliver) };
        let serving = hub.clone();
        (hub, serve(move |stream| serving.connection(stream)))
    }

    pub(crate) fn honest() -> SocketAddr {
        Self::serve(|_, _, message| vec![message.to_owned()]).1
    }

    /// How many have subscribed to a topic.
    pub(crate) fn subscribers(&self, topic: &str) -> usize {
        self.topics.lock().unwrap()[topic].subscribers.len()
    }

    #[expect(clippy::result_large_err, reason = "what the handshake's callback returns")]
    fn connection(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (mut path, mut topics) = (String::new(), None);
        let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            path = request.uri().path().to_owned();
            // Nothing is published between the handshake's answer and the subscription.
            topics = Some(self.topics.lock().unwrap());
            Ok(response)
        };
        let writer = WebSocket::from_raw_socket(stream.try_clone().unwrap(), Role::Server, None);
        let Ok(mut socket) = tungstenite::accept_hdr(stream, note) else { return };
        if let Some(topics) = topics.as_mut().filter(|_| path.starts_with("/t-")) {
            topics.entry(path[1..].to_owned()).or_default().subscribers.push(writer);
        }
        drop(topics);
        if let Some(topic) = path.strip_prefix("/publish/") {
            while let Ok(message) = socket.read() {
                if let Message::Text(text) = message {
                    self.publish(topic, &text);
                }
            }
            return;
        }
        while socket.read().is_ok() {}
        // What it is written to with stays.
        let _ = socket.get_ref().shutdown(Shutdown::Both);
    }

    /// Returns how many messages the topic has now.
    fn publish(&self, topic: &str, message: &str) -> u64 {
        let mut topics = self.topics.lock().unwrap();
        let topic = topics.entry(topic.to_owned()).or_default();
        topic.published += 1;
        for (number, subscriber) in topic.subscribers.iter_mut().enumerate() {
            for message in (self.deliver)(topic.published, number, message) {
                // Who has gone gets nothing.
                let _ = subscriber.send(Message::text(message));
            }
        }
        topic.published
    }
}

/// Serves requests to publish on connections that are kept, as throng's admin port does; every so many is `busy`.
pub(crate) fn admin(hub: Hub, busy_every: u64) -> SocketAddr {
    let asked = Arc::new(AtomicU64::new(0));
    serve(move |stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some((path, body)) = request(&mut reader) {
            let publish = |topic: &str, message: &str| {
                if asked.fetch_add(1, Ordering::Relaxed) % busy_every == busy_every - 1 {
                    return json!({ "topic": topic, "error": { "code": "busy", "message": "try again" } });
                }
                json!({ "topic": topic, "offset": hub.publish(topic, message), "epoch": "1", "subscribers": 1 })
            };
            let answer = match path.strip_prefix("/publish/") {
                Some(topic) => publish(topic, &body),
                None => {
                    let batch: Value = serde_json::from_str(&body).unwrap();
                    let messages = batch["messages"].as_array().unwrap().iter();
                    let results = messages.map(|message| {
                        publish(message["topic"].as_str().unwrap(), message["data"].as_str().unwrap())
                    });
                    json!({ "results": results.collect::<Vec<_>>() })
                }
            };
            let (status, answer) = (if answer["error"].is_null() { 200 } else { 503 }, answer.to_string());
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", answer.len());
            stream.write_all((head + &answer).as_bytes()).unwrap();
        }
    })
}

/// Path and body of the next request.
fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|&read| read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some((first.split(' ').nth(1)?.to_owned(), String::from_utf8(body).unwrap()))
}
