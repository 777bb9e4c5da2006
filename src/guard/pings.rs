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
    // The first Ping of each comes half an interval to one and a half after the opening.
    meter.pass(2 * INTERVAL)?;
    let (start, before) = (Start::of(&meter), meter.pings());
    for _ in 0..count {
        meter.pass(INTERVAL)?;
    }
    let pings = meter.pings() - before;
    let due = count * CLIENTS as u64;
    if pings != due {
        return Err(format!("{pings} Pings were sent, not {due}").into());
    }
    Ok(start.to(&meter, pings))
}
