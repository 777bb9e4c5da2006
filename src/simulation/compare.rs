//! Two servers, on the simulated kernel and on Linux, run until both are idle and compared.

use std::io;
use std::time::{Duration, Instant};

use super::connection::Ending;
use super::peer::Peer;
use super::replay::Comparison;

/// The most time that bytes may take on a busy machine.
const LINUX_TIMEOUT: Duration = Duration::from_secs(20);
/// The most iterations until the server on the simulated kernel is idle.
const MOST_ITERATIONS: usize = 10_000;

impl Comparison {
    /// Advances the clock of both servers.
    pub(super) fn advance(&mut self, time: Duration) -> Result<(), String> {
        self.trace.push(format!("{time:?} pass"));
        let until = self.now.get() + time;
        loop {
            self.run_until_idle()?;
            let wait = self.simulated.next_wait().min(self.real.next_wait());
            let now = self.now.get().saturating_add(wait).min(until);
            self.now.set(now);
            self.world.borrow_mut().now = now;
            if now == until {
                return self.run_until_idle();
            }
        }
    }

    /// Runs both servers until they are idle, and compares them.
    pub(super) fn run_until_idle(&mut self) -> Result<(), String> {
        loop {
            self.settle_simulated().map_err(|error| error.to_string())?;
            self.settle_real()?;
            // The reaction of a client to the end of its stream is sent on both kernels.
            let fresh: Vec<usize> = (0..self.clients.len())
                .filter(|&number| !self.world.borrow().connections[number].wire.is_empty())
                .collect();
            if fresh.is_empty() {
                return Ok(());
            }
            fresh.into_iter().for_each(|number| self.transfer(number));
        }
    }

    fn settle_simulated(&mut self) -> io::Result<()> {
        for iteration in 0.. {
            self.simulated.iterate()?;
            let is_idle =
                self.world.borrow().edges.is_empty() && self.simulated.next_wait() != Duration::ZERO;
            if iteration > 2 && (is_idle || !self.simulated.is_alive) {
                break;
            }
            if iteration > MOST_ITERATIONS {
                return Err(io::Error::other("the simulated worker does not become idle"));
            }
        }
        let mut world = self.world.borrow_mut();
        for (client, (got, ending)) in self.clients.iter_mut().zip(&mut self.got) {
            let connection = &world.connections[client.number];
            if client.has_left {
                continue;
            }
            got.extend_from_slice(&connection.outbound);
            if *ending == Ending::Open {
                *ending = connection.ending;
            }
            let received = client.parser.feed(&connection.outbound).map_err(io::Error::other)?;
            client.received.extend(received);
            client.read(&mut world, usize::MAX, &self.choices);
        }
        Ok(())
    }

    fn settle_real(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            self.real.iterate().map_err(|error| error.to_string())?;
            self.peers.iter_mut().for_each(Peer::read);
            match self.difference() {
                None => break,
                Some(difference) if started.elapsed() > LINUX_TIMEOUT => return Err(difference),
                // Other processes need the processor for the bytes to arrive.
                Some(_) => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        // Further iterations must not bring more.
        self.real.iterate().map_err(|error| error.to_string())?;
        self.real.iterate().map_err(|error| error.to_string())?;
        self.peers.iter_mut().for_each(Peer::read);
        self.difference().map_or(Ok(()), Err)
    }

    fn difference(&self) -> Option<String> {
        let (expected, seen) = (self.simulated.progress(), self.real.progress());
        let (simulated, real) = (self.simulated.log.borrow(), self.real.log.borrow());
        for number in 0..self.clients.len() {
            let (expected, seen) = (&simulated.events[number], &real.events[number]);
            if expected != seen {
                let at = expected.iter().zip(seen).take_while(|(one, other)| one == other).count();
                return Some(format!(
                    "of client {number}, the application is told as number {at} {:.200}, on Linux {:.200}",
                    format!("{:?}", expected.get(at)),
                    format!("{:?}", seen.get(at))
                ));
            }
            let ((got, ending), peer) = (&self.got[number], &self.peers[number]);
            if peer.stream.is_none() {
                continue;
            }
            if *got != peer.got || *ending != peer.ending {
                let at = got.iter().zip(&peer.got).take_while(|(one, other)| one == other).count();
                return Some(format!(
                    "client {number} gets {} bytes and {ending:?}, on Linux {} and {:?}, the first {at} the same",
                    got.len(),
                    peer.got.len(),
                    peer.ending
                ));
            }
        }
        let is_same = expected == seen && self.simulated.is_alive == self.real.is_alive;
        (!is_same).then(|| format!("the server has come to {expected:?}, on Linux to {seen:?}"))
    }
}
