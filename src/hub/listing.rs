//! Topics listed by the beginning of their names, a part of them at a time.

use std::collections::BTreeSet;

use super::home::Home;
use super::name::Name;
use super::outcome::PublishError;
use super::publisher::{Answer, Reply};

/// Topics looked at in a turn.
const LOOKS_PER_TURN: usize = 4096;

/// A list in the making.
#[derive(Debug)]
pub(crate) struct Listing {
    prefix: Box<str>,
    limit: usize,
    /// There until it is answered.
    reply: Option<Reply>,
    /// Places below have been looked at.
    next: usize,
    /// The first names so far.
    found: BTreeSet<Name>,
}

impl Listing {
    pub(crate) const fn new(prefix: Box<str>, limit: usize, reply: Reply) -> Self {
        Self { prefix, limit, reply: Some(reply), next: 0, found: BTreeSet::new() }
    }

    fn answer(&mut self, answer: Answer) {
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

impl Home {
    /// Goes on with the lists that were asked for; `true` where there is more to do.
    pub(crate) fn go_on_listing(&mut self) -> bool {
        let Some(mut listing) = self.listings.pop_front() else { return false };
        let end = self.end().min(listing.next + LOOKS_PER_TURN);
        for at in listing.next..end {
            if let Some(topic) = self.get(at)
                && topic.name.starts_with(&*listing.prefix)
            {
                listing.found.insert(Name::clone(&topic.name));
                if listing.found.len() > listing.limit {
                    listing.found.pop_last();
                }
            }
        }
        listing.next = end;
        if end < self.end() {
            self.listings.push_back(listing);
            return true;
        }
        let topics = listing.found.iter().filter_map(|name| self.look_up(name)).collect();
        listing.answer(Answer::Topics(topics));
        !self.listings.is_empty()
    }
}
