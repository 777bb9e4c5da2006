//! What happens, step by step, and how it all ends.

use std::time::Duration;

use super::client::{Client, Habits};
use super::deflating::OFFERS;
use super::run::{Run, Violation};
use crate::base::ticks::time_of;
use crate::budget::{LINGER, MAILBOX};
use crate::worker::ConnId;

/// Errors of accept(2) that pass.
const ACCEPT_ERRORS: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::ECONNABORTED];

impl Run {
    /// Everything from the first client to the end of the worker.
    pub(crate) fn play(&mut self) -> Result<usize, Violation> {
        let (crowd, steps) = {
            let ledger = self.ledger.borrow();
            (ledger.setup.crowd, ledger.setup.steps)
        };
        if crowd > 0 {
            self.gather(crowd)?;
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
        match choices.weigh(&[20, 160, 25, 30, 6, 2, 1, 8, 2, 1, 1, 1]) {
            0 => self.connect(),
            1 => self.turn(),
            2 => self.iterate()?,
            3 => self.settle()?,
            4 => self.pass(Duration::from_millis(choices.between(1, 1_500) as u64))?,
            5 => self.pass(choices.pick(&[1, 1, 2, 2, 5, 11, 31]) * Duration::from_secs(1))?,
            6 => {
                self.stop();
                // It may stop again before it has done all that there was to do.
                if choices.one_in(3) {
                    self.iterate()?;
                    self.stop();
                }
            }
            7 => self.post(),
            8 => self.trouble(),
            9 => self.flood_mailbox(),
            10 => self.flood()?,
            // Rarely, for nothing comes behind it.
            _ if choices.one_in(4) && self.ledger.borrow().setup.may_end => self.end_of_server(),
            _ => {}
        }
        Ok(())
    }

    /// Many clients at once, all of which open a WebSocket.
    fn gather(&mut self, crowd: usize) -> Result<(), Violation> {
        for _ in 0..crowd {
            self.connect();
        }
        let mut world = self.world.borrow_mut();
        let mut ledger = self.ledger.borrow_mut();
        for client in &mut ledger.clients {
            client.send(&mut world, usize::MAX);
            world.arrive(client.number);
        }
        drop((world, ledger));
        self.settle()
    }

    pub(crate) fn connect(&mut self) {
        let choices = &self.choices;
        let mut ledger = self.ledger.borrow_mut();
        if self.live.len() >= ledger.setup.most_clients {
            return;
        }
        let mut world = self.world.borrow_mut();
        // With no listener there, the connection is another worker's.
        let Some(number) = world.connect() else { return };
        let send_buffer = choices.pick(&[usize::MAX, usize::MAX, 60, 1_000, 20_000]);
        world.connections[number].room = send_buffer;
        world.connections[number].send_buffer = send_buffer;
        let never = 1 << 20;
        let habits = Habits {
            piece: choices.pick(&[1, 7, 200, usize::MAX, usize::MAX]),
            sip: choices.pick(&[10, 1_000, usize::MAX, usize::MAX]),
            reads: choices.pick(&[1, 1, 2, 12]),
            pong: choices.pick(&[Some(0), Some(0), Some(4), None]),
            answers_close: !choices.one_in(4),
            faults: choices.pick(&[never, never, 30, 4]),
            quits: choices.pick(&[never, 60, 15]),
        };
        let mut client = Client::new(number, habits);
        // Each stream of zlib's takes a quarter of a megabyte.
        let offering = if ledger.setup.crowd > 0 { 40 } else { 2 };
        if choices.one_in(offering) {
            let offer = choices.pick(&OFFERS);
            client.speech.offer = Some(offer);
            client.tap.offer = offer.parse().ok();
        }
        match choices.weigh(&[20, 2, 1]) {
            0 => client.speech.request(number),
            1 => client.speech.bad_request(number, choices),
            // It says nothing, or half.
            _ => {
                client.speech.request(number);
                let half = choices.below(client.speech.pending.len());
                client.send(&mut world, half);
                client.speech.pending.clear();
                client.speech.is_over = true;
            }
        }
        if !choices.one_in(4) {
            client.send(&mut world, usize::MAX);
            world.arrive(number);
        }
        ledger.note(format_args!("client {number} connects: {habits:?}, buffer {send_buffer}"));
        ledger.clients.push(client);
        drop((ledger, world));
        self.joined(number);
    }

    /// A client has its turn.
    fn turn(&mut self) {
        let choices = self.choices.clone();
        if self.live.is_empty() {
            return self.connect();
        }
        let at = choices.below(self.live.len());
        let number = self.live[at];
        let mut ledger = self.ledger.borrow_mut();
        let bounds = ledger.setup.bounds();
        let mut world = self.world.borrow_mut();
        let client = &mut ledger.clients[number];
        let said = client.speech.script.len();
        if choices.one_in(2) {
            client.say(bounds, &choices);
            if choices.one_in(3) {
                client.say(bounds, &choices);
            }
        }
        client.answer(&choices);
        if choices.one_in(400) {
            client.flood(bounds, &choices);
        }
        let piece = client.habits.piece;
        client.send(&mut world, if piece == usize::MAX { piece } else { choices.between(1, piece) });
        if choices.one_in(client.habits.reads) {
            client.read(&mut world, client.habits.sip, &choices);
        }
        for _ in 0..choices.below(3) {
            world.arrive(number);
        }
        if choices.one_in(client.habits.quits) {
            match choices.below(3) {
                0 => client.end(&mut world),
                1 => client.vanish(&mut world),
                _ => client.reset(&mut world, choices.one_in(2)),
            }
        }
        let has_left = client.has_left;
        let news: Vec<String> = client.speech.script[said..]
            .iter()
            .map(|said| format!("client {number} says {:.100}", format!("{:?}", said.what)))
            .collect();
        for line in news {
            ledger.note(line);
        }
        if has_left {
            ledger.note(format_args!("client {number} leaves"));
            self.live.swap_remove(at);
        }
    }

    /// The process stands still: the machine is busy or asleep, somebody has stopped it, or the worker is up to what is due next. Clients go
    /// on meanwhile, and what they send arrives. A signal may be what wakes it up.
    fn stop(&mut self) {
        let choices = self.choices.clone();
        let due = self.worker.next_wait().unwrap_or_default();
        let late = choices.pick(&[70, 70, 150, 1_000, 3_000, 3_000, 130_000]);
        let late = if choices.one_in(4) { due } else { Duration::from_millis(late) };
        self.ledger.borrow_mut().note(format_args!("the process stands still for {late:?}"));
        let (busy, arrives) = (choices.one_in(2), choices.one_in(2));
        for number in if busy { self.live.clone() } else { Vec::new() } {
            let mut world = self.world.borrow_mut();
            let mut ledger = self.ledger.borrow_mut();
            let client = &mut ledger.clients[number];
            client.read(&mut world, client.habits.sip, &choices);
            client.answer(&choices);
            client.send(&mut world, usize::MAX);
            while arrives && world.arrive(number) {}
        }
        let mut world = self.world.borrow_mut();
        world.now += late;
        world.jumped_at = world.now;
        world.signals += usize::from(choices.one_in(2));
    }

    /// Something from another thread.
    fn post(&mut self) {
        let choices = &self.choices;
        let now = self.world.borrow().now;
        let mut ledger = self.ledger.borrow_mut();
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
        // Of those that have gone as well.
        let all = ledger.clients.len();
        let number = if all > 0 && choices.one_in(3) { Some(choices.below(all)) } else { None };
        let number = number.or_else(|| self.live.get(choices.below(self.live.len().max(1))).copied());
        let known = number.and_then(|number| Some((number, ledger.clients[number].id?)));
        match (choices.below(5), known) {
            (0 | 1, Some((number, id))) => ledger.post_to(&self.handle, Some(number), id, len, now),
            (2, Some((number, id))) if choices.one_in(2) => {
                ledger.post_close(&self.handle, Some(number), id, now);
            }
            (3, _) => {
                let id = ConnId::from_u64(choices.bits());
                if choices.one_in(2) {
                    ledger.post_to(&self.handle, None, id, len, now);
                } else {
                    // Of this worker, and a generation to come.
                    let id = ConnId::new(0, 1 << 27, u32::try_from(choices.below(8)).unwrap_or(0));
                    ledger.post_close(&self.handle, None, id, now);
                }
            }
            (4, _) => ledger.post_to_all(&self.handle, len, now),
            _ => {}
        }
    }

    fn flood_mailbox(&mut self) {
        let now = self.world.borrow().now;
        let mut ledger = self.ledger.borrow_mut();
        let open: Vec<usize> =
            ledger.clients.iter().filter(|client| client.is_open()).map(|client| client.number).collect();
        for at in 0..MAILBOX + 3 {
            let Some(&number) = open.get(at % open.len().max(1)) else { break };
            if let Some(id) = ledger.clients[number].id {
                ledger.post_to(&self.handle, Some(number), id, 3, now);
            }
        }
    }

    fn flood(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        if self.live.is_empty() {
            return Ok(());
        }
        let number = self.live[choices.below(self.live.len())];
        self.ledger.borrow_mut().note(format_args!("client {number} floods"));
        if choices.one_in(2) {
            return self.flood_within_message(number);
        }
        let mut ledger = self.ledger.borrow_mut();
        let bounds = ledger.setup.bounds();
        let mut world = self.world.borrow_mut();
        let client = &mut ledger.clients[number];
        client.flood(bounds, &choices);
        client.send(&mut world, usize::MAX);
        while world.arrive(number) {}
        Ok(())
    }

    /// A message begins, is read, and is followed by Pings, often when one of ours is due.
    fn flood_within_message(&mut self, number: usize) -> Result<(), Violation> {
        let choices = self.choices.clone();
        let flood = {
            let mut ledger = self.ledger.borrow_mut();
            let bounds = ledger.setup.bounds();
            let mut world = self.world.borrow_mut();
            let flood = ledger.clients[number].begin_message(&mut world, bounds, &choices);
            while world.arrive(number) {}
            flood
        };
        let Some(flood) = flood else { return Ok(()) };
        self.iterate()?;
        let due = self.worker.glimpses().find(|glimpse| glimpse.socket.0 == number);
        let due = due.and_then(|glimpse| glimpse.due).filter(|_| choices.one_in(2));
        let mut ledger = self.ledger.borrow_mut();
        let mut world = self.world.borrow_mut();
        ledger.clients[number].send(&mut world, flood);
        while world.arrive(number) {}
        if let Some(due) = due.map(time_of).filter(|due| *due > world.now) {
            (world.now, world.jumped_at) = (due, due);
        }
        Ok(())
    }

    /// The system fails, or stops to.
    fn trouble(&mut self) {
        let choices = &self.choices;
        let mut world = self.world.borrow_mut();
        let mut ledger = self.ledger.borrow_mut();
        let what = choices.below(4);
        match what {
            0 => {
                let code = choices.pick(&ACCEPT_ERRORS);
                world.accept_errors.push_back(code);
                ledger.was_exhausted |= code != libc::ECONNABORTED;
            }
            1 => {
                world.fail_watch = !world.fail_watch && choices.one_in(3);
                ledger.was_exhausted |= world.fail_watch;
            }
            2 => world.fail_listen = !world.fail_listen,
            _ => world.has_reserve = false,
        }
        ledger.note(format_args!("trouble of kind {what}"));
    }

    fn end_of_server(&mut self) {
        let now = self.world.borrow().now;
        let mut ledger = self.ledger.borrow_mut();
        if self.choices.one_in(2) {
            let time = self.choices.pick(&[0, 1, 3, 40]) * Duration::from_secs(1);
            ledger.drain(&self.handle, time, now);
        } else {
            ledger.note("the server stops");
            ledger.is_stopped = true;
            self.handle.shared.stop();
        }
    }

    /// All clients leave, or the server ends over them; in the end nothing may be left.
    fn finish(&mut self) -> Result<(), Violation> {
        {
            let mut world = self.world.borrow_mut();
            (world.fail_watch, world.fail_listen) = (false, false);
            world.accept_errors.clear();
        }
        match self.choices.below(3) {
            _ if !self.is_alive => {}
            0 => self.finish_by_leaving()?,
            1 => self.finish_by_draining()?,
            _ => self.settle()?,
        }
        if self.is_alive {
            self.ledger.borrow_mut().note("the server stops");
            self.ledger.borrow_mut().is_stopped = true;
            self.handle.shared.stop();
            for _ in 0..100 {
                if self.is_alive {
                    self.iterate()?;
                }
            }
        }
        self.judge_the_end()
    }

    fn finish_by_leaving(&mut self) -> Result<(), Violation> {
        self.ledger.borrow_mut().note("everybody leaves");
        for number in std::mem::take(&mut self.live) {
            let mut world = self.world.borrow_mut();
            let mut ledger = self.ledger.borrow_mut();
            let client = &mut ledger.clients[number];
            match self.choices.below(4) {
                0 => client.reset(&mut world, false),
                1 => client.vanish(&mut world),
                2 => client.end(&mut world),
                _ if client.speech.is_over => client.end(&mut world),
                _ => {
                    client.speech.close(Some(1000), &self.choices);
                    client.send(&mut world, usize::MAX);
                }
            }
        }
        let timeouts = {
            let limits = &self.ledger.borrow().setup.limits;
            limits.handshake_timeout + limits.close_timeout + LINGER + Duration::from_secs(3)
        };
        for _ in 0..4 {
            self.flush();
            self.settle()?;
        }
        self.pass(timeouts)?;
        let inventory = self.worker.inventory();
        let has_ended = !self.is_alive;
        let empty = (inventory.records, inventory.record_slots, inventory.side_slots, inventory.buffers);
        if !has_ended && (empty != (0, 0, 0, 0) || inventory.keeps_buffers || inventory.has_timers) {
            return Err(format!("everybody has left, and this is kept: {inventory:?}"));
        }
        Ok(())
    }

    /// Everything that is on its way arrives, and everybody reads everything.
    pub(crate) fn flush(&mut self) {
        let mut world = self.world.borrow_mut();
        let mut ledger = self.ledger.borrow_mut();
        for client in &mut ledger.clients {
            while world.arrive(client.number) {}
            // No send buffer is small any more.
            world.set_room(client.number, usize::MAX);
            let now = world.now;
            let connection = &mut world.connections[client.number];
            if std::mem::replace(&mut connection.send_buffer, usize::MAX) != usize::MAX {
                connection.freed_at = Some(now);
            }
            client.read(&mut world, usize::MAX, &self.choices);
            client.send(&mut world, usize::MAX);
            while world.arrive(client.number) {}
        }
    }

    fn finish_by_draining(&mut self) -> Result<(), Violation> {
        let time = self.choices.pick(&[0, 2, 20]) * Duration::from_secs(1);
        let now = self.now();
        self.ledger.borrow_mut().drain(&self.handle, time, now);
        for _ in 0..6 {
            self.flush();
            self.pass(Duration::from_millis(300))?;
        }
        self.pass(Duration::from_secs(41))?;
        if self.is_alive { Err("the drain does not end".into()) } else { Ok(()) }
    }

    fn judge_the_end(&self) -> Result<(), Violation> {
        let inventory = self.worker.inventory();
        let held = self.world.borrow().held();
        let counters = self.counters();
        let levels = [&counters.open, &counters.sockets, &counters.buffered_bytes, &counters.context_bytes];
        let levels = levels.map(|level| level.get());
        let left =
            (inventory.records, inventory.sides, inventory.buffers, inventory.refused, inventory.counted);
        if self.is_alive || held != 0 || levels != [0; 4] || left != (0, 0, 0, 0, 0) || inventory.has_timers {
            return Err(format!("at the end, {held} sockets are held, levels {levels:?}: {inventory:?}"));
        }
        let ledger = self.ledger.borrow();
        let untold = ledger.clients.iter().find(|client| client.is_open());
        let opened = ledger.clients.iter().filter(|client| client.id.is_some()).count() as u64;
        match untold {
            Some(client) => {
                Err(format!("at the end, the application takes client {} for open", client.number))
            }
            None if counters.opened.get() != opened => {
                Err(format!("{} were opened, {opened} of them to the application", counters.opened.get()))
            }
            None if counters.bugs.get() != 0 => Err("bugs were counted".into()),
            None => Ok(()),
        }
    }
}
