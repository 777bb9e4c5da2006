//! A scenario of Pings to clients that send only Pongs.

use std::time::Duration;

use throng::Config;
use throng::guard::Harness;

use super::Outcome;
use super::clients::{connect, small_request};
use super::figures::Start;
use crate::app::Sink;

const CLIENTS: usize = 4096;
const INTERVAL: Duration = Duration::from_secs(30);

/// Lets `count` intervals pass, in each of which every client receives a Ping and answers it.
pub(crate) fn pings(count: u64) -> Outcome {
    let mut config = Config::default();
    config.ping_interval = Some(INTERVAL);
    let mut harness = Harness::new(&config, CLIENTS, |_| Sink)?;
    connect(&mut harness, small_request("/"), CLIENTS)?;
    harness.answer_pings();
    // Each client's first Ping is sent half an interval to one and a half after the opening.
    harness.run_for(2 * INTERVAL)?;
    let (start, before) = (Start::of(&harness), harness.pings_answered());
    for _ in 0..count {
        harness.run_for(INTERVAL)?;
    }
    let pings = harness.pings_answered() - before;
    let due = count * CLIENTS as u64;
    if pings != due {
        return Err(format!("{pings} Pings were sent, not {due}").into());
    }
    Ok(start.to(&harness, pings))
}
