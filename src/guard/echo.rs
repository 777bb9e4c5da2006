//! Messages that come back.

use throng::Config;
use throng::metering::{Client, Invalid, Meter, Script};
use throng::ws::{Opcode, encode};

use crate::app::Echo;
use crate::clients::{check, connect, messages, small_request};
use crate::figures::{Figures, Start};
use crate::scenario::Outcome;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Echoes {
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    /// Messages that a connection sends before it waits for their echoes.
    pub(crate) depth: usize,
    /// The bytes of each.
    pub(crate) bytes: usize,
}

/// Of messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Binary,
    /// Of ASCII, as most of JSON is.
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

    /// What a connection sends at a time.
    fn burst(self) -> Vec<u8> {
        messages(self.opcode(), &self.payload(), self.depth)
    }

    /// What it gets for that.
    fn echoes(self) -> Vec<u8> {
        let (mut bytes, payload) = (Vec::new(), self.payload());
        (0..self.depth).for_each(|_| encode::frame(&mut bytes, true, self.opcode(), &payload, None));
        bytes
    }
}

/// Every connection sends its messages, `count` times, and all get their echoes each time.
pub(crate) fn echo(echoes: Echoes, count: u64) -> Outcome {
    let mut meter = Meter::new(&Config::default(), echoes.connections, |_| Echo)?;
    let clients = connect(&mut meter, small_request("/"), echoes.connections)?;
    let due = echoes.echoes();
    let burst = meter.script(echoes.burst());
    meter.listen(true);
    clients.iter().for_each(|&client| drop(meter.heard(client)));
    round(&mut meter, &clients, burst, due.len())?;
    for &client in &clients {
        check("an echo", &meter.heard(client), &due)?;
    }
    meter.listen(false);
    Ok(rounds(&mut meter, &clients, burst, due.len(), echoes, count)?)
}

/// The same without a server: what is sent comes back as it is.
pub(crate) fn measure_itself(echoes: Echoes, count: u64) -> Outcome {
    let mut meter = Meter::bare(echoes.connections);
    let clients = connect(&mut meter, small_request("/"), echoes.connections)?;
    let burst = echoes.burst();
    let len = burst.len();
    let burst = meter.script(burst);
    round(&mut meter, &clients, burst, len)?;
    Ok(rounds(&mut meter, &clients, burst, len, echoes, count)?)
}

fn rounds(
    meter: &mut Meter,
    clients: &[Client],
    burst: Script,
    len: usize,
    echoes: Echoes,
    count: u64,
) -> Result<Figures, Invalid> {
    let start = Start::of(meter);
    for _ in 0..count {
        round(meter, clients, burst, len)?;
    }
    Ok(start.to(meter, count * (echoes.connections * echoes.depth) as u64))
}

/// Every client sends the burst and gets so many bytes for it.
fn round(meter: &mut Meter, clients: &[Client], burst: Script, len: usize) -> Result<(), Invalid> {
    for &client in clients {
        meter.deliver(client, burst)?;
    }
    meter.run_for((clients.len() * len) as u64)
}
