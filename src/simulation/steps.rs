//! The steps of a run.

use std::time::Duration;

use super::behavior::Behavior;
use super::client::Client;
use super::deflate::OFFERS;
use super::run::{Run, Violation};
use crate::base::ticks::time_of;
use crate::budget::MAILBOX;
use crate::worker::ConnId;

/// Temporary errors of accept(2).
const ACCEPT_ERRORS: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::ECONNABORTED];

impl Run {
    /// Plays the run from the first client to the end of the worker.
    pub(crate) fn play(&mut self) -> Result<usize, Violation> {
        let (count, steps) = {
            let model = self.model.borrow();
            (model.setup.initial_clients, model.setup.steps)
        };
        if count > 0 {
            self.connect_initial(count)?;
        }
        let mut taken = 0;
        while taken < steps && self.is_alive && !self.choices.are_spent() {
            self.step()?;
            taken += 1;
        }
        self.finish()?;
        Ok(taken)
    }

    fn step(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        match choices.weighted_index(&[20, 160, 25, 30, 6, 2, 1, 8, 2, 1, 1, 1]) {
            0 => self.connect(),
            1 => self.turn(),
            2 => self.iterate()?,
            3 => self.run_until_idle()?,
            4 => self.advance(Duration::from_millis(choices.between(1, 1_500) as u64))?,
            5 => self.advance(choices.pick(&[1, 1, 2, 2, 5, 11, 31]) * Duration::from_secs(1))?,
            6 => {
                self.stop();
                // The process may stop again before the worker has handled everything that is due.
                if choices.one_in(3) {
                    self.iterate()?;
                    self.stop();
                }
            }
            7 => self.post(),
            8 => self.inject_fault(),
            9 => self.flood_mailbox(),
            10 => self.flood()?,
            // This is rare, because it ends the run.
            _ if choices.one_in(4) && self.model.borrow().setup.may_end => self.end_of_server(),
            _ => {}
        }
        self.decide();
        Ok(())
    }

    /// Has another thread resolve a pending decision, or drop it.
    fn decide(&self) {
        let choices = &self.choices;
        let mut model = self.model.borrow_mut();
        let pending = model.decisions.len();
        if pending > 0 && choices.one_in(3) {
            model.decide(choices.below(pending), choices.one_in(6));
        }
    }

    /// Connects many clients at once, all of which open a WebSocket.
    fn connect_initial(&mut self, count: usize) -> Result<(), Violation> {
        for _ in 0..count {
            self.connect();
        }
        let mut world = self.world.borrow_mut();
        let mut model = self.model.borrow_mut();
        for client in &mut model.clients {
            client.send(&mut world, usize::MAX);
            world.arrive(client.number);
        }
        drop((world, model));
        self.run_until_idle()
    }

    pub(crate) fn connect(&mut self) {
        let choices = &self.choices;
        let mut model = self.model.borrow_mut();
        if self.live.len() >= model.setup.most_clients {
            return;
        }
        let mut world = self.world.borrow_mut();
        // Without an open listener, the connection goes to another worker.
        let Some(number) = world.connect() else { return };
        let send_buffer = choices.pick(&[usize::MAX, usize::MAX, 60, 1_000, 20_000]);
        world.connections[number].room = send_buffer;
        world.connections[number].send_buffer = send_buffer;
        let never = 1 << 20;
        let behavior = Behavior {
            write_size: choices.pick(&[1, 7, 200, usize::MAX, usize::MAX]),
            read_size: choices.pick(&[10, 1_000, usize::MAX, usize::MAX]),
            read_every: choices.pick(&[1, 1, 2, 12]),
            pong_delay: choices.pick(&[Some(0), Some(0), Some(4), None]),
            answers_close: !choices.one_in(4),
            fault_every: choices.pick(&[never, never, 30, 4]),
            quit_every: choices.pick(&[never, 60, 15]),
        };
        let mut client = Client::new(number, behavior);
        // Each stream of zlib takes a quarter of a megabyte.
        let offering = if model.setup.initial_clients > 0 { 40 } else { 2 };
        if choices.one_in(offering) {
            let offer = choices.pick(&OFFERS);
            client.output.offer = Some(offer);
            client.parser.offer = offer.parse().ok();
        }
        match choices.weighted_index(&[20, 2, 1]) {
            0 => client.output.request(number),
            1 => client.output.bad_request(number, choices),
            // The client sends nothing, or a part of a request.
            _ => {
                client.output.request(number);
                let half = choices.below(client.output.pending.len());
                client.send(&mut world, half);
                client.output.pending.clear();
                client.output.is_finished = true;
            }
        }
        if !choices.one_in(4) {
            client.send(&mut world, usize::MAX);
            world.arrive(number);
        }
        model.note(format_args!("client {number} connects: {behavior:?}, buffer {send_buffer}"));
        model.clients.push(client);
        drop((model, world));
        self.joined(number);
    }

    /// Has a client take its turn.
    fn turn(&mut self) {
        let choices = self.choices.clone();
        if self.live.is_empty() {
            return self.connect();
        }
        let at = choices.below(self.live.len());
        let number = self.live[at];
        let mut model = self.model.borrow_mut();
        let bounds = model.setup.bounds();
        let mut world = self.world.borrow_mut();
        let client = &mut model.clients[number];
        let produced = client.output.script.len();
        if choices.one_in(2) {
            client.produce(bounds, &choices);
            if choices.one_in(3) {
                client.produce(bounds, &choices);
            }
        }
        client.answer(&choices);
        if choices.one_in(400) {
            client.flood(bounds, &choices);
        }
        let piece = client.behavior.write_size;
        client.send(&mut world, if piece == usize::MAX { piece } else { choices.between(1, piece) });
        if choices.one_in(client.behavior.read_every) {
            client.read(&mut world, client.behavior.read_size, &choices);
        }
        for _ in 0..choices.below(3) {
            world.arrive(number);
        }
        if choices.one_in(client.behavior.quit_every) {
            match choices.below(3) {
                0 => client.end(&mut world),
                1 => client.close_socket(&mut world),
                _ => client.reset(&mut world, choices.one_in(2)),
            }
        }
        let has_left = client.has_left;
        let news: Vec<String> = client.output.script[produced..]
            .iter()
            .map(|item| format!("client {number} sends {:.100}", format!("{:?}", item.what)))
            .collect();
        for line in news {
            model.note(line);
        }
        if has_left {
            model.note(format_args!("client {number} leaves"));
            self.live.swap_remove(at);
        }
    }

    /// Stops the process for a while, as a busy or sleeping machine or a debugger does, or until the worker's next deadline. Clients
    /// continue in the meantime, and their segments arrive. A signal may end the wait afterwards.
    fn stop(&mut self) {
        let choices = self.choices.clone();
        let due = self.worker.next_wait().unwrap_or_default();
        let late = choices.pick(&[70, 70, 150, 1_000, 3_000, 3_000, 130_000]);
        let late = if choices.one_in(4) { due } else { Duration::from_millis(late) };
        self.model.borrow_mut().note(format_args!("the process stands still for {late:?}"));
        let (busy, arrives) = (choices.one_in(2), choices.one_in(2));
        for number in if busy { self.live.clone() } else { Vec::new() } {
            let mut world = self.world.borrow_mut();
            let mut model = self.model.borrow_mut();
            let client = &mut model.clients[number];
            client.read(&mut world, client.behavior.read_size, &choices);
            client.answer(&choices);
            client.send(&mut world, usize::MAX);
            while arrives && world.arrive(number) {}
        }
        let mut world = self.world.borrow_mut();
        world.now += late;
        world.jumped_at = world.now;
        world.signals += usize::from(choices.one_in(2));
    }

    /// Posts a message or a close from another thread.
    fn post(&mut self) {
        let choices = &self.choices;
        let now = self.world.borrow().now;
        let mut model = self.model.borrow_mut();
        let len = choices.pick(&[
            0,
            3,
            20,
            20,
            120,
            120,
            121,
            400,
            1_000,
            if choices.one_in(4) { 66_000 } else { 5 },
        ]);
        // The receiver may be a client that has left.
        let all = model.clients.len();
        let number = if all > 0 && choices.one_in(3) { Some(choices.below(all)) } else { None };
        let number = number.or_else(|| self.live.get(choices.below(self.live.len().max(1))).copied());
        let known = number.and_then(|number| Some((number, model.clients[number].id?)));
        match (choices.below(5), known) {
            (0 | 1, Some((number, id))) => model.post_to(&self.handle, Some(number), id, len, now),
            (2, Some((number, id))) if choices.one_in(2) => {
                model.post_close(&self.handle, Some(number), id, now);
            }
            (3, _) => {
                let id = ConnId::from_u64(choices.bits());
                if choices.one_in(2) {
                    model.post_to(&self.handle, None, id, len, now);
                } else {
                    // An id of this worker, with a generation that does not exist yet.
                    let id = ConnId::new(0, 1 << 27, u32::try_from(choices.below(8)).unwrap_or(0));
                    model.post_close(&self.handle, None, id, now);
                }
            }
            (4, _) => model.post_to_all(&self.handle, len, now),
            _ => {}
        }
    }

    fn flood_mailbox(&mut self) {
        let now = self.world.borrow().now;
        let mut model = self.model.borrow_mut();
        let open: Vec<usize> =
            model.clients.iter().filter(|client| client.is_open()).map(|client| client.number).collect();
        for at in 0..MAILBOX + 3 {
            let Some(&number) = open.get(at % open.len().max(1)) else { break };
            if let Some(id) = model.clients[number].id {
                model.post_to(&self.handle, Some(number), id, 3, now);
            }
        }
    }

    fn flood(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        if self.live.is_empty() {
            return Ok(());
        }
        let number = self.live[choices.below(self.live.len())];
        self.model.borrow_mut().note(format_args!("client {number} floods"));
        if choices.one_in(2) {
            return self.flood_within_message(number);
        }
        let mut model = self.model.borrow_mut();
        let bounds = model.setup.bounds();
        let mut world = self.world.borrow_mut();
        let client = &mut model.clients[number];
        client.flood(bounds, &choices);
        client.send(&mut world, usize::MAX);
        while world.arrive(number) {}
        Ok(())
    }

    /// Has a client begin a message, which the worker reads, and send Pings after it, often until the worker's next deadline for the
    /// connection.
    fn flood_within_message(&mut self, number: usize) -> Result<(), Violation> {
        let choices = self.choices.clone();
        let flood = {
            let mut model = self.model.borrow_mut();
            let bounds = model.setup.bounds();
            let mut world = self.world.borrow_mut();
            let flood = model.clients[number].begin_message(&mut world, bounds, &choices);
            while world.arrive(number) {}
            flood
        };
        let Some(flood) = flood else { return Ok(()) };
        self.iterate()?;
        let due = self.worker.connections().find(|snapshot| snapshot.socket.0 == number);
        let due = due.and_then(|snapshot| snapshot.due).filter(|_| choices.one_in(2));
        let mut model = self.model.borrow_mut();
        let mut world = self.world.borrow_mut();
        model.clients[number].send(&mut world, flood);
        while world.arrive(number) {}
        if let Some(due) = due.map(time_of).filter(|due| *due > world.now) {
            (world.now, world.jumped_at) = (due, due);
        }
        Ok(())
    }

    /// Makes the system fail, or stop failing.
    fn inject_fault(&mut self) {
        let choices = &self.choices;
        let mut world = self.world.borrow_mut();
        let mut model = self.model.borrow_mut();
        let what = choices.below(4);
        match what {
            0 => {
                let code = choices.pick(&ACCEPT_ERRORS);
                world.accept_errors.push_back(code);
                model.was_exhausted |= code != libc::ECONNABORTED;
            }
            1 => {
                world.fail_watch = !world.fail_watch && choices.one_in(3);
                model.was_exhausted |= world.fail_watch;
            }
            2 => world.fail_listen = !world.fail_listen,
            _ => world.has_reserve = false,
        }
        model.note(format_args!("fault of kind {what}"));
    }

    fn end_of_server(&mut self) {
        let now = self.world.borrow().now;
        let mut model = self.model.borrow_mut();
        if self.choices.one_in(2) {
            let time = self.choices.pick(&[0, 1, 3, 40]) * Duration::from_secs(1);
            model.drain(&self.handle, time, now);
        } else {
            model.note("the server stops");
            model.is_stopped = true;
            self.handle.shared.stop();
        }
    }
}
