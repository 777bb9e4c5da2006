//! The steps of a run.

use std::time::Duration;

use super::run::Run;
use super::setup::LONGEST;
use super::view::ClientView;
use super::wire::{Client, Disconnect};
use crate::hub::{Access, Epoch, Position};
use crate::simulation::run::Violation;
use crate::worker::SlowPolicy;
use crate::ws::Opcode;

/// A position of another server.
pub(crate) const ELSEWHERE: Position = Position { offset: 1, epoch: Epoch { run: 1, serial: 1 } };

impl Run {
    /// Plays the run from the first client to the end of the server.
    pub(crate) fn play(&mut self) -> Result<u64, Violation> {
        for _ in 0..self.setup.steps {
            self.step()?;
        }
        self.finish()?;
        Ok(self.setup.steps as u64)
    }

    fn step(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        let disconnects_clients = if self.setup.disconnects_clients { 16 } else { 0 };
        match choices.weighted_index(&[
            18,
            100,
            60,
            12,
            12,
            2,
            1,
            30,
            2,
            4,
            disconnects_clients,
            3,
            2,
            disconnects_clients / 8,
        ]) {
            0 => self.connect(None)?,
            1 => self.turn()?,
            2 => {
                let due = self.nodes.due();
                if !due.is_empty() {
                    self.iterate(choices.pick(&due))?;
                }
            }
            3 => self.settle()?,
            4 => self.pass(Duration::from_millis(choices.between(1, 60) as u64))?,
            5 => self.pass(choices.pick(&[300, 1_000, 4_000]) * Duration::from_millis(1))?,
            6 => {
                // The machine was busy or asleep.
                let late = Duration::from_millis(choices.pick(&[70, 1_000, 3_100, 61_000]));
                self.note(format_args!("the clock jumps by {late:?}"));
                self.nodes.advance(late);
            }
            7 => self.publish_some(1)?,
            8 => self.publish_some(choices.pick(&[10, 60, 600]))?,
            9 => self.announce(),
            10 => self.disconnect_client()?,
            11 => self.rest()?,
            12 => self.resume()?,
            _ => self.reset_during_replay()?,
        }
        Ok(())
    }

    /// Limits the unread bytes of a client that the kernels hold.
    pub(crate) fn narrow(&mut self, number: usize, bytes: usize) {
        let client = &self.clients[number];
        client.set_buffer(bytes, &mut self.nodes.nodes[client.node].world.borrow_mut());
    }

    fn publish_some(&mut self, times: usize) -> Result<(), Violation> {
        let choices = self.choices.clone();
        let subject = choices.below(self.setup.subjects.len());
        let long = if times <= 10 { LONGEST } else { 5_000 };
        let len = choices.pick(&[0, 10, 100, 300, 1_000, 5_000, long]);
        // With large outboxes every message fits, but a run should not use up all memory.
        for _ in 0..times {
            self.publish(subject, len, choices.one_in(5), choices.one_in(2))?;
        }
        Ok(())
    }

    /// Connects a client: a new one, or one that returns with its positions.
    fn connect(&mut self, back: Option<&ClientView>) -> Result<(), Violation> {
        let choices = self.choices.clone();
        if self.live.len() >= self.setup.most_clients {
            return Ok(());
        }
        let is_v1 = back.map_or_else(|| !choices.one_in(3), |back| back.is_v1);
        let most = self.setup.subjects.len();
        let mut asked: Vec<usize> = match back {
            Some(back) if !back.is_v1 => back.subscriptions.keys().copied().collect(),
            Some(_) => Vec::new(),
            None => (0..choices.between(usize::from(!is_v1), 3)).map(|_| choices.below(most)).collect(),
        };
        let target =
            target(&asked.iter().map(|&at| &*self.setup.subjects[at].name).collect::<Vec<_>>(), &choices);
        asked.sort_unstable();
        asked.dedup();
        let node = choices.below(self.nodes.nodes.len());
        let Some(number) = self.admit(node, is_v1, &asked, &target) else { return Ok(()) };
        if let Some(back) = back {
            self.clients[number].view.positions.clone_from(&back.positions);
            if is_v1 {
                back.positions
                    .iter()
                    .for_each(|(&subject, &since)| self.send_subscribe(number, subject, Some(since)));
            }
        }
        self.send(number, usize::MAX);
        Ok(())
    }

    /// Connects a client to a worker, with the topics in its URL.
    pub(crate) fn admit(&mut self, node: usize, is_v1: bool, asked: &[usize], target: &str) -> Option<usize> {
        let choices = self.choices.clone();
        let may = |subject: &usize| self.setup.subjects[*subject].rule.subscribe == Access::Anyone;
        let deserves = match () {
            () if asked.len() > self.setup.config.max_subscriptions => 400,
            () if !asked.iter().all(may) => 403,
            () if asked.is_empty() && !is_v1 => 400,
            () => 101,
        };
        let socket = self.nodes.nodes[node].world.borrow_mut().connect()?;
        let number = self.clients.len();
        let view = ClientView::new(is_v1, asked);
        let reads_everything = self.setup.has_large_outboxes;
        // Only the first message shows where the stream begins, and messages before it may have been dropped.
        let drops = |subject: &usize| self.setup.subjects[*subject].rule.slow != SlowPolicy::Close;
        self.is_inexact |= !is_v1 && asked.iter().any(drops);
        let mut client = {
            let mut world = self.nodes.nodes[node].world.borrow_mut();
            Client::new(number, (node, socket), target, view, reads_everything, &mut world, &choices)
        };
        client.deserves = deserves;
        self.clients.push(client);
        self.live.push(number);
        self.note(format_args!("client {number} connects to {node}: {target}, v1 {is_v1}"));
        Some(number)
    }

    pub(crate) fn send_subscribe(&mut self, number: usize, subject: usize, since: Option<Position>) {
        let Self { clients, setup, .. } = self;
        let request = clients[number].view.requests.subscribe(subject, since, setup);
        clients[number].queue_message(Opcode::Text, request.as_bytes());
        self.note(format_args!("client {number} sends {request}"));
    }

    pub(crate) fn send(&mut self, number: usize, most: usize) -> bool {
        let client = &mut self.clients[number];
        let mut world = self.nodes.nodes[client.node].world.borrow_mut();
        let sent = client.send(&mut world, most);
        client.arrive(&mut world) || sent
    }

    /// Has a client take its turn.
    fn turn(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        if self.live.is_empty() {
            return self.connect(None);
        }
        let number = choices.pick(&self.live);
        if self.clients[number].is_open() && choices.one_in(2) {
            let most = if self.setup.has_many_topics { 40 } else { 5 };
            for _ in 0..choices.pick(&[1, 1, 1, 2, most]) {
                self.send_random_request(number);
            }
        }
        self.send(number, choices.pick(&[7, 200, usize::MAX, usize::MAX]));
        self.read(number, false)?;
        self.remove_disconnected();
        Ok(())
    }

    fn send_random_request(&mut self, number: usize) {
        let choices = self.choices.clone();
        let subject = choices.below(self.setup.subjects.len());
        let Self { clients, setup, model, .. } = self;
        let client = &mut clients[number];
        if !client.view.is_v1 {
            if choices.one_in(60) {
                client.has_erred = true;
                client.queue_message(Opcode::Text, b"hello");
            } else {
                client.queue_message(Opcode::Binary, b"");
            }
            return;
        }
        let requests = &mut client.view.requests;
        let request = match choices.weighted_index(&[6, 4, 6, 1]) {
            0 => {
                let since = since(client.view.positions.get(&subject).copied(), model, subject, &choices);
                requests.subscribe(subject, since, setup)
            }
            1 => requests.unsubscribe(subject, setup),
            2 => requests.publish(subject, number + 1, model, setup, &choices),
            _ if choices.one_in(30) => {
                client.has_erred = true;
                return client.queue_message(Opcode::Binary, b"binary");
            }
            _ => requests.other(&choices),
        };
        client.queue_message(Opcode::Text, request.as_bytes());
        self.note(format_args!("client {number} sends {request:.200}"));
    }

    /// Disconnects a client, which may return.
    fn disconnect_client(&mut self) -> Result<(), Violation> {
        let choices = self.choices.clone();
        if self.live.is_empty() {
            return Ok(());
        }
        let number = choices.pick(&self.live);
        let disconnect = match choices.below(4) {
            0 | 1 => Disconnect::Reset { overtakes: choices.one_in(2) },
            2 => Disconnect::Vanish,
            _ => Disconnect::Close,
        };
        self.disconnect(number, disconnect);
        if self.clients[number].has_left && !choices.one_in(4) {
            let back = self.clients[number].view.trace();
            self.connect(Some(&back))?;
        }
        Ok(())
    }

    pub(crate) fn disconnect(&mut self, number: usize, disconnect: Disconnect) {
        let client = &mut self.clients[number];
        let mut world = self.nodes.nodes[client.node].world.borrow_mut();
        client.disconnect(disconnect, &mut world);
        // Otherwise the segment arrives while the worker is in a system call.
        if !self.choices.one_in(2) {
            client.arrive(&mut world);
        }
        drop(world);
        self.note(format_args!("client {number} disconnects: {disconnect:?}"));
        self.remove_disconnected();
    }

    /// Removes clients that no longer take part; their last segments may still be on their way.
    pub(crate) fn remove_disconnected(&mut self) {
        let Self { live, clients, is_inexact, .. } = self;
        live.retain(|&number| {
            // The client has not read the last messages to it, or messages to it were lost.
            *is_inexact |= clients[number].has_left;
            !clients[number].has_left
        });
    }
}

/// Returns the path and the query that name the topics.
fn target(names: &[&str], choices: &crate::simulation::choices::Choices) -> String {
    let quoted = |name: &str| {
        let quote = |byte: u8| match byte {
            b'a'..=b'z' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        name.bytes().map(quote).collect::<String>()
    };
    let in_path = usize::from(choices.one_in(2)).min(names.len());
    let mut target = names[..in_path].first().map_or("/".into(), |name| format!("/topics/{}", quoted(name)));
    for (at, name) in names[in_path..].iter().enumerate() {
        target += if at == 0 { "?topic=" } else { "&topic=" };
        target += &quoted(name).replace("%20", "+");
    }
    target
}

/// Returns the position that a client claims to have seen, mostly the right one.
fn since(
    position: Option<Position>,
    model: &super::model::HubModel,
    subject: usize,
    choices: &crate::simulation::choices::Choices,
) -> Option<Position> {
    let log = model.current(subject);
    match choices.below(8) {
        0..3 => None,
        3 => {
            log.map(|log| Position { offset: choices.below(log.messages.len() + 1) as u64, epoch: log.epoch })
        }
        4 => log.map(|log| Position { offset: log.offset() + 5, epoch: log.epoch }),
        5 => Some(Position { offset: 1, epoch: Epoch { run: 7, serial: 7 } }),
        _ => position,
    }
}
