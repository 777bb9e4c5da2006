//! The subscribers of one worker, by topic and by connection.

use super::index::Index;
use super::indices::{JoinId, MemberIndex, TopicIndex};
use super::members::Member;
use super::name::Name;
use super::position::Position;
use super::seat::{MAX_JOIN, Place, Seat, Sub, Subs};
use super::set::Set;
use super::topic::Topic;
use crate::base::bug;
use crate::base::pages::PagedSlab;

const TOPICS_PER_PAGE: usize = 256;
const SETS_PER_PAGE: usize = 64;

/// Who subscribes to what, on one worker.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    topics: PagedSlab<Topic, TOPICS_PER_PAGE>,
    index: Index,
    /// Subscriptions of connections that have several.
    sets: PagedSlab<Set, SETS_PER_PAGE>,
    /// Topics whose number of members has changed.
    changed: Vec<TopicIndex>,
    subscriptions: u64,
    next_join: u32,
}

/// How a subscription begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// At once, behind this position.
    At(Position),
    /// When the home has answered the request with this number.
    Asked(JoinId),
}

impl Roster {
    pub(crate) const fn subscriptions(&self) -> u64 {
        self.subscriptions
    }

    pub(crate) fn topics(&self) -> usize {
        self.index.len()
    }

    /// What topics with several subscribers have.
    #[cfg(feature = "simulation")]
    pub(crate) fn crowds(&self) -> impl Iterator<Item = &super::topic::Crowd> {
        (0..self.topics.end()).filter_map(|at| self.topics.get(at)?.crowd.as_deref())
    }

    /// Connections with several subscriptions.
    #[cfg(feature = "simulation")]
    pub(crate) const fn sets(&self) -> usize {
        self.sets.len()
    }

    pub(crate) fn find(&self, name: &str, hash: u64) -> Option<TopicIndex> {
        let is_it = |at| self.topics.get(at as usize).is_some_and(|topic: &Topic| *topic.name == *name);
        self.index.find(hash, is_it).map(TopicIndex::new)
    }

    pub(crate) fn get(&self, topic: TopicIndex) -> Option<&Topic> {
        self.topics.get(topic.entry())
    }

    pub(crate) fn get_mut(&mut self, topic: TopicIndex) -> Option<&mut Topic> {
        self.topics.get_mut(topic.entry())
    }

    /// The subscription of a connection to a topic.
    pub(crate) fn sub(&self, seat: Seat, topic: TopicIndex) -> Option<Sub> {
        match seat.subs() {
            Subs::None => None,
            Subs::One(sub) => Some(sub).filter(|sub| sub.topic == topic),
            Subs::Many(set) => self.sets.get(set as usize)?.get(topic),
        }
    }

    /// How many subscriptions a connection has.
    pub(crate) fn count(&self, seat: Seat) -> usize {
        match seat.subs() {
            Subs::None => 0,
            Subs::One(_) => 1,
            Subs::Many(set) => self.sets.get(set as usize).map_or(0, Set::len),
        }
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
        let join = JoinId::new(self.next_join);
        self.next_join = if self.next_join == MAX_JOIN { 0 } else { self.next_join + 1 };
        self.add_sub(seat, Sub { topic: at, place: Place::Asked(join) });
        (Begun::Asked(join), name)
    }

    /// Makes the connection at `index` a member of a topic.
    fn add_member(&mut self, at: TopicIndex, index: u32, seat: &mut Seat) {
        let place = self.topic_mut(at).add(Member::new(index, seat.dialect()));
        self.note_change(at);
        self.subscriptions += 1;
        self.add_sub(seat, Sub { topic: at, place: Place::At(place) });
    }

    /// Makes a connection a member that has been asked for under `join`. `false` where it has left meanwhile.
    pub(crate) fn admit(&mut self, at: TopicIndex, index: u32, seat: &mut Seat, join: JoinId) -> bool {
        let is_awaited = self.is_awaited(*seat, at, join);
        if is_awaited {
            self.remove_sub(seat, at);
            self.add_member(at, index, seat);
        }
        is_awaited
    }

    /// Whether a connection still waits for what the home was asked under `join`.
    pub(crate) fn is_awaited(&self, seat: Seat, topic: TopicIndex, join: JoinId) -> bool {
        self.sub(seat, topic).is_some_and(|sub| sub.place == Place::Asked(join))
    }

    /// The home has answered, or nobody waits for that any more. Follow it with [`tidy`](Self::tidy).
    pub(crate) fn settle(&mut self, at: TopicIndex) {
        let topic = self.topic_mut(at);
        match topic.asked.checked_sub(1) {
            Some(asked) => topic.asked = asked,
            None => bug::survived("an answer without a question"),
        }
    }

    /// Ends a subscription. Follow it with [`tidy`](Self::tidy).
    pub(crate) fn leave(&mut self, seat: &mut Seat, sub: Sub) {
        self.remove_sub(seat, sub.topic);
        self.vacate(sub);
    }

    /// Ends all subscriptions of a connection that has gone. `note` is told each topic; follow it with [`tidy`](Self::tidy).
    pub(crate) fn take_subs(&mut self, seat: Seat, mut note: impl FnMut(TopicIndex)) {
        let mut end = |roster: &mut Self, sub: Sub| {
            roster.vacate(sub);
            note(sub.topic);
        };
        match seat.subs() {
            Subs::None => {}
            Subs::One(sub) => end(self, sub),
            Subs::Many(set) => {
                let set = self.sets.remove(set as usize);
                set.iter().flat_map(Set::iter).for_each(|sub| end(self, sub));
            }
        }
    }

    /// Gives up a subscriber's place.
    fn vacate(&mut self, sub: Sub) {
        if let Place::At(place) = sub.place {
            self.topic_mut(sub.topic).remove(place);
            self.subscriptions -= 1;
            self.note_change(sub.topic);
        }
    }

    /// Removes a topic that nobody here wants any more, and returns its name: its home has to be told.
    pub(crate) fn tidy(
        &mut self,
        at: TopicIndex,
        hash: impl FnOnce(&str) -> u64,
    ) -> Option<(Name, u64, usize)> {
        let topic = self.topics.get(at.entry())?;
        if topic.asked > 0 || topic.len() > 0 {
            return None;
        }
        let topic = self.topics.remove(at.entry())?;
        let hash = hash(&topic.name);
        self.index.remove(hash, at.get());
        let waiting = topic.crowd.map_or(0, |crowd| crowd.waiting.len());
        Some((topic.name, hash, waiting))
    }

    /// Takes the topics whose number of members has changed out, one by one, with that number.
    pub(crate) fn take_change(&mut self) -> Option<(Name, u32)> {
        while let Some(at) = self.changed.pop() {
            // The number may have come to mean another topic, which then is told of once more.
            if let Some(topic) = self.topics.get_mut(at.entry())
                && std::mem::replace(&mut topic.is_changed, false)
                // Otherwise it is about to go, of which its home is told.
                && (topic.len() > 0 || topic.asked > 0)
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
    pub(crate) fn move_member(&mut self, seat: &mut Seat, topic: TopicIndex, place: MemberIndex) {
        let moved = Sub { topic, place: Place::At(place) };
        match seat.subs() {
            Subs::One(sub) if sub.topic == topic => seat.set(Subs::One(moved)),
            Subs::Many(set) => self.sets.get_mut(set as usize).into_iter().for_each(|set| set.put(moved)),
            Subs::One(_) | Subs::None => bug::survived("a member has no subscription"),
        }
    }

    fn topic_mut(&mut self, at: TopicIndex) -> &mut Topic {
        self.topics.get_mut(at.entry()).expect("a topic that has subscribers, or is asked for, is there")
    }

    fn make(&mut self, name: Name, hash: u64) -> TopicIndex {
        // A worker has no more topics than its connections have subscriptions, which memory bounds below 2^28.
        let at = TopicIndex::of(self.topics.insert(Topic::new(name)));
        self.index.insert(hash, at.get());
        at
    }

    fn note_change(&mut self, at: TopicIndex) {
        if !std::mem::replace(&mut self.topic_mut(at).is_changed, true) {
            self.changed.push(at);
        }
    }

    fn add_sub(&mut self, seat: &mut Seat, sub: Sub) {
        match seat.subs() {
            Subs::None => seat.set(Subs::One(sub)),
            Subs::One(first) => {
                let set = self.sets.insert(Set::new(first, sub));
                seat.set(Subs::Many(u32::try_from(set).unwrap_or(u32::MAX)));
            }
            Subs::Many(set) => self.sets.get_mut(set as usize).into_iter().for_each(|set| set.put(sub)),
        }
    }

    fn remove_sub(&mut self, seat: &mut Seat, topic: TopicIndex) {
        match seat.subs() {
            Subs::None => {}
            Subs::One(sub) => {
                debug_assert_eq!(sub.topic, topic);
                seat.set(Subs::None);
            }
            Subs::Many(number) => {
                let Some(set) = self.sets.get_mut(number as usize) else { return };
                set.remove(topic);
                if let Some(only) = set.only() {
                    self.sets.remove(number as usize);
                    seat.set(Subs::One(only));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::hub::dialect::Dialect;

    #[test]
    fn what_a_client_with_many_subscriptions_asks_for_costs_no_more_for_their_number() {
        const TOPICS: u32 = 100_000;
        let (mut roster, mut seat) = (Roster::default(), Seat::new(Dialect::ThrongV1));
        let (started, [index, run]) = (Instant::now(), [7, 1]);
        for number in 0..TOPICS {
            let (begun, _) =
                roster.begin(number.to_string().into(), number.into(), index, &mut seat, true, run);
            let Begun::Asked(join) = begun else { panic!("{begun:?}") };
            assert!(roster.admit(TopicIndex::new(number), index, &mut seat, join));
            roster.settle(TopicIndex::new(number));
        }
        assert_eq!((roster.count(seat), roster.subscriptions()), (TOPICS as usize, TOPICS.into()));
        for topic in (0..TOPICS).step_by(2).map(TopicIndex::new) {
            let sub = roster.sub(seat, topic).unwrap();
            roster.leave(&mut seat, sub);
            assert!(roster.tidy(topic, |_| topic.get().into()).is_some());
        }
        let mut left = 0;
        roster.take_subs(seat, |topic| left += topic.get() % 2);
        assert_eq!((left, roster.subscriptions()), (TOPICS / 2, 0));
        // A tenth of it without optimization; with a look at all of them for each it is minutes.
        let took = started.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
