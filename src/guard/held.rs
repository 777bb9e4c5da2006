//! Connections that are held, for the memory that they take.

use throng::Config;
use throng::metering::Meter;
use throng::ws::Opcode;

use crate::app::Echo;
use crate::broadcast::{TARGET, hub};
use crate::clients::{connect, messages, small_request};
use crate::figures::Start;
use crate::scenario::Outcome;

/// As many as a page of the table has records.
const PAGE: usize = 4096;

/// `count` times 4,096 clients, each of which has sent a message and got its echo if it `speaks`.
pub(crate) fn clients(speaks: bool, count: u64) -> Outcome {
    let most = PAGE * usize::try_from(count)?;
    let mut meter = Meter::new(&Config::default(), most, |_| Echo)?;
    let message = meter.script(messages(Opcode::Binary, &[7; 20], 1));
    let request = small_request("/");
    let start = Start::of(&meter);
    for client in connect(&mut meter, request, most)? {
        if speaks {
            meter.deliver(client, message)?;
            meter.settle()?;
        }
    }
    Ok(start.to(&meter, most as u64))
}

/// `count` times 4,096 subscribers of a topic.
pub(crate) fn subscribers(count: u64) -> Outcome {
    let most = PAGE * usize::try_from(count)?;
    let hub = hub();
    let mut meter = Meter::new(&Config::default(), most, hub.handler())?;
    let request = small_request(TARGET);
    let start = Start::of(&meter);
    drop(connect(&mut meter, request, most)?);
    Ok(start.to(&meter, most as u64))
}
