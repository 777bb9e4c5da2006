//! Checks of the bytes that clients receive against the expected ones.

use std::time::Duration;

use super::behavior::EndReason;
use super::client::Client;
use super::model::Model;
use super::output::ItemKind;
use super::parser::Received;
use super::world::World;
use crate::base::ticks::TICK;
use crate::worker::PingPolicy;
use crate::ws::{Opcode, encode};

impl Model {
    /// Checks the bytes that the worker has sent since the last call.
    pub(crate) fn observe_output(&mut self, number: usize, world: &World) {
        let connection = &world.connections[number];
        let client = &mut self.clients[number];
        // The client's unread bytes include all bytes that were not observed yet.
        let fresh = connection.written - client.observed;
        if fresh == 0 {
            return;
        }
        client.observed = connection.written;
        client.answered_at.get_or_insert(world.now);
        let bytes = &connection.outbound[connection.outbound.len() - fresh..];
        match client.parser.feed(bytes) {
            Err(what) => self.fail(format!("client {number} receives {what}")),
            Ok(answered) => {
                for (end, answered) in answered {
                    match answered {
                        Received::Ping(_) => self.clients[number].ping_end = end,
                        Received::Close(..) => self.clients[number].close_end = Some(end),
                        _ => {}
                    }
                    if let Err(what) = self.check(number, &answered, world) {
                        let shown = format!("{answered:.120?}");
                        self.fail(format!("client {number} receives {shown}: {what}"));
                    }
                    self.clients[number].received.push_back((end, answered));
                }
            }
        }
    }

    fn check(&mut self, number: usize, answered: &Received, world: &World) -> Result<(), String> {
        match answered {
            Received::Response(status, agreement) => {
                self.check_compression(number, *status, agreement.is_some())?;
                self.check_response(number, *status, world)
            }
            Received::Message(Opcode::Text, payload) if payload.starts_with(b"mail ") => {
                self.check_mail(number, payload)
            }
            Received::Message(opcode, payload) => self.clients[number].check_reply(*opcode, payload),
            Received::Pong(payload) => self.clients[number].check_reply(Opcode::Pong, payload),
            Received::Ping(payload) => self.check_ping(number, payload, world),
            Received::Close(code, reason) => self.check_close(number, *code, reason),
        }
    }

    /// Checks that compression is agreed on exactly if the client has offered it and the server compresses.
    fn check_compression(&self, number: usize, status: u16, is_agreed: bool) -> Result<(), String> {
        let offered = self.clients[number].output.offer.is_some();
        let should = status == 101 && offered && self.setup.limits.deflation.is_some();
        if is_agreed == should { Ok(()) } else { Err(format!("compression is agreed on: {is_agreed}")) }
    }

    fn check_response(&mut self, number: usize, status: u16, world: &World) -> Result<(), String> {
        let limits = &self.setup.limits;
        let connection = &world.connections[number];
        let most = limits.worker_connections.min(limits.server_connections);
        let excused = self.draining.is_some()
            || self.setup.is_tight
            || self.was_exhausted
            || connection.held_before >= most;
        let decision_timeout = limits.decision_timeout;
        let client = &mut self.clients[number];
        let is_late = client.put_off_at.is_some_and(|since| world.now >= since + decision_timeout);
        let excused = excused || client.is_given_up || is_late;
        client.response = Some(status);
        let request = client.output.script.first().ok_or("it has asked for nothing")?;
        let ItemKind::Request(deserved) = request.what else { return Err("it has made no request".into()) };
        let is_early = connection.read <= request.start && status != 503;
        match status {
            101 if connection.read < request.end => Err("the request is not read".into()),
            _ if is_early => Err("nothing is read".into()),
            101 if client.id.is_none() => Err("the handler's `open` was not called".into()),
            503 if excused && client.id.is_none() => Ok(()),
            _ if status == deserved => Ok(()),
            _ => Err(format!("it deserves {deserved}")),
        }
    }

    fn check_mail(&mut self, number: usize, payload: &[u8]) -> Result<(), String> {
        let text = str::from_utf8(payload).unwrap_or("");
        let mail =
            text.split(' ').nth(1).and_then(|mail| mail.parse::<usize>().ok()).ok_or("no mail of ours")?;
        let sent = self.mails.get(mail).ok_or("nobody sent it")?;
        if sent.to.is_some_and(|to| to != number) {
            return Err(format!("it was for {:?}", sent.to));
        }
        if sent.payload != text {
            return Err("its text has changed".into());
        }
        let client = &mut self.clients[number];
        if client.last_mail.is_some_and(|last| last >= mail) {
            return Err(format!("it comes behind mail {:?}", client.last_mail));
        }
        client.last_mail = Some(mail);
        // A skipped mail before this one must not have been due.
        match client.due.front() {
            Some(&due) if due < mail => Err(format!("mail {due} is left out")),
            Some(&due) if due == mail => {
                client.due.pop_front();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_ping(&mut self, number: usize, payload: &[u8], world: &World) -> Result<(), String> {
        let limits = &self.setup.limits;
        let interval = limits.ping_interval.ok_or("there are to be no Pings")?;
        let (policy, now) = (limits.ping_policy, world.now);
        let connection = &world.connections[number];
        let client = &mut self.clients[number];
        // Bytes that the worker reads only to judge the timeout of a message are read after the Ping, and do not count.
        let (read, before) = connection.read_before(now);
        let is_looked_at =
            limits.message_timeout.is_some() && client.output.start_of_partly_read(read).is_some();
        let read_at = if is_looked_at { before } else { connection.read_at };
        client.most_queued += encode::frame_len(payload.len());
        let pause = match (policy, client.last_ping) {
            (PingPolicy::Always, Some(last)) => now - last,
            (PingPolicy::Always, None) => now - client.opened_at,
            (PingPolicy::WhenIdle, _) => now - read_at.max(client.opened_at),
        };
        let was_stuck = client.was_paused || client.is_kept_waiting;
        client.last_ping = Some(now);
        let line = format!("client {number} receives a Ping {payload:?}");
        client.ping = Some((now, payload.into()));
        self.note(line);
        // The Ping after a late one is sent on schedule. A Ping behind stuck output waits, while the times checked here change.
        if pause + 2 * TICK < interval / 2 && !was_stuck {
            return Err(format!("it comes after {pause:?}"));
        }
        Ok(())
    }

    fn check_close(&mut self, number: usize, code: Option<u16>, reason: &str) -> Result<(), String> {
        let client = &mut self.clients[number];
        client.got_close = true;
        let (why, _) = client.over.as_ref().ok_or("the handler's `close` was not called")?;
        let deserved = match why {
            EndReason::ByPeer(code) | EndReason::ByUs(code, _) => *code,
            EndReason::Failed(code) => Some(*code),
            EndReason::Overflow | EndReason::MessageTimeout => Some(1008),
            EndReason::Exhausted => Some(1013),
            EndReason::PongTimeout | EndReason::Lost => return Err(format!("it is over for {why:?}")),
        };
        if code != deserved {
            return Err(format!("the code should be {deserved:?}"));
        }
        if reason.len() > 123 {
            return Err("the reason is too long".into());
        }
        let mail = match why {
            EndReason::ByUs(_, reason) => {
                reason.strip_prefix("mail ").and_then(|mail| mail.parse::<usize>().ok())
            }
            _ => None,
        };
        if let (Some(mail), Some(&due)) = (mail, client.due.front())
            && due < mail
        {
            return Err(format!("mail {due} was sent before it"));
        }
        let through = matches!(why, EndReason::ByPeer(_) | EndReason::Failed(_));
        client.missing_reply(through).map_or(Ok(()), Err)
    }

    /// Returns an item that an open connection has not received, although its input was read and its output was written.
    pub(crate) fn missing_output(&self, number: usize, read: usize) -> Option<String> {
        let client = &self.clients[number];
        if let Some(mail) = client.due.front() {
            return Some(format!("mail {mail}"));
        }
        let missed = client
            .output
            .script
            .iter()
            .skip(client.next)
            .find(|item| item.end <= read && !matches!(item.what, ItemKind::Ping(_) | ItemKind::Pong(_)));
        if let Some(item) = missed {
            return Some(format!("the handling of {:.80}", format!("{:?}", item.what)));
        }
        let script = &client.output.script;
        let pending = script[client.cursor.0.min(script.len())..].iter().enumerate().find(|(at, item)| {
            let answered = if *at == 0 { client.cursor.1 } else { 0 };
            item.end <= read && (matches!(item.what, ItemKind::Ping(_)) || item.replies.len() > answered)
        });
        pending.map(|(_, item)| format!("an answer to {:.80}", format!("{:?}", item.what)))
    }
}

impl Client {
    /// Checks that a reply is the next one, in the order of the items that the replies answer.
    fn check_reply(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), String> {
        while let Some(item) = self.output.script.get(self.cursor.0) {
            let expected = match &item.what {
                ItemKind::Ping(ping) => Some((Opcode::Pong, &ping[..])),
                // Messages after the server's Close are not delivered.
                ItemKind::Message(..) if !item.delivered && self.over.is_some() => None,
                ItemKind::Message(..) | ItemKind::Request(_) if !item.delivered => {
                    return Err("what it would answer has not been delivered".into());
                }
                _ => item.replies.get(self.cursor.1).map(|(opcode, payload)| (*opcode, &payload[..])),
            };
            match expected {
                None => self.cursor = (self.cursor.0 + 1, 0),
                Some(expected) if expected != (opcode, payload) => {
                    let (opcode, payload) = expected;
                    return Err(format!("the turn is {opcode:?}'s, of {} bytes", payload.len()));
                }
                Some((Opcode::Pong, _)) => {
                    self.cursor = (self.cursor.0 + 1, 0);
                    return Ok(());
                }
                Some(_) => {
                    self.cursor.1 += 1;
                    return Ok(());
                }
            }
        }
        Err("it answers nothing".into())
    }

    /// Returns a reply that should have been sent before the Close. This includes Pongs, up to the last message that was delivered or, if
    /// `through`, up to the client's own Close or violation.
    fn missing_reply(&self, through: bool) -> Option<String> {
        let script = &self.output.script;
        let last = script.iter().rposition(|item| item.delivered).map_or(0, |at| at + 1);
        let end = script.iter().position(|item| matches!(item.what, ItemKind::Close(_) | ItemKind::Fault(_)));
        let end = if through { end.unwrap_or(last).max(last) } else { last };
        (self.cursor.0..end.min(script.len())).find_map(|at| {
            let answered = if at == self.cursor.0 { self.cursor.1 } else { 0 };
            let item = &script[at];
            let is_missing = matches!(item.what, ItemKind::Ping(_)) || item.replies.len() > answered;
            is_missing.then(|| format!("the answer to {:.80} is missing", format!("{:?}", item.what)))
        })
    }

    /// Clears the pending Ping if it was answered: by any bytes under the policy for idle peers, by its Pong otherwise.
    pub(crate) fn clear_answered_ping(&mut self, policy: PingPolicy, read: usize, read_at: Duration) {
        let Some((sent, payload)) = &self.ping else { return };
        let is_answered = match policy {
            PingPolicy::WhenIdle => read_at >= *sent,
            PingPolicy::Always => self.answers.iter().any(|(end, pong)| *end <= read && pong == payload),
        };
        if is_answered {
            self.answers.clear();
            self.ping = None;
        }
    }
}
