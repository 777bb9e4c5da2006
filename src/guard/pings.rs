//! Pings to clients that say nothing else.

use std::time::Duration;

use throng::Config;
use throng::metering::Meter;

use crate::app::Sink;
use crate::clients::{connect, small_request};
use crate::figures::Start;
use crate::scenario::Outcome;

const CLIENTS: usize = 4096;
const INTERVAL: Duration = Duration::from_secs(30);

/// `count` intervals pass, in each of which every client is sent a Ping and answers it.
pub(crate) fn pings(count: u64) -> Outcome {
    let mut config = Config::default();
    config.ping_interval = Some(INTERVAL);
    let mut meter = Meter::new(&config, CLIENTS, |_| Sink)?;
    connect(&mut meter, small_request("/"), CLIENTS)?;
    meter.answer_pings(true);
    // The first Ping of each comes in the second half of the interval.
    meter.pass(INTERVAL)?;
    let (start, before) = (Start::of(&meter), meter.pings());
    for _ in 0..count {
        meter.pass(INTERVAL)?;
    }
    let pings = meter.pings() - before;
    // A lot decides for each when it comes, half an interval to a whole one after the last.
    let least = count * CLIENTS as u64;
    if !(least..=2 * least).contains(&pings) {
        return Err(format!("{pings} Pings were sent, not {least} to twice as many").into());
    }
    Ok(start.to(&meter, pings))
}
