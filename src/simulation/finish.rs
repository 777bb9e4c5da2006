//! The end of a run: clients leave, the server drains or stops, and no resources may be left.

use std::time::Duration;

use super::run::{Run, Violation};
use crate::budget::LINGER;

impl Run {
    /// Has all clients leave, or the server end before they do, and checks that no resources are left.
    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        {
            let mut world = self.world.borrow_mut();
            (world.fail_watch, world.fail_listen) = (false, false);
            world.accept_errors.clear();
        }
        match self.choices.below(3) {
            _ if !self.is_alive => {}
            0 => self.finish_by_leaving()?,
            1 => self.finish_by_draining()?,
            _ => self.run_until_idle()?,
        }
        if self.is_alive {
            self.model.borrow_mut().note("the server stops");
            self.model.borrow_mut().is_stopped = true;
            self.handle.shared.stop();
            for _ in 0..100 {
                if self.is_alive {
                    self.iterate()?;
                }
            }
        }
        self.check_end()
    }

    fn finish_by_leaving(&mut self) -> Result<(), Violation> {
        self.model.borrow_mut().note("everybody leaves");
        for number in std::mem::take(&mut self.live) {
            let mut world = self.world.borrow_mut();
            let mut model = self.model.borrow_mut();
            let client = &mut model.clients[number];
            match self.choices.below(4) {
                0 => client.reset(&mut world, false),
                1 => client.close_socket(&mut world),
                2 => client.end(&mut world),
                _ if client.output.is_finished => client.end(&mut world),
                _ => {
                    client.output.close(Some(1000), &self.choices);
                    client.send(&mut world, usize::MAX);
                }
            }
        }
        let timeouts = {
            let limits = &self.model.borrow().setup.limits;
            limits.handshake_timeout + limits.close_timeout + LINGER + Duration::from_secs(3)
        };
        for _ in 0..4 {
            self.flush();
            self.run_until_idle()?;
        }
        self.advance(timeouts)?;
        let inventory = self.worker.inventory();
        let has_ended = !self.is_alive;
        let empty = (inventory.records, inventory.record_slots, inventory.side_slots, inventory.buffers);
        if !has_ended && (empty != (0, 0, 0, 0) || inventory.keeps_buffers || inventory.has_timers) {
            return Err(format!("everybody has left, and this is kept: {inventory:?}"));
        }
        Ok(())
    }

    /// Has all segments arrive and all clients read everything.
    pub(crate) fn flush(&mut self) {
        let mut world = self.world.borrow_mut();
        let mut model = self.model.borrow_mut();
        for client in &mut model.clients {
            while world.arrive(client.number) {}
            // From now on no send buffer is limited.
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
        self.model.borrow_mut().drain(&self.handle, time, now);
        for _ in 0..6 {
            self.flush();
            self.advance(Duration::from_millis(300))?;
        }
        self.advance(Duration::from_secs(41))?;
        if self.is_alive { Err("the drain does not end".into()) } else { Ok(()) }
    }

    fn check_end(&self) -> Result<(), Violation> {
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
        let model = self.model.borrow();
        let untold = model.clients.iter().find(|client| client.is_open());
        let opened = model.clients.iter().filter(|client| client.id.is_some()).count() as u64;
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
