//! Topics listed by the beginning of their names, a part of them at a time.

use std::collections::BTreeSet;

use super::name::Name;
use super::outcome::PublishError;
use super::questions::{Answer, Reply};

/// A list in the making.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(super) prefix: Box<str>,
    pub(super) limit: usize,
    /// There until it is answered.
    reply: Option<Reply>,
    /// Places below have been looked at.
    pub(super) next: usize,
    /// The first names so far.
    pub(super) found: BTreeSet<Name>,
}

impl Listing {
    pub(crate) const fn new(prefix: Box<str>, limit: usize, reply: Reply) -> Self {
        Self { prefix, limit, reply: Some(reply), next: 0, found: BTreeSet::new() }
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        if let Some(reply) = self.reply.take() {
            reply.give(answer);
        }
    }
}

impl Drop for Listing {
    /// The worker ends before it is done.
    fn drop(&mut self) {
        self.answer(Answer::Refused(PublishError::NotRunning));
    }
}
