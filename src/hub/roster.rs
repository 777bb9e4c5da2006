//! The subscribers of one worker, by topic and by connection.

use std::collections::VecDeque;
use std::sync::Arc;

use super::index::Index;
use super::mail::Joined;
use super::members::{Member, Members};
use super::message::{Epoch, Item, Position};
use super::name::Name;
use super::round::Round;
use super::seat::{MAX_TICKET, Place, Seat, Sub, Subs};
use crate::worker::Table;

const TOPICS_PER_PAGE: usize = 256;
const SETS_PER_PAGE: usize = 64;

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
    asked: u32,
    /// The home has answered: its messages are to be passed on.
    pub(crate) is_joined: bool,
    /// The home does not know how many members there are now.
    is_changed: bool,
    /// It stands in the list of those with something to do.
    pub(crate) is_active: bool,
    pub(crate) crowd: Option<Box<Crowd>>,
}

/// What a topic with several subscribers has.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub(crate) members: Members,
    /// Those of them that speak `throng.v1`.
    pub(crate) v1: usize,
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

/// Who subscribes to what, on one worker.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    topics: Table<Topic, TOPICS_PER_PAGE>,
    index: Index,
    /// Subscriptions of connections that have several.
    sets: Table<Vec<Sub>, SETS_PER_PAGE>,
    /// Topics whose number of members has changed.
    changed: Vec<u32>,
    subscriptions: u64,
    next_ticket: u32,
}

/// How a subscription begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// At once, behind this position.
    At(Position),
    /// When the home has answered the request with this number.
    Asked(u32),
}

impl Roster {
    pub(crate) const fn subscriptions(&self) -> u64 {
        self.subscriptions
    }

    pub(crate) fn topics(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn find(&self, name: &str, hash: u64) -> Option<u32> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &Topic| *topic.name == *name);
        self.index.find(hash, is_it)
    }

    pub(crate) fn get(&self, topic: u32) -> Option<&Topic> {
        self.topics.get(topic as usize)
    }

    pub(crate) fn get_mut(&mut self, topic: u32) -> Option<&mut Topic> {
        self.topics.get_mut(topic as usize)
    }

    /// The subscription of a connection to a topic.
    pub(crate) fn sub(&self, seat: Seat, topic: u32) -> Option<Sub> {
        self.subs(seat).find(|sub| sub.topic == topic)
    }

    /// All subscriptions of a connection.
    pub(crate) fn subs(&self, seat: Seat) -> impl Iterator<Item = Sub> {
        let (one, set) = match seat.subs() {
            Subs::None => (None, None),
            Subs::One(sub) => (Some(sub), None),
            Subs::Many(set) => (None, self.sets.get(set as usize)),
        };
        one.into_iter().chain(set.into_iter().flatten().copied())
    }

    /// Begins a subscription of the connection at `index`, which has none to this topic. It can begin at once where the topic's messages
    /// come here already and nothing that has passed is asked for.
    pub(crate) fn begin(
        &mut self,
        name: Name,
        hash: u64,
        index: u32,
        seat: &mut Seat,
        from_home: bool,
        run: u32,
    ) -> (Begun, Name) {
        let at = self.find(&name, hash).unwrap_or_else(|| self.make(name, hash));
        let topic = self.topic_mut(at);
        let name = Name::clone(&topic.name);
        if topic.is_joined && !from_home {
            let position = topic.position(run);
            self.add_member(at, index, seat);
            return (Begun::At(position), name);
        }
        topic.asked += 1;
        let ticket = self.next_ticket;
        self.next_ticket = if ticket == MAX_TICKET { 0 } else { ticket + 1 };
        self.add_sub(seat, Sub { topic: at, place: Place::Asked(ticket) });
        (Begun::Asked(ticket), name)
    }

    /// Makes the connection at `index` a member of a topic.
    fn add_member(&mut self, at: u32, index: u32, seat: &mut Seat) {
        let place = self.topic_mut(at).add(Member::new(index, seat.is_v1()));
        self.note_change(at);
        self.subscriptions += 1;
        self.add_sub(seat, Sub { topic: at, place: Place::At(place) });
    }

    /// Makes a connection a member that has been asked for under `ticket`. `false` where it has left meanwhile.
    pub(crate) fn admit(&mut self, at: u32, index: u32, seat: &mut Seat, ticket: u32) -> bool {
        let is_awaited = self.is_awaited(*seat, at, ticket);
        if is_awaited {
            self.remove_sub(seat, at);
            self.add_member(at, index, seat);
        }
        is_awaited
    }

    /// Whether a connection still waits for what the home was asked under `ticket`.
    pub(crate) fn is_awaited(&self, seat: Seat, topic: u32, ticket: u32) -> bool {
        self.sub(seat, topic).is_some_and(|sub| sub.place == Place::Asked(ticket))
    }

    /// The home has answered, or nobody waits for that any more. Follow it with [`tidy`](Self::tidy).
    pub(crate) fn settle(&mut self, at: u32) {
        let topic = self.topic_mut(at);
        debug_assert!(topic.asked > 0, "an answer without a question");
        topic.asked = topic.asked.saturating_sub(1);
    }

    /// Ends a subscription. Follow it with [`tidy`](Self::tidy).
    pub(crate) fn leave(&mut self, seat: &mut Seat, sub: Sub) {
        self.remove_sub(seat, sub.topic);
        if let Place::At(place) = sub.place {
            self.topic_mut(sub.topic).remove(place);
            self.subscriptions -= 1;
            self.note_change(sub.topic);
        }
    }

    /// Removes a topic that nobody here wants any more, and returns its name: its home has to be told.
    pub(crate) fn tidy(&mut self, at: u32, hash: impl FnOnce(&str) -> u64) -> Option<(Name, u64, usize)> {
        let topic = self.topics.get(at as usize)?;
        if topic.asked > 0 || topic.len() > 0 {
            return None;
        }
        let topic = self.topics.remove(at as usize)?;
        let hash = hash(&topic.name);
        self.index.remove(hash, at);
        let waiting = topic.crowd.map_or(0, |crowd| crowd.waiting.len());
        Some((topic.name, hash, waiting))
    }

    /// Takes the topics whose number of members has changed out, one by one, with that number.
    pub(crate) fn take_change(&mut self) -> Option<(Name, u32)> {
        while let Some(at) = self.changed.pop() {
            // The number may have come to mean another topic, which then is told of once more.
            if let Some(topic) = self.topics.get_mut(at as usize)
                && std::mem::replace(&mut topic.is_changed, false)
            {
                let count = u32::try_from(topic.len()).unwrap_or(u32::MAX);
                return Some((Name::clone(&topic.name), count));
            }
        }
        if self.changed.capacity() > 1024 {
            self.changed = Vec::new();
        }
        None
    }

    /// Gives a member another place in its topic.
    pub(crate) fn move_member(&mut self, seat: &mut Seat, topic: u32, place: u32) {
        let moved = Sub { topic, place: Place::At(place) };
        match seat.subs() {
            Subs::One(sub) if sub.topic == topic => seat.set(Subs::One(moved)),
            Subs::Many(set) => {
                let set = self.sets.get_mut(set as usize).into_iter().flatten();
                set.filter(|sub| sub.topic == topic).for_each(|sub| *sub = moved);
            }
            Subs::One(_) | Subs::None => debug_assert!(false, "a member has no subscription"),
        }
    }

    fn topic_mut(&mut self, at: u32) -> &mut Topic {
        self.topics.get_mut(at as usize).expect("a topic that has subscribers, or is asked for, is there")
    }

    fn make(&mut self, name: Name, hash: u64) -> u32 {
        let topic = Topic {
            name,
            offset: 0,
            serial: 0,
            only: Member::NOBODY,
            asked: 0,
            is_joined: false,
            is_changed: false,
            is_active: false,
            crowd: None,
        };
        // A worker has no more topics than its connections have subscriptions, which memory bounds below 2^28.
        let at = u32::try_from(self.topics.insert(topic)).unwrap_or(u32::MAX);
        self.index.insert(hash, at);
        at
    }

    fn note_change(&mut self, at: u32) {
        if !std::mem::replace(&mut self.topic_mut(at).is_changed, true) {
            self.changed.push(at);
        }
    }

    fn add_sub(&mut self, seat: &mut Seat, sub: Sub) {
        match seat.subs() {
            Subs::None => seat.set(Subs::One(sub)),
            Subs::One(first) => {
                let set = self.sets.insert(vec![first, sub]);
                seat.set(Subs::Many(u32::try_from(set).unwrap_or(u32::MAX)));
            }
            Subs::Many(set) => self.sets.get_mut(set as usize).into_iter().for_each(|set| set.push(sub)),
        }
    }

    fn remove_sub(&mut self, seat: &mut Seat, topic: u32) {
        match seat.subs() {
            Subs::None => {}
            Subs::One(sub) => {
                debug_assert_eq!(sub.topic, topic);
                seat.set(Subs::None);
            }
            Subs::Many(number) => {
                let Some(set) = self.sets.get_mut(number as usize) else { return };
                set.retain(|sub| sub.topic != topic);
                if let [only] = set[..] {
                    self.sets.remove(number as usize);
                    seat.set(Subs::One(only));
                }
            }
        }
    }
}

impl Topic {
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

    fn add(&mut self, member: Member) -> u32 {
        if self.crowd.is_none() && self.only.is_nobody() {
            self.only = member;
            return 0;
        }
        self.crowd().add(member)
    }

    fn remove(&mut self, place: u32) {
        match &mut self.crowd {
            Some(crowd) => {
                crowd.v1 -= usize::from(crowd.members.get(place).is_some_and(Member::is_v1));
                crowd.members.remove(place);
            }
            None => self.only = Member::NOBODY,
        }
    }

    /// Whether it has memory to give back: many empty places, or a crowd for one.
    pub(crate) fn has_spare(&self) -> bool {
        let crowd = self.crowd.as_ref();
        crowd.is_some_and(|crowd| crowd.members.is_sparse() || crowd.members.len() <= 1)
    }

    /// Gives up the crowd where there is one member at most, and nothing to do. Returns the member that has got place 0.
    pub(crate) fn relax(&mut self) -> Option<Member> {
        let crowd = self.crowd.as_ref()?;
        if crowd.members.len() > 1 || !crowd.waiting.is_empty() || crowd.round.is_some() {
            return None;
        }
        let only = (0..crowd.members.end()).find_map(|place| crowd.members.get(place));
        self.crowd = None;
        self.only = only.unwrap_or(Member::NOBODY);
        only
    }
}

impl Crowd {
    fn add(&mut self, member: Member) -> u32 {
        self.v1 += usize::from(member.is_v1());
        self.members.add(member)
    }
}
