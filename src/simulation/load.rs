//! An overloaded worker: every system call takes time, and the worker's own Pings alone take more than there is.
//!
//! Clients answer each Ping at once, or are dead and never do. New clients keep connecting, and the process stops now and then. The worker
//! must not lose a client that answers, and must accept every new client. It may stretch the interval of Pings at most fourfold and must
//! keep other deadlines. When the load ends, the interval returns to normal.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::choices::Choices;
use super::net::{Net, Wakes};
use super::world::World;
use crate::worker::{
    Accept, Budgets, Conn, Connecting, Handle, Handler, Limits, PingPolicy, Verdict, Worker,
};
use crate::ws::{DecoderConfig, Message, Opcode, Role, encode};

/// The most time by which anything but a Ping may be late once the worker has adapted to the load, in addition to the time of a hundred
/// system calls.
const MOST_LATE: Duration = Duration::from_secs(2);
/// The time in which the worker must adapt to the load.
const SETTLING: Duration = Duration::from_secs(40);

/// The counts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Clients that opened a WebSocket.
    pub opened: u64,
    /// Pings that were sent.
    pub pings: u64,
    /// Times that a Ping was postponed.
    pub put_off: u64,
}

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        let _ = conn.send(message);
    }
}

/// A client, by the number of its connection.
#[derive(Debug, Clone, Copy)]
struct Client {
    came_at: Duration,
    /// Whether the client sends no request, and must be dropped at the handshake timeout.
    is_silent: bool,
    is_dead: bool,
    is_open: bool,
    pinged_at: Duration,
    /// Whether the client's connection was found closed.
    has_left: bool,
}

struct Load {
    choices: Choices,
    worker: Worker<Net, Echo>,
    handle: Handle,
    world: Rc<RefCell<World>>,
    clients: Vec<Client>,
    interval: Duration,
    pong_timeout: Duration,
    /// The time when the last overload began or the process last stopped.
    disturbed_at: Duration,
    stops: bool,
}

/// Runs the simulation that a seed decides.
///
/// # Errors
/// Returns the first violation.
pub fn run_load(seed: u64) -> Result<LoadReport, String> {
    let mut load = Load::new(&Choices::of_seed(seed));
    load.play()?;
    let counters = &load.handle.shared.workers[0].counters;
    Ok(LoadReport {
        opened: counters.opened.get(),
        pings: counters.pings_sent.get(),
        put_off: counters.pings_put_off.get(),
    })
}

impl Load {
    fn new(choices: &Choices) -> Self {
        let mut world = World::new(choices.bits());
        let interval = Duration::from_secs(choices.pick(&[8, 10, 20]));
        let pong_timeout = Duration::from_secs(choices.pick(&[2, 5, 10]));
        let second = Duration::from_secs(1);
        let limits = Limits {
            server_connections: 10_000,
            worker_connections: 10_000,
            refusals: 128,
            decoder: DecoderConfig {
                role: Role::Server,
                max_message: 1 << 16,
                max_frames: 8,
                deflate: false,
            },
            deflation: None,
            outbox: 128 << 10,
            buffers: 4 << 20,
            backlog: 1 << 20,
            head: crate::http::HeadLimits::default(),
            least_buffers: 0,
            work: crate::base::meter::Allowance {
                first: crate::budget::WORK_PER_FIRST,
                visit: crate::budget::WORK_PER_VISIT,
                iteration: crate::budget::WORK_PER_ITERATION,
            },
            spare_buffers: 1 << 16,
            handshake_timeout: 5 * second,
            decision_timeout: 5 * second,
            message_timeout: None,
            ping_interval: Some(interval),
            ping_policy: choices.pick(&[PingPolicy::WhenIdle, PingPolicy::Always]),
            pong_timeout,
            slowest_reader: 1,
            close_timeout: 5 * second,
            // Budgets in proportion to these clients as a server's are to a million.
            budgets: Budgets { events: 30, accepts: 4, expiries: 100, pings: 8, ..Budgets::default() },
        };
        world.most_events = limits.budgets.events;
        let listener = world.add_listener();
        let world = Rc::new(RefCell::new(world));
        let wakes = Arc::new(Wakes::default());
        let os = Net { world: Rc::clone(&world), wakes: Arc::clone(&wakes) };
        let alone = Worker::standalone(os, listener, Box::new(wakes), limits, |_| Echo);
        let (worker, handle) = alone.expect("the simulated listener can be watched");
        Self {
            choices: choices.clone(),
            worker,
            handle,
            world,
            clients: Vec::new(),
            interval,
            pong_timeout,
            disturbed_at: Duration::ZERO,
            stops: choices.one_in(3),
        }
    }

    fn now(&self) -> Duration {
        self.world.borrow().now
    }

    fn play(&mut self) -> Result<(), String> {
        let initial = self.choices.between(300, 700);
        for _ in 0..initial {
            self.connect(false);
        }
        self.advance(self.interval)?;
        if self.handle.shared.workers[0].counters.pings_put_off.get() > 0 {
            return Err("Pings are put off although there is time for them".into());
        }
        // A Ping and its Pong are two calls. For all clients they take 1.2 to 2.2 intervals.
        let parts = u32::try_from(2 * initial).unwrap_or(u32::MAX);
        let most = self.interval * u32::try_from(self.choices.between(12, 22)).unwrap_or(1) / 10;
        self.disturb();
        self.world.borrow_mut().charge = most / parts;
        let until = self.now() + self.interval * 12 + SETTLING;
        let mut next = self.now();
        while self.now() < until {
            if self.now() >= next {
                let is_silent = self.choices.one_in(4);
                self.connect(is_silent);
                next = self.now() + Duration::from_secs(2);
                if self.stops && self.choices.one_in(12) {
                    self.stop();
                }
            }
            self.iterate()?;
        }
        self.world.borrow_mut().charge = Duration::ZERO;
        self.stops = false;
        self.advance(self.interval * 5)?;
        let before = self.handle.shared.workers[0].counters.pings_put_off.get();
        self.advance(self.interval * 3)?;
        match self.handle.shared.workers[0].counters.pings_put_off.get() - before {
            0 => Ok(()),
            count => Err(format!("{count} Pings are put off although there is time for them again")),
        }
    }

    fn disturb(&mut self) {
        self.disturbed_at = self.now();
    }

    fn stop(&mut self) {
        let mut world = self.world.borrow_mut();
        world.now += self.interval;
        world.signals += 1;
        drop(world);
        self.disturb();
    }

    fn connect(&mut self, is_silent: bool) {
        let mut world = self.world.borrow_mut();
        let Some(number) = world.connect() else { return };
        let now = world.now;
        if !is_silent {
            let mut request = Vec::new();
            crate::ws::client::request(&mut request, "h", "/", super::output::KEY, "");
            world.client_sends(number, &request);
        }
        self.clients.push(Client {
            came_at: now,
            is_silent,
            is_dead: self.choices.one_in(10),
            is_open: false,
            pinged_at: now,
            has_left: false,
        });
    }

    fn advance(&mut self, time: Duration) -> Result<(), String> {
        let until = self.now() + time;
        while self.now() < until {
            self.iterate()?;
        }
        Ok(())
    }

    /// Runs one iteration, after which clients receive their bytes and answer Pings.
    fn iterate(&mut self) -> Result<(), String> {
        let until = self.now() + Duration::from_millis(100);
        self.world.borrow_mut().limit = until;
        self.worker.iterate().map_err(|error| format!("the worker ended: {error}"))?;
        (0..self.clients.len()).try_for_each(|number| self.receive(number))
    }

    fn receive(&mut self, number: usize) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let most_late = MOST_LATE + 100 * world.charge;
        let is_settled = now > self.disturbed_at + SETTLING;
        let client = &mut self.clients[number];
        if client.has_left {
            return Ok(());
        }
        let connection = &mut world.connections[number];
        if connection.closed {
            client.has_left = true;
            return match client {
                Client { is_silent: true, .. } | Client { is_dead: true, .. } => Ok(()),
                _ => Err(format!("client {number} answers, and was lost at {now:?}: {client:?}")),
            };
        }
        let mut heard = std::mem::take(&mut connection.outbound);
        if heard.starts_with(b"HTTP/1.1 101") {
            let end = heard.windows(4).position(|four| four == b"\r\n\r\n").map_or(heard.len(), |at| at + 4);
            heard.drain(..end);
            (client.is_open, client.pinged_at) = (true, now);
        }
        let mut late = now.saturating_sub(client.pinged_at.max(self.disturbed_at));
        while let [0x89, len, ..] = heard[..]
            && heard.len() >= 2 + usize::from(len)
        {
            let payload: Vec<u8> = heard.drain(..2 + usize::from(len)).skip(2).collect();
            (client.pinged_at, late) = (now, Duration::ZERO);
            if !client.is_dead {
                let mut pong = Vec::new();
                encode::frame(&mut pong, Opcode::Pong, &payload, Some([1, 2, 3, 4]));
                world.client_sends(number, &pong);
            }
        }
        let waits = now.saturating_sub(client.came_at.max(self.disturbed_at));
        let most = self.interval * 9 / 2 + most_late;
        match client {
            _ if !is_settled => Ok(()),
            Client { is_silent: true, .. } if waits > Duration::from_secs(5) + most_late => {
                Err(format!("at {now:?} client {number} has not been dropped for its silence: {client:?}"))
            }
            Client { is_silent: false, is_open: false, .. } if waits > most_late => {
                Err(format!("at {now:?} client {number} has not been let in: {client:?}"))
            }
            // A dead client is dropped at its Pong deadline.
            Client { is_dead: true, .. } if late > most.max(self.pong_timeout + most_late) => {
                Err(format!("at {now:?} client {number} is dead and has not been dropped: {client:?}"))
            }
            Client { is_open: true, is_dead: false, .. } if late > most => {
                Err(format!("at {now:?} client {number} was pinged {late:?} ago: {client:?}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_with_too_much_to_do_loses_nobody_and_lets_pings_wait() {
        for seed in 0..6 {
            let report = run_load(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
            assert!(report.put_off > 0, "seed {seed}: {report:?}");
        }
    }
}
