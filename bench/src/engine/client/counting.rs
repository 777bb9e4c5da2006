//! What a thread counts of its connections, and tells the others.

use super::super::connection::Step;
use super::super::deadlines::Then;
use super::super::shared::Phase;
use super::super::visits::{End, Slot, Stay, Visits};
use super::super::wire::at;
use super::Client;

impl<V: Visits> Client<'_, V> {
    pub(super) fn count_pings(&mut self, index: usize) {
        if self.wire.answered > 0 {
            let pings = self.connections[index].pings;
            let after = pings.saturating_add(self.wire.answered);
            self.connections[index].pings = after;
            self.pings.advance(pings, after);
            self.counts.pings_answered += u64::from(self.wire.answered);
        }
    }

    pub(super) fn count(&mut self, index: usize, step: Step) {
        match step {
            Step::Stay => {}
            Step::Opened(planned) => {
                self.opening -= 1;
                self.counts.open += 1;
                self.pings.add();
                let turn = self.turn();
                if self.visits.is_measured(&turn) {
                    self.counts.opened += 1;
                    self.latency.record(planned.elapsed());
                }
                self.note_settled();
                if let Stay::Until(then) = self.visits.opened(Slot::of(index), &turn) {
                    self.deadlines.set(index, then, Then::Leave);
                }
            }
            Step::Failed(reason) => self.fail(index, &reason, End::Failed(&reason)),
            Step::Lost(reason) => {
                self.note_gone(index);
                if let Some(echoes) = &mut self.wire.echoes {
                    echoes.lose(index);
                }
                self.counts.lost += 1;
                self.ended(index, End::Lost(&reason));
                if !self.is_deaf(index) {
                    self.shared.ledger().lost.count(reason);
                } else if let Some(receipts) = &mut self.wire.receipts {
                    receipts.lose_deaf(reason);
                }
            }
            Step::Closed => {
                self.note_gone(index);
                self.closing -= 1;
                self.counts.closed += 1;
                self.ended(index, End::Closed);
            }
            Step::Unclean(reason) => {
                self.note_gone(index);
                self.closing -= 1;
                self.ended(index, End::Unclean(&reason));
                self.shared.ledger().unclean.count(reason);
            }
        }
    }

    /// A connection has not opened, and will not.
    pub(super) fn fail(&mut self, index: usize, reason: &str, end: End<'_>) {
        self.opening -= 1;
        if self.visits.is_failure(&end) {
            self.counts.failed += 1;
            let to = self.plan.target(self.number(index)).address;
            self.shared.ledger().failed.count(at(reason, to));
        }
        self.note_settled();
        self.ended(index, end);
    }

    /// A slot is free.
    pub(super) fn ended(&mut self, index: usize, end: End<'_>) {
        self.here -= 1;
        self.has_freed = true;
        self.deadlines.clear(index);
        let turn = self.turn();
        self.visits.ended(Slot::of(index), end, &turn);
    }

    /// A connection that was open is so no more.
    pub(super) fn note_gone(&mut self, index: usize) {
        self.counts.open -= 1;
        // Once the closing has begun, the fewest pings are those of the connections that were held.
        if self.phase != Phase::Close {
            self.pings.remove(self.connections[index].pings);
        }
    }

    /// A histogram is too large to keep one in each thread while connections are only held.
    pub(super) fn hand_over_opening(&mut self) {
        let mut ledger = self.shared.ledger();
        ledger.latency.add(&std::mem::take(&mut self.latency));
        if let Some(codec) = &mut self.wire.codec {
            ledger.agreed += &std::mem::take(&mut codec.agreed);
        }
    }

    /// Hands over what subscribers have received. Nothing they receive from now on is looked at.
    pub(super) fn count_receipts(&mut self) {
        let Some(receipts) = self.wire.receipts.take() else { return };
        let received = receipts.finish();
        let mut ledger = self.shared.ledger();
        ledger.received.add(&received);
        ledger.done_counting += 1;
    }

    /// Notes the time, and hands over how it went with the last connection.
    fn note_settled(&mut self) {
        if self.counts.opened + self.counts.failed == self.plan.share(self.thread) as u64 {
            self.hand_over_opening();
            self.shared.told(self.thread).settled = self.shared.started().elapsed();
        }
    }

    /// Tells the counts, and once a tick what the visits have counted.
    pub(super) fn publish(&mut self, is_over: bool) {
        self.counts.min_pings = self.pings.min();
        self.counts.messages_in = self.wire.messages;
        let mut told = self.shared.told(self.thread);
        told.counts = self.counts;
        if is_over || self.now >= self.next_tick {
            told.tally = self.visits.tally();
        }
    }
}
