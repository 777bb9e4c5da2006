//! How a thread's connections leave: in order, abruptly, or in the middle of a word.

use std::time::Duration;

use super::super::connection::{State, Step};
use super::super::deadlines::Then;
use super::super::visits::{End, Hangup, Leave, Slot, Visits};
use super::{BUDGET, Client, Waiting};

impl<V: Visits> Client<'_, V> {
    pub(super) fn meet_deadlines(&mut self) {
        for _ in 0..BUDGET {
            match self.deadlines.take_due(self.now) {
                Some((index, Then::Leave)) => self.leave(index),
                Some((index, Then::HangUp(how))) => self.hang_up(index, how),
                None => return,
            }
        }
    }

    pub(super) fn close_some(&mut self) {
        for _ in 0..BUDGET {
            let index = self.next_to_close;
            if index >= self.connections.len() || self.closing >= self.in_flight {
                return;
            }
            self.next_to_close += 1;
            if self.connections[index].stays() && !self.deadlines.is_silent(index) {
                self.leave(index);
            }
        }
    }

    /// An open connection's time has come.
    pub(super) fn leave(&mut self, index: usize) {
        if !self.connections[index].stays() {
            return;
        }
        self.deadlines.clear(index);
        match self.visits.due(Slot::of(index), &self.turn()) {
            Leave::Close => {
                self.closing += 1;
                self.waiting.push(Waiting { index, state: State::Open, since: self.now });
                // Who has never read has no end of the stream to wait for.
                let raw = self.plan.raw || self.is_deaf(index);
                let step = self.connections[index].close(raw, &mut self.wire);
                self.count(index, step);
            }
            Leave::Now(how) => self.hang_up(index, how),
            Leave::Silent { say, time, then } => {
                self.wire.output.clone_from(&say);
                let step = if say.is_empty() { Step::Stay } else { self.connections[index].say(&self.wire) };
                if step == Step::Stay {
                    self.deadlines.set(index, self.now + time, Then::HangUp(then));
                }
                self.count(index, step);
            }
        }
    }

    /// Sends a part of the request, and nothing more.
    pub(super) fn break_off(&mut self, index: usize, share: f64, time: Duration, then: Hangup) {
        let target = self.plan.target(self.number(index));
        let step = self.connections[index].break_off(target, share, &mut self.wire);
        if step == Step::Stay {
            self.opening -= 1;
            self.deadlines.set(index, self.now + time, Then::HangUp(then));
            self.visits.broken_off(Slot::of(index));
        }
        self.count(index, step);
    }

    fn hang_up(&mut self, index: usize, how: Hangup) {
        if self.connections[index].hang_up(how == Hangup::Reset) {
            self.note_gone(index);
        }
        self.ended(index, End::Left);
    }
}
