//! Clients that come, and some that leave again.

use throng::Config;
use throng::metering::{Client, Invalid, Meter, Script};
use throng::ws::{CloseCode, encode};

use crate::app::Echo;
use crate::clients::{check, close};
use crate::figures::{Figures, Start};
use crate::scenario::Outcome;

/// Clients that come together: as many as are accepted in an iteration.
const TOGETHER: usize = 64;

/// A server, what its clients do, and how many bytes each of them gets for it.
struct Comings {
    meter: Meter,
    request: Script,
    response: usize,
    close: Script,
    answer: usize,
    /// The last to come.
    clients: Vec<Client>,
}

/// 64 clients come, `count` times, and stay.
pub(crate) fn handshakes(request: &[u8], count: u64) -> Outcome {
    let most = TOGETHER * (usize::try_from(count)? + 1);
    let mut comings = Comings::new(request, most)?;
    let start = Start::of(&comings.meter);
    for _ in 0..count {
        comings.come()?;
    }
    Ok(comings.figures(start, count))
}

/// 64 clients come and say Close, `count` times.
pub(crate) fn visits(request: &[u8], count: u64) -> Outcome {
    let mut comings = Comings::new(request, TOGETHER)?;
    let start = Start::of(&comings.meter);
    for _ in 0..count {
        comings.come()?;
        comings.leave()?;
    }
    Ok(comings.figures(start, count))
}

impl Comings {
    /// A server for `most` clients, to which some have come and gone already.
    fn new(request: &[u8], most: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut meter = Meter::new(&Config::default(), most, |_| Echo)?;
        let request = meter.script(request.into());
        let close = meter.script(close());
        meter.listen(true);
        let client = meter.connect(request);
        meter.settle()?;
        let response = meter.heard(client);
        check("a handshake", response.get(..12).unwrap_or_default(), b"HTTP/1.1 101")?;
        meter.deliver(client, close)?;
        meter.settle()?;
        let mut answer = Vec::new();
        encode::close(&mut answer, Some(CloseCode::NORMAL), "", None);
        check("a Close", &meter.heard(client), &answer)?;
        meter.listen(false);
        let (response, answer) = (response.len(), answer.len());
        let mut this = Self { meter, request, response, close, answer, clients: Vec::new() };
        this.come()?;
        this.leave()?;
        Ok(this)
    }

    fn come(&mut self) -> Result<(), Invalid> {
        self.clients.clear();
        self.clients.extend((0..TOGETHER).map(|_| self.meter.connect(self.request)));
        self.meter.run_for((TOGETHER * self.response) as u64)
    }

    fn leave(&mut self) -> Result<(), Invalid> {
        for &client in &self.clients {
            self.meter.deliver(client, self.close)?;
        }
        self.meter.run_for((self.clients.len() * self.answer) as u64)
    }

    fn figures(&self, start: Start, count: u64) -> Figures {
        start.to(&self.meter, count * TOGETHER as u64)
    }
}
