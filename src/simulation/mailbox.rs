//! Messages that other threads send through the mailbox, and the model's expectations of them.

use std::time::Duration;

use super::model::{Mail, Model};
use crate::budget::MAILBOX;
use crate::worker::{ConnId, Handle, MIN_CHUNK, REFERENCE_OVERHEAD, SendError};
use crate::ws::{CloseCode, Message, encode};

impl Model {
    /// Posts a message of another thread or the application to one client, to all, or to an `id` that no client has.
    pub(crate) fn post_to(
        &mut self,
        handle: &Handle,
        to: Option<usize>,
        id: ConnId,
        len: usize,
        now: Duration,
    ) {
        let number = self.mails.len();
        let payload = format!("mail {number} {}", "m".repeat(len));
        let result = handle.send(id, Message::Text(&payload));
        self.note(format_args!("mail {number}: {len} bytes to {id}: {result:?}"));
        // No client has the number `usize::MAX`.
        self.posted(Mail { to: Some(to.unwrap_or(usize::MAX)), payload }, result, now);
    }

    pub(crate) fn post_to_all(&mut self, handle: &Handle, len: usize, now: Duration) {
        let number = self.mails.len();
        let payload = format!("mail {number} {}", "b".repeat(len));
        let result = handle.broadcast(Message::Text(&payload));
        self.note(format_args!("mail {number}: {len} bytes to all: {result:?}"));
        self.posted(Mail { to: None, payload }, result, now);
    }

    pub(crate) fn post_close(&mut self, handle: &Handle, to: Option<usize>, id: ConnId, now: Duration) {
        let number = self.mails.len();
        let code = CloseCode::new(3_000 + u16::try_from(number % 2_000).unwrap_or(0));
        let result = handle.close(id, code.unwrap_or(CloseCode::NORMAL), &format!("mail {number}"));
        self.note(format_args!("mail {number}: close {id}: {result:?}"));
        self.posted(Mail { to: Some(to.unwrap_or(usize::MAX)), payload: String::new() }, result, now);
    }

    fn posted(&mut self, mail: Mail, result: Result<(), SendError>, now: Duration) {
        let number = self.mails.len();
        let frame = encode::frame_len(mail.payload.len());
        // Broadcasts, long messages, and messages for which there is no buffer wait as references, which count as well.
        let is_reference = mail.to.is_none() || frame >= MIN_CHUNK || self.setup.is_tight;
        let queued = if is_reference { frame + REFERENCE_OVERHEAD } else { frame };
        match result {
            Ok(()) => {
                self.mailbox_len += 1;
                self.mailbox_broadcast_bytes += if mail.to.is_none() { queued } else { 0 };
                for client in &mut self.clients {
                    if mail.to.is_some_and(|to| to != client.number) {
                        continue;
                    }
                    client.most_queued += queued;
                    // Only clients that are open now must receive the mail; those that open later need not.
                    if client.is_open() && !mail.payload.is_empty() {
                        client.due.push_back(number);
                    }
                }
            }
            Err(SendError::MailboxFull) => {
                let mailbox_len = self.mailbox_len;
                self.expect(mailbox_len >= MAILBOX, || {
                    format!("the mailbox is full with {mailbox_len} entries")
                });
            }
            Err(SendError::Gone) => {
                let known = mail.to.is_none_or(|to| to != usize::MAX);
                let ended = self.is_stopped || self.draining.is_some();
                self.expect(!known || ended, || format!("mail {number} finds nobody"));
            }
            Err(SendError::TooLong) => {
                let outbox = self.setup.limits.outbox;
                self.expect(frame > outbox, || format!("{frame} bytes are too long for {outbox}"));
            }
            Err(error) => self.fail(format!("mail {number} was refused: {error}")),
        }
        self.now = now;
        self.mails.push(mail);
    }
}
