//! What other threads want of a worker: messages, broadcasts and closes from the mailbox.

use super::core::Worker;
use super::handler::Handler;
use super::mailbox::Mail;
use super::os::Os;
use super::prepared::PreparedMessage;
use crate::budget::MAILS_PER_ITERATION;

/// A message on its way to every connection of the worker.
#[derive(Debug)]
pub(super) struct Broadcast {
    message: PreparedMessage,
    /// Connections below this index have it.
    cursor: u32,
}

impl<O: Os, H: Handler> Worker<O, H> {
    /// Handles mail in order, for as long as it may take. Sockets have all of their time after it.
    pub(super) fn handle_mail(&mut self) {
        self.sessions.visits.meter.begin_mail();
        self.handle_entries();
        self.sessions.visits.meter.begin_iteration();
    }

    /// A broadcast to many goes out a slice at a time, between which sockets have their turn; what came after it waits.
    fn handle_entries(&mut self) {
        for _ in 0..MAILS_PER_ITERATION {
            if self.broadcast.is_some() {
                return self.go_on_broadcasting();
            }
            if self.sessions.visits.meter.is_spent() {
                break;
            }
            match self.inbox.take() {
                None => return,
                Some(Mail::Send { to, frame }) => self.sessions.deliver(to, &frame),
                Some(Mail::Close { id, code, reason }) => self.sessions.close_by_mail(id, code, &reason),
                Some(Mail::Broadcast(message)) => self.broadcast = Some(Broadcast { message, cursor: 0 }),
            }
        }
        self.schedule.is_unfinished = true;
    }

    fn go_on_broadcasting(&mut self) {
        let Some(Broadcast { message, cursor }) = self.broadcast.take() else { return };
        let cursor = self.sessions.broadcast(&message, cursor);
        if cursor < self.sessions.streams.table.end() {
            self.broadcast = Some(Broadcast { message, cursor });
        }
        self.schedule.is_unfinished = true;
    }
}
