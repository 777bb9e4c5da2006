//! Scenarios of opening handshakes, and of connections that close after them.

use throng::Config;
use throng::guard::{Client, Harness, MeasurementError, Script};
use throng::ws::{CloseCode, encode};

use super::Outcome;
use super::clients::{check, close};
use super::figures::{Figures, Start};
use crate::app::Echo;

/// Clients that connect at a time: as many as a worker accepts in an iteration.
const PER_ITERATION: usize = 64;

/// A server, the request of its clients, and the bytes that each client receives.
struct Handshakes {
    harness: Harness,
    request: Script,
    response: usize,
    close: Script,
    answer: usize,
    /// The clients that connected last.
    clients: Vec<Client>,
}

/// Connects 64 clients, which stay, `count` times.
pub(crate) fn handshakes(request: &[u8], count: u64) -> Outcome {
    let most = PER_ITERATION * (usize::try_from(count)? + 1);
    let mut handshakes = Handshakes::new(request, most)?;
    let start = Start::of(&handshakes.harness);
    for _ in 0..count {
        handshakes.open()?;
    }
    Ok(handshakes.figures(start, count))
}

/// Connects 64 clients, which then close, `count` times.
pub(crate) fn visits(request: &[u8], count: u64) -> Outcome {
    let mut handshakes = Handshakes::new(request, PER_ITERATION)?;
    let start = Start::of(&handshakes.harness);
    for _ in 0..count {
        handshakes.open()?;
        handshakes.close()?;
    }
    Ok(handshakes.figures(start, count))
}

impl Handshakes {
    /// Makes a server for `most` clients, after some have connected and closed.
    fn new(request: &[u8], most: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut harness = Harness::new(&Config::default(), most, |_| Echo)?;
        let request = harness.script(request.into());
        let close = harness.script(close());
        harness.keep_sent();
        let client = harness.connect(request);
        harness.run_until_idle()?;
        let response = harness.take_received(client);
        check("a handshake", response.get(..12).unwrap_or_default(), b"HTTP/1.1 101")?;
        harness.deliver(client, close)?;
        harness.run_until_idle()?;
        let mut answer = Vec::new();
        encode::close(&mut answer, Some(CloseCode::NORMAL), "", None);
        check("a Close", &harness.take_received(client), &answer)?;
        harness.forget_sent();
        let (response, answer) = (response.len(), answer.len());
        let mut this = Self { harness, request, response, close, answer, clients: Vec::new() };
        this.open()?;
        this.close()?;
        Ok(this)
    }

    fn open(&mut self) -> Result<(), MeasurementError> {
        self.clients.clear();
        self.clients.extend((0..PER_ITERATION).map(|_| self.harness.connect(self.request)));
        self.harness.run_until_sent((PER_ITERATION * self.response) as u64)
    }

    fn close(&mut self) -> Result<(), MeasurementError> {
        for &client in &self.clients {
            self.harness.deliver(client, self.close)?;
        }
        self.harness.run_until_sent((self.clients.len() * self.answer) as u64)
    }

    fn figures(&self, start: Start, count: u64) -> Figures {
        start.to(&self.harness, count * PER_ITERATION as u64)
    }
}
