//! Lists of the topics that a worker owns, made a part at a time.

use super::owner::Owner;
use crate::hub::name::TopicName;

/// Most places of topics that a turn checks.
const CHECKS_PER_TURN: usize = 4096;

impl Owner {
    /// Continues the first requested list, and answers when it is complete. Returns `true` where there is more to do.
    pub(crate) fn continue_listing(&mut self) -> bool {
        let Some(mut listing) = self.listings.pop_front() else { return false };
        let end = self.end().min(listing.next + CHECKS_PER_TURN);
        for at in listing.next..end {
            if let Some(topic) = self.get(at)
                && topic.name.starts_with(&*listing.prefix)
            {
                listing.found.insert(TopicName::clone(&topic.name));
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
        listing.reply.send(topics);
        !self.listings.is_empty()
    }
}
