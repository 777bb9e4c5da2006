//! Clients that receive a replay: with little room, or disconnected in the middle of it.

use super::run::Run;
use super::setup::LONGEST;
use super::steps::ELSEWHERE;
use super::wire::Disconnect;
use crate::budget::LEAST_OUTBOX;
use crate::hub::{Access, Position};
use crate::simulation::run::Violation;

impl Run {
    /// Has clients with little room ask for all kept messages while nothing else happens. No client may be closed, because each receives
    /// the replay at its own pace.
    pub(super) fn resume(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        self.rest()?;
        // Outboxes below a server's minimum have no room for the answers.
        if self.setup.limits.outbox < LEAST_OUTBOX {
            return Ok(());
        }
        self.is_quiet = true;
        let mut numbers = Vec::new();
        for _ in 0..choices.between(1, 3) {
            let node = choices.below(self.nodes.nodes.len());
            let Some(number) = self.admit(node, true, &[], "/") else { continue };
            self.narrow(number, choices.pick(&[1_000, 5_000, 30_000]));
            for subject in 0..self.setup.subjects.len() {
                let epoch = self.model.current(subject).map_or(ELSEWHERE.epoch, |log| log.epoch);
                self.send_subscribe(number, subject, Some(Position { offset: 0, epoch }));
            }
            self.send(number, usize::MAX);
            numbers.push(number);
        }
        self.rest()?;
        self.is_quiet = false;
        if self.setup.has_large_outboxes {
            numbers.into_iter().for_each(|number| self.narrow(number, usize::MAX));
        }
        Ok(())
    }

    /// Has a client ask for a message whose JSON is so long that it is written as soon as it is queued, and then reset the connection. The
    /// reset is on its way, and may arrive in the system call that writes the message.
    pub(super) fn reset_during_replay(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        let (subject, node) =
            (choices.below(self.setup.subjects.len()), choices.below(self.nodes.nodes.len()));
        let rule = self.setup.subjects[subject].rule;
        if rule.subscribe != Access::Anyone || rule.history.bytes < 2 * LONGEST {
            return Ok(());
        }
        self.publish(subject, LONGEST, true, false)?;
        self.settle()?;
        // The client misses only this message, so that it is the end of the replay.
        let last = self.model.current(subject).map(|log| (log.offset().saturating_sub(1), log.epoch));
        let since = last.map_or(ELSEWHERE, |(offset, epoch)| Position { offset, epoch });
        let Some(number) = self.admit(node, true, &[], "/") else { return Ok(()) };
        self.narrow(number, usize::MAX);
        self.send_subscribe(number, subject, Some(since));
        self.send(number, usize::MAX);
        let disconnect = Disconnect::Reset { overtakes: false };
        self.clients[number].disconnect(disconnect, &mut self.nodes.nodes[node].world.borrow_mut());
        self.note(format_args!("client {number} disconnects: {disconnect:?}"));
        self.remove_disconnected();
        Ok(())
    }
}
