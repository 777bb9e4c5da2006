//! A topic on a worker that has subscribers of it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::Sizes;
use super::dialect::Dialect;
use super::indices::{MemberIndex, TopicIndex};
use super::mail::Joined;
use super::members::{Member, Members};
use super::message::Item;
use super::name::Name;
use super::position::{Epoch, Position};
use super::round::{Round, batch};
use super::rules::TopicRule;

/// A topic with subscribers here, or clients that want to be: 48 bytes. Its name is shared with its home. Most topics have one
/// subscriber and nothing under way.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Name,
    /// Of the latest message whose round has begun: subscribers get what comes behind it.
    pub(crate) offset: u64,
    /// The part of the epoch that is this topic's.
    serial: u32,
    /// The only member, where there is no crowd; it has place 0.
    only: Member,
    /// Clients that the home has been asked for and that are not members yet.
    pub(crate) asked: u32,
    /// The home has answered: its messages are to be passed on.
    pub(crate) is_joined: bool,
    /// The home does not know how many members there are now.
    pub(crate) is_changed: bool,
    /// It stands in the list of those with something to do.
    pub(crate) is_active: bool,
    pub(crate) crowd: Option<Box<Crowd>>,
}

/// What a topic with several subscribers has.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub(crate) members: Members,
    /// How many of them speak what, by the dialect's number.
    pub(crate) speakers: [u32; Dialect::COUNT],
    /// What came from the home, in order, and has not been begun with.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Messages on their way to the members.
    pub(crate) round: Option<Round>,
}

/// What waits for its turn in a topic.
#[derive(Debug)]
pub(crate) enum Waiting {
    Item(Arc<Item>),
    Joined(Box<Joined>),
}

const _: () = assert!(size_of::<Topic>() == 48);

/// Places for messages that a topic keeps where none waits: 1 KiB.
const MOST_SPARE: usize = 64;

impl Topic {
    /// A topic that nobody subscribes to and whose home has not been asked.
    pub(crate) const fn new(name: Name) -> Self {
        Self {
            name,
            offset: 0,
            serial: 0,
            only: Member::NOBODY,
            asked: 0,
            is_joined: false,
            is_changed: false,
            is_active: false,
            crowd: None,
        }
    }

    /// Members.
    pub(crate) fn len(&self) -> usize {
        match &self.crowd {
            Some(crowd) => crowd.members.len(),
            None => usize::from(!self.only.is_nobody()),
        }
    }

    /// The only member, where there is no crowd.
    pub(crate) fn only(&self) -> Option<Member> {
        Some(self.only).filter(|only| !only.is_nobody())
    }

    /// The position behind which members get messages.
    pub(crate) const fn position(&self, run: u32) -> Position {
        Position { offset: self.offset, epoch: Epoch { run, serial: self.serial } }
    }

    /// The home has answered for the first time: its messages are passed on from here.
    pub(crate) const fn join(&mut self, latest: Position) {
        if !self.is_joined {
            self.is_joined = true;
            self.offset = latest.offset;
            self.serial = latest.epoch.serial;
        }
    }

    /// Makes room for what only topics with much to do need.
    pub(crate) fn crowd(&mut self) -> &mut Crowd {
        let only = &mut self.only;
        self.crowd.get_or_insert_with(|| {
            let mut crowd = Box::<Crowd>::default();
            let only = std::mem::replace(only, Member::NOBODY);
            if !only.is_nobody() {
                crowd.add(only);
            }
            crowd
        })
    }

    /// Adds a member, and returns its place.
    pub(crate) fn add(&mut self, member: Member) -> MemberIndex {
        if self.crowd.is_none() && self.only.is_nobody() {
            self.only = member;
            return MemberIndex::new(0);
        }
        self.crowd().add(member)
    }

    /// Takes a place from its member.
    pub(crate) fn remove(&mut self, place: MemberIndex) {
        match &mut self.crowd {
            Some(crowd) => {
                if let Some(member) = crowd.members.get(place) {
                    crowd.speakers[usize::from(member.dialect().number())] -= 1;
                }
                crowd.members.remove(place);
            }
            None => self.only = Member::NOBODY,
        }
    }

    /// Whether it has memory to give back: more than `least` empty places, or a crowd for one.
    pub(crate) fn has_spare(&self, least: usize) -> bool {
        let crowd = self.crowd.as_ref();
        crowd.is_some_and(|crowd| crowd.members.is_sparse(least) || crowd.members.len() <= 1)
    }

    /// Gives up the crowd where there is one member at most, and nothing to do. Returns the member that has got place 0.
    pub(crate) fn relax(&mut self) -> Option<Member> {
        let crowd = self.crowd.as_ref()?;
        if crowd.members.len() > 1 || !crowd.waiting.is_empty() || crowd.round.is_some() {
            return None;
        }
        let only = (0..crowd.members.end()).find_map(|place| crowd.members.get(MemberIndex::new(place)));
        self.crowd = None;
        self.only = only.unwrap_or(Member::NOBODY);
        only
    }
}

impl Crowd {
    /// Begins a round with what waits, up to whatever is no message. Returns the last message's offset.
    pub(crate) fn begin_round(&mut self, topic: TopicIndex, rule: &TopicRule, sizes: &Sizes) -> Option<u64> {
        let mut batches = Dialect::ALL.map(|_| batch(topic, rule));
        let (mut messages, mut bytes, mut last) = (0, 0, None);
        for waiting in &self.waiting {
            let Waiting::Item(item) = waiting else { break };
            if messages == sizes.round_messages || bytes >= sizes.round_bytes {
                break;
            }
            // An encoding is made only where somebody gets it.
            for ((dialect, batch), &speakers) in
                Dialect::ALL.into_iter().zip(&mut batches).zip(&self.speakers)
            {
                if speakers > 0 {
                    batch.add(item.encoded(dialect).clone());
                }
            }
            (messages, bytes, last) = (messages + 1, bytes + item.bytes(), Some(item.offset));
        }
        if messages > 0 {
            self.round = Some(Round { messages, batches, place: 0, end: self.members.end() });
        }
        last
    }

    /// Ends a round of so many messages.
    pub(crate) fn end_round(&mut self, messages: usize) {
        self.waiting.drain(..messages.min(self.waiting.len()));
    }

    /// Gives memory back that a burst of messages took to wait in.
    pub(crate) fn give_back(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > MOST_SPARE {
            self.waiting = VecDeque::new();
        }
    }

    fn add(&mut self, member: Member) -> MemberIndex {
        self.speakers[usize::from(member.dialect().number())] += 1;
        self.members.add(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::PreparedMessage;
    use crate::ws::Message;

    /// Of 50,000 topics that have had 512 messages at once, it was 400 MB.
    #[test]
    fn what_a_burst_took_to_wait_in_goes_back() {
        let message = PreparedMessage::new(Message::Text("x"));
        let item = Arc::new(Item::new("t".into(), 0, 1, message, None));
        let mut crowd = Crowd::default();
        for (burst, stays) in [(MOST_SPARE, true), (512, false)] {
            (0..burst).for_each(|_| crowd.waiting.push_back(Waiting::Item(Arc::clone(&item))));
            crowd.give_back();
            assert_eq!(crowd.waiting.len(), burst, "what waits stays");
            crowd.end_round(burst);
            crowd.give_back();
            assert_eq!(crowd.waiting.capacity() > 0, stays, "{burst}");
        }
    }
}
