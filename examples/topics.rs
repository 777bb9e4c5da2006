//! Topics: clients listen to a clock, which the server publishes, or talk in rooms.
//! `cargo run --release --features hub --example topics [ADDRESS]`, then open `ws://ADDRESS/topics/clock`.

use std::error::Error;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use throng::hub::{Access, HistoryRule, Hub, HubConfig, PublishError, Publisher, Rule, Rules};
use throng::{Message, Server};

/// Clients may publish to rooms, of which the last hundred messages are kept for clients that reconnect.
fn rules() -> Result<Rules, Box<dyn Error>> {
    let history = HistoryRule { messages: 100, bytes: 1 << 20, age: Duration::from_secs(600) };
    let rooms = Rule {
        prefix: "rooms/".into(),
        publish: Some(Access::Anyone),
        history: Some(history),
        ..Rule::default()
    };
    Ok(Rules::new(vec![rooms])?)
}

/// Publishes until the server has ended.
fn tell_the_time(publisher: &Publisher) {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match publisher.publish("clock", Message::Text(&now.as_secs().to_string())) {
            Ok(()) => {}
            Err(PublishError::Busy) => {
                eprintln!("a second is lost: messages are published faster than they are delivered")
            }
            Err(_) => return,
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let mut config = HubConfig::default();
    config.rules = rules()?;
    let hub = Hub::new(config);
    let server = Server::builder().listen(address.parse()?).start(hub.handler())?;
    println!("topics on {:?}", server.addresses());
    let publisher = hub.publisher();
    thread::spawn(move || tell_the_time(&publisher));
    server.join()?;
    Ok(())
}
