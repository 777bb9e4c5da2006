//! Scenarios of messages that are echoed.

use throng::Config;
use throng::guard::{Client, Harness, MeasurementError, Script};
use throng::ws::{Opcode, encode};

use super::Outcome;
use super::clients::{check, connect, messages, small_request};
use super::figures::{Figures, Start};
use crate::app::Echo;

/// The messages of a scenario.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Echoes {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    /// Messages that a connection sends before it waits for their echoes.
    pub(crate) depth: usize,
    /// The bytes of each message.
    pub(crate) bytes: usize,
}

/// The kind of a message's payload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Binary,
    /// ASCII text, like most JSON.
    Text,
}

impl Echoes {
    const fn opcode(self) -> Opcode {
        match self.kind {
            Kind::Binary => Opcode::Binary,
            Kind::Text => Opcode::Text,
        }
    }

    fn payload(self) -> Vec<u8> {
        let bytes = (0..self.bytes).map(|at| (at * 7 % 251).to_le_bytes()[0]);
        match self.kind {
            Kind::Binary => bytes.collect(),
            Kind::Text => bytes.map(|byte| b' ' + byte % 95).collect(),
        }
    }

    /// Returns the frames that a connection sends at a time.
    fn frames(self) -> Vec<u8> {
        messages(self.opcode(), &self.payload(), self.depth)
    }

    /// Returns the frames that a connection receives in answer.
    fn echoes(self) -> Vec<u8> {
        let (mut bytes, payload) = (Vec::new(), self.payload());
        (0..self.depth).for_each(|_| encode::frame(&mut bytes, self.opcode(), &payload, None));
        bytes
    }
}

/// Has every connection send its messages and receive their echoes, `count` times.
pub(crate) fn echo(echoes: Echoes, count: u64) -> Outcome {
    let mut harness = Harness::new(&Config::default(), echoes.connections, |_| Echo)?;
    let clients = connect(&mut harness, small_request("/"), echoes.connections)?;
    let due = echoes.echoes();
    let frames = harness.script(echoes.frames());
    harness.keep_sent();
    clients.iter().for_each(|&client| drop(harness.take_received(client)));
    echo_once(&mut harness, &clients, frames, due.len())?;
    for &client in &clients {
        check("an echo", &harness.take_received(client), &due)?;
    }
    harness.forget_sent();
    Ok(echo_repeatedly(&mut harness, &clients, frames, due.len(), echoes, count)?)
}

/// Runs [`echo`] with the minimal server, which returns frames unchanged.
pub(crate) fn echo_bare(echoes: Echoes, count: u64) -> Outcome {
    let mut harness = Harness::bare(echoes.connections);
    let clients = connect(&mut harness, small_request("/"), echoes.connections)?;
    let frames = echoes.frames();
    let len = frames.len();
    let frames = harness.script(frames);
    echo_once(&mut harness, &clients, frames, len)?;
    Ok(echo_repeatedly(&mut harness, &clients, frames, len, echoes, count)?)
}

fn echo_repeatedly(
    harness: &mut Harness,
    clients: &[Client],
    frames: Script,
    len: usize,
    echoes: Echoes,
    count: u64,
) -> Result<Figures, MeasurementError> {
    let start = Start::of(harness);
    for _ in 0..count {
        echo_once(harness, clients, frames, len)?;
    }
    Ok(start.to(harness, count * (echoes.connections * echoes.depth) as u64))
}

/// Has every client send the frames and receive `len` bytes.
fn echo_once(
    harness: &mut Harness,
    clients: &[Client],
    frames: Script,
    len: usize,
) -> Result<(), MeasurementError> {
    for &client in clients {
        harness.deliver(client, frames)?;
    }
    harness.run_until_sent((clients.len() * len) as u64)
}
