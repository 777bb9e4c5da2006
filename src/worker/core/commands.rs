//! Commands of other threads, from the mailbox: messages, broadcasts and closes.

use super::schedule::ActiveBroadcast;
use super::worker::Worker;
use crate::budget::MAILS_PER_ITERATION;
use crate::worker::app::handler::Handler;
use crate::worker::app::mailbox::Mail;
use crate::worker::app::slices::SliceCursor;
use crate::worker::os::Os;

impl<O: Os, H: Handler> Worker<O, H> {
    /// Handles mail in order, within its share of the iteration's work.
    pub(in crate::worker) fn handle_mail(&mut self) {
        self.sessions.visits.meter.begin_mail();
        self.schedule.is_unfinished |= self.sessions.handle_decisions();
        self.sessions.visits.meter.begin_mail();
        self.handle_entries();
        self.sessions.visits.meter.begin_iteration();
    }

    /// Handles entries of the mailbox in order. If a broadcast is under way, writes its next slice instead: the worker serves its sockets
    /// between two slices, and later mail waits.
    fn handle_entries(&mut self) {
        for _ in 0..MAILS_PER_ITERATION {
            if self.schedule.broadcast.is_some() {
                return self.continue_broadcast();
            }
            if self.sessions.visits.meter.is_visit_spent() {
                break;
            }
            match self.inbox.take() {
                None => return,
                Some(Mail::Send { to, frame }) => self.sessions.deliver(to, &frame),
                Some(Mail::Close { id, code, reason }) => self.sessions.close_if_open(id, code, &reason),
                Some(Mail::Broadcast(message)) => {
                    self.schedule.broadcast =
                        Some(ActiveBroadcast { message, cursor: SliceCursor::default() })
                }
            }
        }
        self.schedule.is_unfinished = true;
    }

    fn continue_broadcast(&mut self) {
        let Some(mut broadcast) = self.schedule.broadcast.take() else { return };
        self.sessions.broadcast(&broadcast.message, &mut broadcast.cursor);
        if broadcast.cursor.rest().start < self.sessions.streams.table.end() {
            self.schedule.broadcast = Some(broadcast);
        }
        self.schedule.is_unfinished = true;
    }
}
