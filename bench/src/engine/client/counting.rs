//! What a thread counts of its connections, and tells the others.

use super::super::connection::Step;
use super::super::shared::Phase;
use super::super::wire::at;
use super::{Client, target};

impl Client<'_> {
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
                self.counts.opened += 1;
                self.counts.open += 1;
                self.pings.add();
                self.latency.record(planned.elapsed());
                self.note_settled();
            }
            Step::Failed(reason) => {
                self.opening -= 1;
                self.counts.failed += 1;
                let to = target(&self.plan, self.number(index)).address;
                self.shared.ledger().failed.count(at(&reason, to));
                self.note_settled();
            }
            Step::Lost(reason) => {
                self.leave(index);
                if let Some(echoes) = &mut self.wire.echoes {
                    echoes.lose(index);
                }
                self.counts.lost += 1;
                if !self.is_deaf(index) {
                    self.shared.ledger().lost.count(reason);
                } else if let Some(receipts) = &mut self.wire.receipts {
                    receipts.lose_deaf(reason);
                }
            }
            Step::Closed => {
                self.leave(index);
                self.closing -= 1;
                self.counts.closed += 1;
            }
            Step::Unclean(reason) => {
                self.leave(index);
                self.closing -= 1;
                self.shared.ledger().unclean.count(reason);
            }
        }
    }

    fn leave(&mut self, index: usize) {
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
        if self.counts.opened + self.counts.failed == self.share as u64 {
            self.hand_over_opening();
            self.shared.tally(self.thread).set_settled(self.shared.started().elapsed());
        }
    }

    pub(super) fn publish(&mut self) {
        self.counts.min_pings = self.pings.min();
        self.counts.messages_in = self.wire.messages;
        self.shared.tally(self.thread).publish(&self.counts);
    }
}
