//! What comes back: told from what else a server could send, to the byte.

use std::ops::Range;
use std::time::{Duration, Instant};

use throng::ws::Message;

use super::echoed::Echoed;
use super::echoes::{Echoes, Slot};

impl Echoes {
    /// Takes in a message.
    pub(crate) fn receive(&mut self, index: usize, message: &Message) {
        let Some(slot) = self.slot(index) else {
            return self.wrong("echo: to a connection that sent nothing");
        };
        let Slot { sent, answered, .. } = self.slots[slot];
        let (payload, connection) = (message.as_bytes(), self.connection(slot));
        if answered < sent && payload == self.run.pattern.message(connection, answered) {
            if message.opcode() == self.opcode() {
                self.count_received(slot);
            } else {
                self.wrong("echo: of another type");
            }
            self.slots[slot].answered += 1;
            return;
        }
        let is_one_of = |mut numbers: Range<u64>| {
            numbers.find(|&number| payload == self.run.pattern.message(connection, number))
        };
        if let Some(number) = is_one_of(answered + 1..sent) {
            for _ in answered..number {
                self.wrong("echo: left out, or behind a later one");
            }
            self.slots[slot].answered = number;
            self.count_received(slot);
            self.slots[slot].answered += 1;
        } else if is_one_of(answered.saturating_sub(u64::from(self.run.plan.depth))..answered).is_some() {
            self.wrong("echo: a second time, or behind a later one");
        } else if answered == sent {
            self.wrong("echo: one too many");
        } else {
            let is_long = payload.len() == self.run.plan.size;
            self.wrong(if is_long { "echo: of other bytes" } else { "echo: of another length" });
            self.slots[slot].answered += 1;
        }
    }

    /// Takes in a message that came compressed.
    pub(crate) fn receive_compressed(&mut self, index: usize, message: &Message) {
        self.echoed.compressed += 1;
        self.receive(index, message);
    }

    /// Takes in bytes of a raw connection.
    pub(crate) fn receive_raw(&mut self, index: usize, mut bytes: &[u8]) {
        let Some(slot) = self.slot(index) else {
            return self.wrong("echo: to a connection that sent nothing");
        };
        while !bytes.is_empty() {
            let Slot { sent, answered, arrived, .. } = self.slots[slot];
            if answered == sent {
                return self.wrong("echo: bytes too many");
            }
            let expected = &self.run.pattern.message(self.connection(slot), answered)[arrived..];
            let len = expected.len().min(bytes.len());
            let differs = self.slots[slot].differs || expected[..len] != bytes[..len];
            let is_whole = len == expected.len();
            (self.slots[slot].arrived, self.slots[slot].differs) = (arrived + len, differs);
            bytes = &bytes[len..];
            if is_whole {
                if differs {
                    self.wrong("echo: of other bytes");
                } else {
                    self.count_received(slot);
                }
                let slot = &mut self.slots[slot];
                (slot.arrived, slot.differs, slot.answered) = (0, false, answered + 1);
            }
        }
    }

    /// A connection is lost, and what was on its way to it.
    pub(crate) fn lose(&mut self, index: usize) {
        let Some(slot) = self.slot(index) else { return };
        let slot = &mut self.slots[slot];
        let unanswered = slot.sent - slot.answered;
        (slot.is_gone, slot.answered) = (true, slot.sent);
        for _ in 0..unanswered {
            self.wrong("echo: the connection was lost");
        }
    }

    /// Whether all echoes have come, or have had time enough to.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let is_quiet = || self.slots.iter().all(|slot| slot.sent == slot.answered && !self.owes(slot));
        now >= self.end() && (now >= self.end() + self.run.plan.patience || is_quiet())
    }

    /// What came of it; what has not been answered now never will be.
    pub(crate) fn finish(mut self) -> Echoed {
        let unanswered: u64 = self.slots.iter().map(|slot| slot.sent - slot.answered).sum();
        let unsent: u64 =
            self.slots.iter().filter(|slot| self.owes(slot)).map(|slot| slot.planned - slot.sent).sum();
        let patience = humantime::format_duration(self.run.plan.patience);
        let reasons = [
            (unanswered, format!("echo: none within {patience}")),
            (unsent, format!("echo: never sent, others were on their way for {patience}")),
        ];
        for (count, reason) in reasons.into_iter().filter(|reason| reason.0 > 0) {
            self.echoed.wrong.add(reason, count);
        }
        self.echoed
    }

    /// Whether a slot has planned messages that it could not send yet.
    fn owes(&self, slot: &Slot) -> bool {
        self.run.plan.rate.is_some() && !slot.is_gone && slot.planned > slot.sent
    }

    fn wrong(&mut self, reason: &str) {
        self.echoed.wrong.count(reason);
    }

    /// The next echo of a slot has come as it was sent.
    fn count_received(&mut self, slot: usize) {
        let number = self.slots[slot].answered;
        let time = match self.run.plan.rate {
            Some(rate) => self.planned_at(self.number_in_thread(slot, number), rate),
            None => self.run.start + Duration::from_nanos(self.times[self.time_at(slot, number)]),
        };
        if time >= self.measured_from() {
            self.echoed.received += 1;
            self.echoed.latency_us.record(time.elapsed());
        }
    }
}
