//! Scenarios of open connections, which measure their memory.

use throng::Config;
use throng::guard::Harness;
use throng::ws::Opcode;

use super::Outcome;
use super::broadcast::{TARGET, hub};
use super::clients::{connect, messages, small_request};
use super::figures::Start;
use crate::app::Echo;

/// The records of a page of the connection table.
const PAGE: usize = 4096;

/// Connects `count` times 4,096 clients that send nothing.
pub(crate) fn idle_clients(count: u64) -> Outcome {
    clients(count, None)
}

/// Connects `count` times 4,096 clients, each of which sends a message and receives its echo.
pub(crate) fn echoed_clients(count: u64) -> Outcome {
    clients(count, Some(messages(Opcode::Binary, &[7; 20], 1)))
}

/// Connects `count` times 4,096 clients, which send the message if there is one.
fn clients(count: u64, message: Option<Vec<u8>>) -> Outcome {
    let most = PAGE * usize::try_from(count)?;
    let mut harness = Harness::new(&Config::default(), most, |_| Echo)?;
    let message = message.map(|message| harness.script(message));
    let request = small_request("/");
    let start = Start::of(&harness);
    for client in connect(&mut harness, request, most)? {
        if let Some(message) = message {
            harness.deliver(client, message)?;
            harness.run_until_idle()?;
        }
    }
    Ok(start.to(&harness, most as u64))
}

/// Connects `count` times 4,096 subscribers of a topic.
pub(crate) fn subscribers(count: u64) -> Outcome {
    let most = PAGE * usize::try_from(count)?;
    let hub = hub();
    let mut harness = Harness::new(&Config::default(), most, hub.handler())?;
    let request = small_request(TARGET);
    let start = Start::of(&harness);
    drop(connect(&mut harness, request, most)?);
    Ok(start.to(&harness, most as u64))
}
