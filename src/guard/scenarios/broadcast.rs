//! A scenario of messages that a topic's subscribers receive.

use throng::guard::Harness;
use throng::hub::{Hub, HubConfig};
use throng::ws::{Opcode, encode};
use throng::{Config, Message};

use super::Outcome;
use super::clients::{check, connect, small_request};
use super::figures::Start;

const SUBSCRIBERS: usize = 1024;
pub(crate) const TOPIC: &str = "news";
pub(crate) const TARGET: &str = "/topics/news";
const PAYLOAD: &str = "sixty-four bytes of news for all who have subscribed to this one";
const _: () = assert!(PAYLOAD.len() == 64);

/// Makes a hub whose keys are the same in every run.
pub(crate) fn hub() -> Hub {
    let mut config = HubConfig::default();
    config.seed = Some([1, 2]);
    Hub::new(config)
}

/// Publishes `together` messages, which reach all subscribers, `count` times.
pub(crate) fn broadcast(together: usize, count: u64) -> Outcome {
    let hub = hub();
    let mut harness = Harness::new(&Config::default(), SUBSCRIBERS, hub.handler())?;
    let clients = connect(&mut harness, small_request(TARGET), SUBSCRIBERS)?;
    let mut due = Vec::new();
    encode::frame(&mut due, Opcode::Text, PAYLOAD.as_bytes(), None);
    let due = due.repeat(together);
    let bytes = (SUBSCRIBERS * due.len()) as u64;

    let publisher = hub.publisher();
    let publish = |harness: &mut Harness| -> Result<(), Box<dyn std::error::Error>> {
        for _ in 0..together {
            publisher.publish(TOPIC, Message::Text(PAYLOAD))?;
        }
        Ok(harness.run_until_sent(bytes)?)
    };
    harness.keep_sent();
    publish(&mut harness)?;
    for &client in &clients {
        check("a subscriber", &harness.take_received(client), &due)?;
    }
    harness.forget_sent();
    let start = Start::of(&harness);
    for _ in 0..count {
        publish(&mut harness)?;
    }
    Ok(start.to(&harness, count * (SUBSCRIBERS * together) as u64))
}
