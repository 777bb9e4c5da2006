//! Messages of a topic to its subscribers.

use throng::hub::{Hub, HubConfig};
use throng::metering::Meter;
use throng::ws::{Opcode, encode};
use throng::{Config, Message};

use crate::clients::{check, connect, small_request};
use crate::figures::Start;
use crate::scenario::Outcome;

const SUBSCRIBERS: usize = 1024;
pub(crate) const TOPIC: &str = "news";
pub(crate) const TARGET: &str = "/topics/news";
const PAYLOAD: &str = "sixty-four bytes of news for all who have subscribed to this one";
const _: () = assert!(PAYLOAD.len() == 64);

/// A hub whose keys are the same in every run.
pub(crate) fn hub() -> Hub {
    let mut config = HubConfig::default();
    config.seed = Some([1, 2]);
    Hub::new(config)
}

/// `together` messages are published and get to all subscribers, `count` times.
pub(crate) fn broadcast(together: usize, count: u64) -> Outcome {
    let hub = hub();
    let mut meter = Meter::new(&Config::default(), SUBSCRIBERS, hub.handler())?;
    let clients = connect(&mut meter, small_request(TARGET), SUBSCRIBERS)?;
    let mut due = Vec::new();
    encode::frame(&mut due, true, Opcode::Text, PAYLOAD.as_bytes(), None);
    let due = due.repeat(together);
    let bytes = (SUBSCRIBERS * due.len()) as u64;

    let publisher = hub.publisher();
    let round = |meter: &mut Meter| -> Result<(), Box<dyn std::error::Error>> {
        for _ in 0..together {
            publisher.publish(TOPIC, Message::Text(PAYLOAD))?;
        }
        Ok(meter.run_for(bytes)?)
    };
    meter.listen(true);
    round(&mut meter)?;
    for &client in &clients {
        check("a subscriber", &meter.heard(client), &due)?;
    }
    meter.listen(false);
    let start = Start::of(&meter);
    for _ in 0..count {
        round(&mut meter)?;
    }
    Ok(start.to(&meter, count * (SUBSCRIBERS * together) as u64))
}
