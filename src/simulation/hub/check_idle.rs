//! Checks of the state while all workers are idle, and at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::run::Run;
use super::wire::Disconnect;
use crate::hub::inspect::Inventory;
use crate::simulation::run::Violation;

/// A time longer than any wait other than a deadline: for a retry, or for a replay that waits for room.
const PAUSE: Duration = Duration::from_millis(10);
/// The number of pauses without an event after which none is expected.
const PAUSES: usize = 3;
/// The most pauses until all held messages are delivered.
const MOST_PAUSES: usize = 300;

impl Run {
    /// Has all clients read everything until no more arrives, and then checks the whole state.
    pub(crate) fn rest(&mut self) -> Result<(), Violation> {
        self.run_until_idle()?;
        self.note("rest");
        self.idle_checks += 1;
        self.model.check_idle()?;
        for at in 0..self.live.len() {
            let client = &mut self.clients[self.live[at]];
            self.is_inexact |= client.view.is_inexact;
            if client.is_open() {
                let checked = client.view.check_idle(&self.model, &self.setup);
                checked.map_err(|violation| format!("at rest, client {}: {violation}", client.number))?;
            } else if !client.has_left {
                return Err(format!("at rest, client {} waits: {:?}", client.number, client.status));
            }
        }
        self.check_hubs()?;
        self.check_numbers()?;
        self.check_presence()
    }

    fn run_until_idle(&mut self) -> Result<(), Violation> {
        let (mut quiet, mut rounds) = (0, 0);
        for _ in 0..100_000 {
            self.settle()?;
            let mut moved = false;
            for at in 0..self.live.len() {
                moved |= self.send(self.live[at], usize::MAX);
                moved |= self.read(self.live[at], true)?;
            }
            for client in 0..self.clients.len() {
                let client = &self.clients[client];
                let mut world = self.nodes.nodes[client.node].world.borrow_mut();
                moved |= client.arrive(&mut world);
            }
            self.remove_disconnected();
            if moved || !self.nodes.due().is_empty() {
                (quiet, rounds) = (0, 0);
                continue;
            }
            // An entry that a queue had no room for is retried after a while.
            let waits =
                |at| self.nodes.inventory(at).is_some_and(|hub| hub.broker.unsent + hub.recoveries > 0);
            quiet = if self.nodes.alive().any(waits) { 0 } else { quiet + 1 };
            rounds += 1;
            if quiet > PAUSES || rounds > MOST_PAUSES {
                return Ok(());
            }
            self.pass(PAUSE)?;
        }
        Err("the clients do not come to rest".into())
    }

    /// Checks that no hub has any pending work.
    fn check_hubs(&self) -> Result<(), Violation> {
        for at in self.nodes.alive() {
            let inventory = self.nodes.inventory(at).ok_or("a handler has not come back from its turn")?;
            let Inventory {
                scheduled,
                queue_entries,
                cleanup_queue,
                recoveries,
                has_broadcasts,
                pending_subscriptions,
                broker,
                ..
            } = inventory;
            if (
                scheduled,
                queue_entries,
                cleanup_queue,
                recoveries,
                has_broadcasts,
                broker.unsent,
                pending_subscriptions,
            ) != (0, 0, 0, 0, false, 0, 0)
            {
                return Err(format!("at rest, worker {at} has {inventory:?}"));
            }
            let [_, _, queued, _] = self.nodes.left(at);
            if queued > 0 {
                return Err(format!("at rest, {queued} bytes wait on worker {at}"));
            }
        }
        Ok(())
    }

    /// Checks that the hub's counters match the messages that clients have received.
    fn check_numbers(&self) -> Result<(), Violation> {
        let stats = self.nodes.hub.stats();
        let sum = |part: fn(&super::view::ClientView) -> u64| -> u64 {
            self.clients.iter().map(|client| part(&client.view)).sum()
        };
        let (received, skipped) = (sum(|view| view.received), sum(|view| view.skipped));
        let dropped = stats.dropped_newest + stats.displaced;
        let delivered = stats.delivered - stats.displaced;
        let is_exact = !self.is_inexact;
        let is_right = stats.published == self.model.placed
            && received <= delivered
            && skipped <= dropped
            && (dropped == 0 || !self.setup.has_large_outboxes)
            && (!is_exact || (received == delivered && skipped == dropped && stats.undelivered == 0));
        if is_right {
            return Ok(());
        }
        let placed = self.model.placed;
        Err(format!(
            "received {received}, skipped {skipped}, published {placed}, exact {is_exact}: {stats:?}"
        ))
    }

    /// Checks that the owners and the workers know the subscribers.
    fn check_presence(&mut self) -> Result<(), Violation> {
        let mut all = 0;
        let mut local = BTreeSet::new();
        for subject in 0..self.setup.subjects.len() {
            let subscriptions = |number: &&usize| {
                let client = &self.clients[**number];
                client.is_open() && client.view.subscriptions.contains_key(&subject)
            };
            let subscribers: Vec<usize> = self.live.iter().filter(subscriptions).copied().collect();
            local.extend(subscribers.iter().map(|&number| (self.clients[number].node, subject)));
            all += subscribers.len() as u64;
            let info = self.describe_topic(subject)?;
            let (counted, offset) =
                info.as_ref().map_or((0, None), |info| (info.subscribers, Some(info.offset)));
            if counted != subscribers.len() as u64 {
                return Err(format!("topic {subject} has the subscribers {subscribers:?}: {info:?}"));
            }
            if info.as_ref().is_some_and(|info| info.subscribers == 0 && info.offset == 0) {
                return Err(format!(
                    "topic {subject} stays for nobody, and has never had a message: {info:?}"
                ));
            }
            let latest = self.model.current(subject).map(super::model::EpochLog::offset);
            if offset.is_some() && offset != latest {
                return Err(format!("topic {subject} is at {latest:?}: {info:?}"));
            }
        }
        let stats = self.nodes.hub.stats();
        if (stats.queued_messages, stats.queued_bytes) != (0, 0) {
            return Err(format!("at rest, something is under way: {stats:?}"));
        }
        let gauges = (stats.subscriptions, stats.local_topics, stats.waiting);
        if gauges == (all, local.len() as u64, 0) {
            return Ok(());
        }
        Err(format!("{all} subscriptions, {} topics with some on a worker: {stats:?}", local.len()))
    }

    /// Ends the server.
    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        self.rest()?;
        match self.choices.below(4) {
            0 => self.nodes.handle.shared.drain(Duration::from_secs(2)),
            1 => self.nodes.handle.shared.stop(),
            _ => {
                self.all_clients_leave()?;
                self.nodes.handle.shared.stop();
            }
        }
        self.clients.iter_mut().for_each(|client| client.may_break_off = true);
        for _ in 0..30 {
            self.settle()?;
            for at in 0..self.live.len() {
                self.send(self.live[at], usize::MAX);
                self.read(self.live[at], true)?;
            }
            self.remove_disconnected();
            self.pass(Duration::from_millis(100))?;
        }
        if self.nodes.alive().next().is_some() {
            return Err("the server does not end".into());
        }
        Ok(())
    }

    /// Checks that a hub keeps nothing once its last client has left.
    fn all_clients_leave(&mut self) -> Result<(), Violation> {
        while let Some(&number) = self.live.last() {
            self.disconnect(
                number,
                if self.choices.one_in(2) {
                    Disconnect::Vanish
                } else {
                    Disconnect::Reset { overtakes: false }
                },
            );
            if self.choices.one_in(4) {
                self.settle()?;
            }
        }
        self.run_until_idle()?;
        // All messages expire, and the owners scan their tables part by part.
        self.pass(Duration::from_secs(70))?;
        for at in self.nodes.alive() {
            let (hub, left) = (self.nodes.inventory(at), self.nodes.left(at));
            if hub != Some(Inventory::default()) || left != [0; 4] {
                return Err(format!("everybody has left worker {at}, and there is {left:?}: {hub:?}"));
            }
        }
        let stats = self.nodes.hub.stats();
        let left = [
            stats.topics,
            stats.local_topics,
            stats.subscriptions,
            stats.waiting,
            stats.history_messages,
            stats.history_bytes,
            stats.history_forms_bytes,
        ];
        if left != [0; 7] {
            return Err(format!("everybody has left: {stats:?}"));
        }
        Ok(())
    }
}
