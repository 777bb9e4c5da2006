//! How visitors leave: in order, abruptly, or in the middle of a word.

use throng::sys::socket;
use throng::ws::client;

use super::client::{BUDGET, Client};
use super::slot::Stage;
use super::visit::{Visit, Way};
use crate::engine::connection::{Connection, Step};
use crate::engine::wire::reason;

impl Client<'_> {
    /// Sends a part of the request, and nothing more.
    pub(super) fn break_off_request(&mut self, index: usize) {
        let visit = self.visit(index);
        let Some(fd) = self.slots[index].connection.as_ref().and_then(Connection::socket) else { return };
        let mut request = Vec::new();
        let target = &self.plan.target;
        client::request(&mut request, &target.host, &target.path, &client::encode_key([0; 16]), "");
        // A new connection takes so few bytes at once.
        let sent = socket::take_error(fd).map_err(|error| reason("connect", &error)).and_then(|()| {
            socket::send(fd, visit.part_of(&request)).map_err(|error| reason("handshake", &error))
        });
        match sent {
            Ok(_) => {
                self.note_opening_over(index);
                self.enter(index, Stage::Silent, visit.silence);
            }
            Err(reason) => self.count(index, Step::Failed(reason)),
        }
    }

    /// An open visitor's time has come.
    pub(super) fn begin_to_leave(&mut self, index: usize) {
        let visit = self.visit(index);
        match visit.way {
            Way::ClosingHandshake => self.close(index),
            Way::Fin => self.leave(index, visit.way, false),
            Way::Reset => self.leave(index, visit.way, true),
            Way::Deaf => self.enter(index, Stage::Silent, visit.silence),
            Way::MidMessage => self.break_off_message(index, &visit),
            // It never opens.
            Way::MidHandshake => {}
        }
    }

    fn break_off_message(&mut self, index: usize, visit: &Visit) {
        let Some(connection) = &mut self.slots[index].connection else { return };
        self.wire.output.clear();
        let key = self.wire.mask();
        visit.unfinished_message(key, &mut self.wire.output);
        match connection.send_output(&self.wire) {
            Ok(()) => self.enter(index, Stage::Silent, visit.silence),
            Err(reason) => self.count(index, Step::Lost(reason)),
        }
    }

    pub(super) fn end_silence(&mut self, index: usize) {
        let visit = self.visit(index);
        self.leave(index, visit.way, visit.abrupt);
    }

    /// Begins a closing handshake.
    fn close(&mut self, index: usize) {
        let Some(connection) = &mut self.slots[index].connection else { return };
        self.closing += 1;
        let step = connection.close(false, &mut self.wire);
        self.enter(index, Stage::Closing, self.plan.timeouts.close);
        self.count(index, step);
    }

    /// Drops a visitor's socket, which ends the stream or resets the connection.
    pub(super) fn leave(&mut self, index: usize, way: Way, abruptly: bool) {
        if abruptly && let Some(fd) = self.slots[index].connection.as_ref().and_then(Connection::socket) {
            // It can only fail for what is no socket.
            let _ = socket::reset_on_close(fd);
        }
        if way != Way::MidHandshake {
            self.visits.here -= 1;
        }
        self.visits.left.count(way);
        self.go(index);
    }

    /// Has those who are here leave: with a closing handshake, where they are not on their way out already.
    pub(super) fn close_some(&mut self) {
        for _ in 0..BUDGET {
            let index = self.next_to_close;
            if index >= self.slots.len() || self.closing >= self.in_flight() {
                return;
            }
            self.next_to_close += 1;
            match self.slots[index].stage {
                Stage::Away | Stage::Queued => self.end(index),
                Stage::Opening => {
                    self.note_opening_over(index);
                    self.visits.given_up += 1;
                    self.go(index);
                }
                Stage::Open => self.close(index),
                Stage::Silent | Stage::Closing | Stage::Over => {}
            }
        }
    }
}
