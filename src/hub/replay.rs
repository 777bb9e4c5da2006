//! Subscribers that begin: welcomed by their topics' homes, and given what they have missed at their own pace.
//!
//! Nothing of that is put into an outbox in which anything else waits, so that nobody is closed for what he was to take in: what a home
//! has given and there is no room for is forgotten, and asked for again when there is. Live messages behind it wait in the history
//! meanwhile. A client with several such topics gets a part of each in turn, one at a time.

use std::time::Duration;

use super::dialect::Told;
use super::dialect::v1::Code;
use super::hub::HubHandler;
use super::indices::TopicIndex;
use super::mail::{Join, Joined, Joiner, Request, Welcome};
use super::name::Name;
use super::outcome::PublishError;
use super::position::Position;
use super::replays::Replay;
use super::round::batch;
use super::seat::Seat;
use super::telling::tell_later;
use super::topic::Waiting;
use crate::base::bug;
use crate::budget::ENVELOPED_BYTE;
use crate::worker::{ConnId, Connections, SlowPolicy};
use crate::ws::CloseCode;

/// Subscribers looked at in a turn.
const LOOKS_PER_TURN: usize = 256;
/// When they are looked at again.
const LOOK: Duration = Duration::from_millis(10);

impl HubHandler {
    /// A home has answered. What came before that from it goes out before. Returns what was pushed at once, in small messages.
    pub(super) fn take_joined(
        &mut self,
        joined: Box<Joined>,
        connections: &mut Connections<'_, Seat>,
    ) -> usize {
        let Some(at) = self.roster.find(&joined.topic, joined.hash) else {
            bug::survived("a topic went while its home was asked");
            self.hear(joined.who.conn, joined.goes_on);
            return 0;
        };
        if let Some(topic) = self.roster.get_mut(at)
            && topic.crowd.as_ref().is_some_and(|crowd| !crowd.waiting.is_empty() || crowd.round.is_some())
        {
            topic.crowd().waiting.push_back(Waiting::Joined(joined));
            self.waiting += 1;
            self.activate(at);
            return 0;
        }
        self.welcome(at, *joined, connections)
    }

    /// Makes a subscriber of the client that a home has answered about. Returns what was pushed to it, in small messages.
    pub(super) fn welcome(
        &mut self,
        at: TopicIndex,
        joined: Joined,
        connections: &mut Connections<'_, Seat>,
    ) -> usize {
        let Joined { topic, hash, who, goes_on, mut result } = joined;
        self.hear(who.conn, goes_on);
        let (mut lacks, mut cost) = (0, 1);
        if let Ok(welcome) = &mut result {
            let needed = welcome.missed.iter().map(|item| ENVELOPED_BYTE * item.measure()).sum();
            if !self.has_room(who.conn.index(), needed, connections) {
                welcome.more |= !welcome.missed.is_empty();
                welcome.missed.clear();
                lacks = needed;
            }
        }
        let index = who.conn.index();
        let seat = seat_of(connections, who.conn);
        let is_answered = seat.is_some_and(|seat| seat.dialect().has_requests());
        let seat = seat.filter(|seat| self.roster.is_awaited(*seat, at, who.join));
        if let (Ok(welcome), Some(local)) = (&result, self.roster.get_mut(at)) {
            local.join(Position { offset: welcome.latest, ..welcome.from });
        }
        let more = match (seat, result) {
            (None, _) => {
                // Every request is answered.
                if is_answered && !goes_on && who.id.is_some() {
                    let why = "the subscription was ended before it had begun";
                    let told = Told::Refused { code: Code::Cancelled, why, topic: Some(&topic), id: &who.id };
                    tell_later(connections, index, &told);
                }
                None
            }
            (Some(seat), Err(error)) => {
                self.turn_away(at, seat, &topic, &who, error, connections);
                None
            }
            (Some(seat), Ok(welcome)) => {
                cost += self.greet(at, seat, &topic, &who, goes_on, &welcome, connections);
                let from = welcome.missed.last().map_or(welcome.from.offset, |item| item.offset);
                let seen = Position { offset: from, ..welcome.from };
                welcome.more.then_some(Replay { topic, hash, who, seen, lacks })
            }
        };
        match more {
            // The topic goes on to count as asked for.
            Some(replay) => self.replays.queue.push_back(replay),
            None => {
                self.roster.settle(at);
                self.tidy(at);
            }
        }
        cost
    }

    /// A home has answered what it was asked for a client.
    fn hear(&mut self, client: ConnId, goes_on: bool) {
        if goes_on {
            self.replays.asking.remove(&client);
        } else {
            self.asking.remove(client);
        }
    }

    /// Tells a client where it stands, and gives it what it has missed; at the end of that it becomes a member. Returns what was pushed.
    #[expect(clippy::too_many_arguments, reason = "all of one client")]
    fn greet(
        &mut self,
        at: TopicIndex,
        seat: Seat,
        topic: &Name,
        who: &Joiner,
        goes_on: bool,
        welcome: &Welcome,
        connections: &mut Connections<'_, Seat>,
    ) -> usize {
        let (index, mut cost) = (who.conn.index(), 0);
        let counters = &self.ends.counters;
        let has_gap = welcome.recovered == Some(false);
        if !goes_on || has_gap {
            match welcome.recovered {
                Some(true) => counters.recovered.add(1),
                Some(false) => counters.gaps.add(1),
                None => {}
            }
            let (from, recovered) = (welcome.from, welcome.recovered);
            tell_later(connections, index, &Told::Subscribed { topic, from, recovered, id: &who.id });
        }
        if !welcome.missed.is_empty() {
            // All of it, or nothing: what is missed now would be missed for good.
            let mut batch = batch(at, self.exchange.config.rules.of(topic)).with_policy(SlowPolicy::Close);
            welcome.missed.iter().for_each(|item| batch.add(item.encoded(seat.dialect()).clone()));
            let pushed = connections.push(index, &mut batch, true);
            cost = super::round::cost(&batch, pushed);
            counters.count(pushed);
            counters.replayed.add(u64::from(pushed.taken));
            self.replays.has_moved = true;
        }
        // It may have been lost.
        if !welcome.more
            && let Some(mut seat) = seat_of(connections, who.conn)
        {
            self.roster.admit(at, index, &mut seat, who.join);
            self.put_seat(index, seat, connections);
        }
        cost
    }

    /// Whether a client may be given so many bytes of messages: it has read what was sent to it, and its worker may keep them.
    fn has_room(&self, index: u32, needed: usize, connections: &Connections<'_, Seat>) -> bool {
        let low = self.exchange.config.sizes.replay_low.min(connections.outbox_limit() / 8);
        connections.backlog(index) < low.max(1) && needed <= connections.spare_backlog()
    }

    fn turn_away(
        &mut self,
        at: TopicIndex,
        mut seat: Seat,
        topic: &Name,
        who: &Joiner,
        error: PublishError,
        connections: &mut Connections<'_, Seat>,
    ) {
        let index = who.conn.index();
        if let Some(sub) = self.roster.sub(seat, at) {
            self.roster.leave(&mut seat, sub);
            self.put_seat(index, seat, connections);
        }
        if seat.dialect().has_requests() {
            let (code, why) = (Code::of(error), &error.to_string());
            tell_later(connections, index, &Told::Refused { code, why, topic: Some(topic), id: &who.id });
        } else {
            connections.close(index, CloseCode::TRY_AGAIN_LATER, "there are too many topics");
        }
    }

    fn put_seat(&self, index: u32, seat: Seat, connections: &mut Connections<'_, Seat>) {
        match connections.data_mut(index) {
            Some(place) => *place = seat,
            None => bug::survived("a connection went while it was looked at"),
        }
    }

    /// Gives more to those that have room for it. Returns when to look again.
    pub(super) fn go_on_replaying(&mut self, connections: &mut Connections<'_, Seat>) -> Option<Duration> {
        // Nobody is refused for what is asked here.
        let most_held = self.exchange.config.sizes.held.div_ceil(2);
        for _ in 0..self.replays.queue.len().min(LOOKS_PER_TURN) {
            let Some(replay) = self.replays.queue.pop_front() else { break };
            let index = replay.who.conn.index();
            let Some(at) = self.roster.find(&replay.topic, replay.hash) else { continue };
            let seat = seat_of(connections, replay.who.conn);
            if !seat.is_some_and(|seat| self.roster.is_awaited(seat, at, replay.who.join)) {
                self.roster.settle(at);
                self.tidy(at);
            } else if self.posts.held_requests() < most_held
                && self.has_room(index, replay.lacks, connections)
                && self.replays.asking.insert(replay.who.conn)
            {
                let Replay { topic, hash, who, seen, .. } = replay;
                let join = Join { topic, hash, who, since: Some(seen), goes_on: true };
                self.posts.request(hash, Request::Join(join));
            } else {
                self.replays.queue.push_back(replay);
            }
        }
        self.replays.give_back();
        let look = if std::mem::take(&mut self.replays.has_moved) { Duration::ZERO } else { LOOK };
        (!self.replays.queue.is_empty()).then_some(look)
    }

    /// A home has taken a client's message, or refused it.
    pub(super) fn tell_published(
        &self,
        note: &super::mail::ToClient,
        connections: &mut Connections<'_, Seat>,
    ) {
        let index = note.conn.index();
        if connections.id(index) != Some(note.conn) {
            return;
        }
        match note.result {
            Ok(published) if note.id.is_some() => {
                let told = Told::Published { topic: &note.topic, published, id: &note.id };
                tell_later(connections, index, &told);
            }
            Ok(_) => {}
            Err(error) => {
                let (code, why) = (Code::of(error), &error.to_string());
                let told = Told::Refused { code, why, topic: Some(&note.topic), id: &note.id };
                tell_later(connections, index, &told);
            }
        }
    }
}

/// The seat of a connection, if it is still open.
fn seat_of(connections: &mut Connections<'_, Seat>, conn: ConnId) -> Option<Seat> {
    let is_there = connections.id(conn.index()) == Some(conn);
    connections.data_mut(conn.index()).filter(|_| is_there).copied()
}
