//! The model of a server: it records everything sent and received in a run, and checks it.
//!
//! This file checks the events that the application receives; `check_output` checks the bytes that clients receive, `check_close` the
//! reasons why sockets are closed, and `check_idle` the state while the worker has nothing to do.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use super::behavior::EndReason;
use super::client::Client;
use super::connection::Connection;
use super::output::{AppAction, ItemKind};
use super::read_pace::ReadPace;
use super::setup::Setup;
use super::world::World;
use crate::worker::{ConnId, Decision, Handle, PingPolicy};
use crate::ws::{Message, Opcode, encode};

/// The number of trace lines that are kept.
const TRACE: usize = 120;

/// A message or a close that was posted to the mailbox.
#[derive(Debug)]
pub(crate) struct Mail {
    /// The number of the receiving client; `None` for all clients.
    pub(crate) to: Option<usize>,
    pub(crate) payload: String,
}

/// The model's whole state.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) setup: Setup,
    pub(crate) clients: Vec<Client>,
    pub(crate) mails: Vec<Mail>,
    /// Entries posted to the mailbox since it was last known to be empty.
    pub(crate) mailbox_len: usize,
    /// Bytes that the broadcasts among these entries take in an outbox, which clients that open in the meantime may receive.
    pub(crate) mailbox_broadcast_bytes: usize,
    pub(crate) ticks: Vec<Duration>,
    /// Whether accepting has failed because of exhaustion, or such an error was injected.
    pub(crate) was_exhausted: bool,
    /// The time when the server began to drain, and the most time that the drain may take.
    pub(crate) draining: Option<(Duration, Duration)>,
    /// The time when the worker noticed the drain.
    pub(crate) drain_seen: Duration,
    pub(crate) is_stopped: bool,
    /// The pending decisions, each with the number of its client.
    pub(crate) decisions: Vec<(usize, Decision<usize>)>,
    pub(crate) started: Duration,
    /// The first violation.
    pub(crate) violation: Option<String>,
    pub(crate) now: Duration,
    trace: VecDeque<String>,
}

impl Model {
    pub(crate) fn new(setup: Setup, now: Duration) -> Self {
        Self {
            setup,
            clients: Vec::new(),
            mails: Vec::new(),
            mailbox_len: 0,
            mailbox_broadcast_bytes: 0,
            ticks: Vec::new(),
            was_exhausted: false,
            draining: None,
            drain_seen: Duration::ZERO,
            is_stopped: false,
            decisions: Vec::new(),
            started: now,
            violation: None,
            now,
            trace: VecDeque::new(),
        }
    }

    pub(crate) fn note(&mut self, line: impl std::fmt::Display) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:10.3} s  {line}", self.now.as_secs_f64()));
    }

    /// Returns the last lines of the trace.
    pub(crate) fn tail(&self) -> String {
        let mut text = String::new();
        for line in &self.trace {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// Records a violation unless `holds`.
    pub(crate) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    /// Returns whether the application defers its decision on a client.
    pub(crate) const fn defers(&self, number: usize) -> bool {
        self.setup.defers > 0 && number.is_multiple_of(self.setup.defers)
    }

    pub(crate) fn defer_decision(&mut self, number: usize, decision: Decision<usize>, now: Duration) {
        self.note(format_args!("client {number} is put off"));
        let again = self.clients[number].put_off_at.replace(now).is_some();
        self.expect(!again, || format!("client {number} is put off a second time"));
        self.decisions.push((number, decision));
    }

    /// Resolves the decision at index `at`, or drops it.
    pub(crate) fn decide(&mut self, at: usize, is_given_up: bool) {
        let (number, decision) = self.decisions.swap_remove(at);
        self.note(format_args!("client {number} is decided on, given up: {is_given_up}"));
        if is_given_up {
            self.clients[number].is_given_up = true;
        } else {
            decision.resolve(number);
        }
    }

    pub(crate) fn opened(&mut self, number: usize, id: ConnId, now: Duration) {
        self.note(format_args!("client {number} is open as {id}"));
        let client = &mut self.clients[number];
        let deserved =
            matches!(client.output.script.first(), Some(item) if item.what == ItemKind::Request(101));
        let twice = client.id.replace(id).is_some();
        client.opened_at = now;
        client.next = 1;
        client.most_queued += 300 + self.mailbox_broadcast_bytes;
        if let Some(item) = client.output.script.first_mut() {
            item.delivered = true;
        }
        self.expect(deserved && !twice, || format!("client {number} was opened twice, or for a bad request"));
        let may = self.draining.is_none() && !self.is_stopped;
        // The server's stage may have changed after the worker read it.
        self.expect(may || self.draining.is_some_and(|(since, _)| since == now), || {
            format!("client {number} was opened during a drain")
        });
    }

    /// Checks a message that the application received, and returns the action that the application takes.
    pub(crate) fn message(
        &mut self,
        number: usize,
        id: ConnId,
        message: Message<'_>,
        read: usize,
    ) -> AppAction {
        let client = &mut self.clients[number];
        let is_open = client.is_open() && client.id == Some(id) && client.app_close.is_none();
        let mut script = client.output.script.iter_mut().enumerate().skip(client.next);
        let next = script.find(|(_, item)| {
            matches!(item.what, ItemKind::Message(..) | ItemKind::Close(_) | ItemKind::Fault(_))
        });
        let expected = match next {
            Some((at, item)) if item.end <= read => match &item.what {
                ItemKind::Message(opcode, payload, order)
                    if (*opcode, &payload[..]) == (message.opcode(), message.as_bytes()) =>
                {
                    item.delivered = true;
                    client.next = at + 1;
                    Some(*order)
                }
                _ => None,
            },
            _ => None,
        };
        let order = expected.filter(|_| is_open);
        if order.is_none() {
            let next = client.next;
            let bytes = message.as_bytes();
            let start = bytes[..bytes.len().min(20)].escape_ascii();
            self.fail(format!(
                "client {number}: the application got {} bytes ({start}...) that are not its turn: next is {next}, open {is_open}",
                bytes.len(),
            ));
        }
        order.unwrap_or(AppAction::Quiet)
    }

    /// Notes a reply of the application to the last message that it received from a client.
    pub(crate) fn replied(&mut self, number: usize, opcode: Opcode, payload: &[u8]) {
        let client = &mut self.clients[number];
        client.most_queued += encode::frame_len(payload.len());
        if let Some(at) = client.next.checked_sub(1) {
            client.output.script[at].replies.push((opcode, payload.into()));
        }
    }

    /// Checks the end of a connection that the application was notified of.
    pub(crate) fn closed(&mut self, number: usize, id: ConnId, why: EndReason, world: &World) {
        let now = world.now;
        self.note(format_args!("client {number} is over: {why:?}"));
        let client = &self.clients[number];
        let (again, known) = (client.over.is_some(), client.id == Some(id));
        self.expect(known, || format!("client {number} is over under the name {id}, which is not its own"));
        self.expect(!again, || format!("client {number} is over a second time"));
        if let Err(reason) = self.justify(number, &why, world) {
            self.fail(format!("client {number} is over for {why:?}, but {reason}"));
        }
        self.clients[number].over = Some((why, now));
    }

    /// Returns an error unless a connection may have ended for this reason.
    fn justify(&self, number: usize, why: &EndReason, world: &World) -> Result<(), String> {
        let (client, connection) = (&self.clients[number], &world.connections[number]);
        let read = connection.read;
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        // Whatever the reason, all messages read before it were delivered. The item that the worker is handling may be the reason.
        let rest = client.output.script.iter().skip(client.next);
        let rest = rest.filter(|item| !matches!(item.what, ItemKind::Ping(_) | ItemKind::Pong(_)));
        let mut rest = rest.take_while(|item| item.start < read);
        match why {
            EndReason::ByPeer(code) => {
                let item = rest.next().map(|item| (&item.what, item.end <= read));
                must(item == Some((&ItemKind::Close(*code), true)), "it has not sent that Close")
            }
            EndReason::Failed(code) => match rest.next().map(|item| &item.what) {
                Some(ItemKind::Fault(fault)) => {
                    must(fault.code == *code, &format!("its fault ({}) is worth {}", fault.name, fault.code))
                }
                _ => Err("it has not broken the protocol".into()),
            },
            EndReason::ByUs(Some(code), reason) if reason == "app" => {
                must(client.app_close == Some(*code), "the application has not asked for that")
            }
            EndReason::ByUs(Some(1001), reason) if reason == "the server is going down" => {
                must(self.draining.is_some() || self.is_stopped, "the server runs on")
            }
            EndReason::ByUs(Some(_), reason) => {
                let mail =
                    reason.strip_prefix("mail ").and_then(|mail| self.mails.get(mail.parse::<usize>().ok()?));
                must(mail.is_some_and(|mail| mail.to == Some(number)), "nobody has asked for that")
            }
            EndReason::ByUs(None, _) => Err("our Closes have a code".into()),
            EndReason::PongTimeout => self.justify_pong_timeout(client, world),
            EndReason::MessageTimeout => self.justify_message_timeout(client, connection, world.now),
            EndReason::Overflow => {
                let pings = client.output.script.iter().map(|item| match &item.what {
                    ItemKind::Ping(ping) if item.end <= read => encode::frame_len(ping.len()),
                    _ => 0,
                });
                let most = client.most_queued + pings.sum::<usize>();
                let queued = most - connection.written.min(most);
                must(queued > self.setup.limits.outbox, &format!("at most {queued} bytes wait"))
            }
            EndReason::Exhausted => must(self.setup.is_tight, "there are buffers for all"),
            EndReason::Lost => must(connection.reported_end, "its stream has not ended"),
        }
    }

    /// Returns an error unless the time for a message has passed. It begins when the first byte of the message is read, and stops while
    /// reading is paused.
    fn justify_message_timeout(
        &self,
        client: &Client,
        connection: &Connection,
        now: Duration,
    ) -> Result<(), String> {
        let timeout = self.setup.limits.message_timeout.ok_or("messages have any time")?;
        let start_of_partly_read = client.output.start_of_partly_read(connection.read);
        let start = start_of_partly_read.or_else(|| client.output.undelivered(connection.read));
        let start = start.ok_or("nothing has begun that has not ended")?;
        let since = connection.read_since(start).ok_or("nothing of it is read")?;
        if client.pauses.last() && connection.written_at < now {
            return Err("reading stops for output that is stuck".into());
        }
        let paused = client.pauses.between(since, now);
        let due = since + timeout + paused;
        if now < due {
            return Err(format!("it has begun at {since:?}, and for {paused:?} was not read from"));
        }
        // Bytes that arrive after the worker's first query past the deadline do not count, however long the worker takes for the bytes
        // before them.
        let look = connection.looks.iter().find(|(_, at)| *at >= due);
        let arrived = look.map_or_else(|| connection.arrived(), |(arrived, _)| *arrived);
        let end = client.output.script.iter().find(|item| item.start == start).map(|item| item.end);
        if end.is_some_and(|end| end <= arrived) {
            return Err("its end has arrived".into());
        }
        Ok(())
    }

    /// Returns an error unless the time for a Pong has passed. It begins when the Ping is sent or queued behind stuck output: at the
    /// earliest half an interval after the last Ping or, under the policy for idle peers, after the last bytes from the peer.
    fn justify_pong_timeout(&self, client: &Client, world: &World) -> Result<(), String> {
        let connection = &world.connections[client.number];
        let timeout = self.setup.limits.pong_timeout;
        let since = match &client.ping {
            Some((sent, _)) => *sent,
            None if client.was_paused || !client.parser.is_between() || connection.room == 0 => {
                let before = match self.setup.limits.ping_policy {
                    PingPolicy::Always => client.last_ping.unwrap_or(client.opened_at),
                    PingPolicy::WhenIdle => connection.read_at.max(client.opened_at),
                };
                before + self.setup.limits.ping_interval.unwrap_or_default() / 2
            }
            None => return Err("no Pong of it is due".into()),
        };
        if self.setup.limits.ping_policy == PingPolicy::WhenIdle && connection.read_at > since {
            return Err("it has sent something since the Ping".into());
        }
        if connection.is_taking(
            client.ping.is_some().then_some(client.ping_end),
            ReadPace::of_pongs(&self.setup.limits),
            world.now,
        ) {
            return Err("it takes what is in front of its Ping".into());
        }
        if client.pauses.last() {
            // The client reads too little, whenever its Ping was sent.
            return Ok(());
        }
        let waited = world.now.saturating_sub(since);
        if !client.pauses.last() {
            let answers = client.ping.iter().any(|(_, payload)| {
                client.answers.iter().any(|(end, pong)| *end <= connection.arrived() && pong == payload)
            });
            if answers {
                return Err("its Pong has arrived".into());
            }
            if self.setup.limits.ping_policy == PingPolicy::WhenIdle && !connection.inbound.is_empty() {
                return Err("something of it has arrived that is not read".into());
            }
        }
        if waited < timeout { Err(format!("it has had {waited:?}")) } else { Ok(()) }
    }

    pub(crate) fn drain(&mut self, handle: &Handle, time: Duration, now: Duration) {
        if self.draining.is_none() {
            self.note(format_args!("the server drains within {time:?}"));
            handle.shared.drain(time);
            self.draining = Some((now, time));
        }
    }
}
