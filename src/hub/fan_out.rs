//! What topics have for their subscribers on this worker, a slice at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use super::hub::HubHandler;
use super::indices::{MemberIndex, TopicIndex};
use super::message::Item;
use super::round::{Round, batch, cost, skip};
use super::seat::{Seat, Subs};
use super::topic::Waiting;
use crate::worker::{Connections, Pushed};

/// Places for topics that are kept where none has anything to do.
const MOST_SPARE: usize = 1024;

impl HubHandler {
    /// A message has come from its topic's home. Returns what was pushed of it at once, in small messages.
    pub(super) fn take_item(&mut self, item: Arc<Item>, connections: &mut Connections<'_, Seat>) -> usize {
        let Some(at) = self.roster.find(&item.topic, item.hash) else { return 0 };
        let Some(topic) = self.roster.get_mut(at).filter(|topic| topic.is_joined) else { return 0 };
        if topic.crowd.is_some() {
            topic.crowd().waiting.push_back(Waiting::Item(item));
            self.waiting += 1;
            self.activate(at);
            return 0;
        }
        topic.offset = item.offset;
        if let Some(only) = topic.only() {
            let rule = self.exchange.config.rules.of(&item.topic);
            let mut batch = batch(at, rule);
            batch.add(item.encoded(only.dialect()).clone());
            let later = has_many(connections, only.index());
            let pushed = connections.push(only.index(), &mut batch, later);
            self.ends.counters.count(pushed);
            return cost(&batch, pushed);
        }
        0
    }

    /// The topic has something to do.
    pub(super) fn activate(&mut self, at: TopicIndex) {
        if let Some(topic) = self.roster.get_mut(at)
            && !std::mem::replace(&mut topic.is_active, true)
        {
            self.active.push_back(at);
        }
    }

    /// Gives the topics their turns, until the budget of pushes is used up.
    pub(super) fn fan_out(&mut self, connections: &mut Connections<'_, Seat>, budget: &mut usize) {
        while *budget > 0 {
            let Some(at) = self.active.pop_front() else {
                if self.active.capacity() > MOST_SPARE {
                    self.active = VecDeque::new();
                }
                return;
            };
            if self.serve(at, connections, budget) {
                self.active.push_back(at);
            }
        }
    }

    /// Does what there is to do for one topic; `true` where there is more.
    fn serve(&mut self, at: TopicIndex, connections: &mut Connections<'_, Seat>, budget: &mut usize) -> bool {
        loop {
            if *budget == 0 {
                return true;
            }
            let Some(topic) = self.roster.get_mut(at) else { return false };
            let Some(crowd) = &mut topic.crowd else {
                topic.is_active = false;
                return false;
            };
            if let Some(mut round) = crowd.round.take() {
                let is_over = self.go_round(at, &mut round, connections, budget);
                let Some(topic) = self.roster.get_mut(at) else { return false };
                if is_over {
                    topic.crowd().end_round(round.messages);
                    self.waiting -= round.messages;
                } else {
                    topic.crowd().round = Some(round);
                }
            } else if let Some(Waiting::Joined(_)) = crowd.waiting.front() {
                if let Some(Waiting::Joined(joined)) = crowd.waiting.pop_front() {
                    self.waiting -= 1;
                    *budget = budget.saturating_sub(self.welcome(at, *joined, connections));
                }
            } else if crowd.waiting.is_empty() {
                return self.rest(at, connections, budget);
            } else {
                let rule = self.exchange.config.rules.of(&topic.name);
                if let Some(last) = crowd.begin_round(at, rule, &self.exchange.config.sizes) {
                    topic.offset = last;
                }
            }
        }
    }

    /// Goes on with a round; `true` at its end.
    fn go_round(
        &mut self,
        at: TopicIndex,
        round: &mut Round,
        connections: &mut Connections<'_, Seat>,
        budget: &mut usize,
    ) -> bool {
        let Some(crowd) = self.roster.get(at).and_then(|topic| topic.crowd.as_ref()) else { return true };
        let has_others = !self.active.is_empty();
        // In numbers of its own: for many, what is kept in the round would be written for each.
        let (mut empty, mut left, mut passed) = (0, *budget, 0);
        let members = crowd.members.between(round.place, round.end);
        for member in members {
            if left == 0 {
                break;
            }
            passed += 1;
            if member.is_nobody() {
                skip(&mut empty, &mut left);
                continue;
            }
            let index = member.index();
            let batch = &mut round.batches[usize::from(member.dialect().number())];
            let later = has_others && has_many(connections, index);
            let pushed = connections.push(index, batch, later);
            self.ends.counters.count(pushed);
            left = left.saturating_sub(cost(batch, pushed));
        }
        let is_over = passed == members.len();
        (round.place, *budget) = (round.place + u32::try_from(passed).unwrap_or(u32::MAX), left);
        is_over
    }

    /// With nothing to send, a topic gives memory back. `true` where it has not come to the end of that.
    fn rest(&mut self, at: TopicIndex, connections: &mut Connections<'_, Seat>, budget: &mut usize) -> bool {
        let Some(topic) = self.roster.get_mut(at) else { return false };
        let (crowd, sizes) = (topic.crowd(), self.exchange.config.sizes);
        crowd.give_back();
        if crowd.members.is_sparse(sizes.vacant) {
            let mut moves = Vec::new();
            let is_full = crowd.members.fill(sizes.fill_steps, |member, place| {
                // One that was closed or lost in this turn gives up the place that it knows of when the turn is over.
                let is_open = connections.id(member.index()).is_some();
                moves.extend(is_open.then_some((member, place)));
                is_open
            });
            for (member, place) in moves {
                self.move_member(at, member.index(), place, connections);
            }
            *budget = budget.saturating_sub(sizes.fill_steps.div_ceil(16));
            if !is_full {
                return true;
            }
        }
        let Some(topic) = self.roster.get_mut(at) else { return false };
        topic.is_active = false;
        if let Some(only) = topic.relax() {
            self.move_member(at, only.index(), MemberIndex::new(0), connections);
        }
        false
    }

    fn move_member(
        &mut self,
        at: TopicIndex,
        index: u32,
        place: MemberIndex,
        connections: &mut Connections<'_, Seat>,
    ) {
        if let Some(seat) = connections.data_mut(index) {
            self.roster.move_member(seat, at, place);
        }
    }
}

/// Whether a connection has several subscriptions, so that messages of several topics may come for it together.
fn has_many(connections: &mut Connections<'_, Seat>, index: u32) -> bool {
    connections.data_mut(index).is_some_and(|seat| matches!(seat.subs(), Subs::Many(_)))
}

impl crate::metrics::HubCounters {
    /// Counts what became of a push.
    pub(super) fn count(&self, pushed: Pushed) {
        self.delivered.add(u64::from(pushed.taken));
        if pushed.dropped + pushed.displaced + pushed.undelivered > 0 {
            self.dropped_newest.add(u64::from(pushed.dropped));
            self.displaced.add(u64::from(pushed.displaced));
            self.undelivered.add(u64::from(pushed.undelivered));
        }
    }
}
