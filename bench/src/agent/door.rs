//! The agent's door: a thread for each connection of a load machine, which hands what is said to the session.

use std::io::{BufRead, BufReader, ErrorKind, Lines, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use throng::sys::signals;

use super::wire::{Answer, Ask, Machine, PROTOCOL};

/// A load machine that has said nothing for so long has ended: while it waits it says so every second.
const SILENCE: Duration = Duration::from_secs(90);

/// What load machines do. Each connection has a number of its own.
pub(super) enum Event {
    /// One wants to begin a session.
    Came(Caller),
    Said(u64, Ask),
    /// It has ended, for this reason.
    Gone(u64, String),
}

/// A load machine.
pub(super) struct Caller {
    pub(super) connection: u64,
    pub(super) machine: Machine,
    pub(super) boot_id: String,
    to: TcpStream,
}

impl Caller {
    pub(super) fn answer(&self, answer: &Answer) {
        // One that has gone does without; its connection tells of that.
        let _ = say(&self.to, answer);
    }
}

/// Listens from now on. Returns the address and what happens.
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<(SocketAddr, Receiver<Event>)> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address}: give another --listen"))?;
    let address = listener.local_addr()?;
    let (events, receiver) = mpsc::channel();
    let accept = move || {
        // Signals are the main thread's business.
        let _ = signals::block_all();
        for (stream, connection) in listener.incoming().zip(0..) {
            let events = events.clone();
            let follow = move || {
                if let Ok(stream) = stream {
                    follow(connection, &stream, &events);
                }
            };
            // Where there is no thread left the connection ends, which its machine sees.
            let _ = thread::Builder::new().name("load machine".to_owned()).spawn(follow);
        }
    };
    thread::Builder::new().name("door".to_owned()).spawn(accept).context("cannot start a thread")?;
    Ok((address, receiver))
}

/// Tells of a connection from its first line to its end.
fn follow(connection: u64, stream: &TcpStream, events: &Sender<Event>) {
    let mut lines = BufReader::new(stream).lines();
    match enter(connection, stream, &mut lines) {
        Err(error) => drop(say(stream, &Answer::Refused(format!("{error:#}")))),
        Ok(caller) => {
            let mut is_heard = events.send(Event::Came(caller)).is_ok();
            while is_heard {
                let (event, is_last) = match next(&mut lines) {
                    Ok(ask) => (Event::Said(connection, ask), false),
                    Err(error) => (Event::Gone(connection, format!("{error:#}")), true),
                };
                is_heard = events.send(event).is_ok() && !is_last;
            }
        }
    }
}

fn enter(
    connection: u64,
    stream: &TcpStream,
    lines: &mut Lines<BufReader<&TcpStream>>,
) -> anyhow::Result<Caller> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let Ask::Enter { protocol, machine, boot_id } = next(lines)? else {
        bail!("a load machine first says that it enters a session");
    };
    ensure!(
        protocol == PROTOCOL,
        "the agent speaks version {PROTOCOL} of the protocol and the load machine {protocol}: build both of the same commit"
    );
    Ok(Caller { connection, machine: machine.checked()?, boot_id, to: stream.try_clone()? })
}

fn next(lines: &mut Lines<BufReader<&TcpStream>>) -> anyhow::Result<Ask> {
    match lines.next() {
        None => bail!("it has ended early"),
        // A program that ends with lines unread, as when it is killed, resets its connections (tcp(7)).
        Some(Err(error)) if error.kind() == ErrorKind::ConnectionReset => bail!("it has ended early"),
        Some(Err(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            bail!("it has said nothing for {} s", SILENCE.as_secs())
        }
        Some(line) => serde_json::from_str(&line?).with_context(|| {
            format!("it does not speak version {PROTOCOL} of the protocol: build both of the same commit")
        }),
    }
}

fn say(mut to: &TcpStream, answer: &Answer) -> anyhow::Result<()> {
    Ok(to.write_all((serde_json::to_string(answer)? + "\n").as_bytes())?)
}
