//! How messages reach a server that is to send them on.

mod http;
mod websocket;

use std::str::FromStr;

use anyhow::bail;

use crate::engine::target::Target;
use crate::floor;
use crate::measure::reasons::Reasons;
use crate::servers::running::Running;
use http::Http;
use websocket::WebSocket;

/// Where messages are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublishTo {
    /// throng's admin port: the address without a path.
    Http(String),
    /// A WebSocket, or one for each topic where its path is numbered.
    WebSocket(Target),
}

impl FromStr for PublishTo {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text.starts_with("http://") {
            return Ok(Self::Http(text.trim_end_matches('/').to_owned()));
        }
        if text.starts_with("ws://") {
            return Ok(Self::WebSocket(text.parse()?));
        }
        bail!("`{text}`: messages are published to http://HOST:PORT or ws://HOST:PORT/PATH")
    }
}

/// Whoever publishes.
pub(super) enum Publisher {
    Http(Http),
    WebSocket(WebSocket),
    /// The floor, which is told by a line.
    Floor,
}

impl Publisher {
    /// Gets ready to publish to so many topics.
    pub(super) fn to(place: &PublishTo, topics: u32) -> anyhow::Result<Self> {
        Ok(match place {
            PublishTo::Http(address) => Self::Http(Http::new(address)),
            PublishTo::WebSocket(target) => Self::WebSocket(WebSocket::open(target, topics)?),
        })
    }

    /// Publishes a batch of messages to a topic. Those that the server refuses are counted by reason.
    pub(super) fn publish(
        &mut self,
        server: Option<&mut Running>,
        topic: u32,
        messages: &[String],
        refused: &mut Reasons,
    ) -> anyhow::Result<()> {
        match (self, server) {
            (Self::Http(http), _) => http.publish(&topic_name(topic), messages, refused),
            (Self::WebSocket(websocket), _) => websocket.publish(topic, messages),
            (Self::Floor, Some(server)) => server.say(&floor::send_line(topic, messages)),
            (Self::Floor, None) => bail!("the floor is a server that is started here"),
        }
    }
}

/// The name of the topic with this number.
fn topic_name(topic: u32) -> String {
    format!("t-{topic}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_publish_are_told_apart() {
        let http = "http://127.0.0.1:9190/".parse::<PublishTo>().unwrap();
        assert_eq!(http, PublishTo::Http("http://127.0.0.1:9190".to_owned()));
        let websocket = "ws://127.0.0.1:9001/t-{n}".parse::<PublishTo>().unwrap();
        assert!(matches!(websocket, PublishTo::WebSocket(target) if target.is_numbered()));
        for wrong in ["", "127.0.0.1:9190", "https://127.0.0.1/", "wss://127.0.0.1/"] {
            assert!(wrong.parse::<PublishTo>().is_err(), "{wrong}");
        }
    }
}
