//! Checks of the state while the worker is idle: it must have nothing left to do.

use std::time::Duration;

use super::app::App;
use super::connection::{Connection, Fd};
use super::model::Model;
use super::net::Net;
use super::read_pace::{ReadPace, whole_ticks};
use super::world::World;
use crate::base::ticks::TICK;
use crate::budget::{LINGER, READ_BUFFER, REPLY_FLUSH};
use crate::worker::{ConnectionSnapshot, Flags, PingPolicy, State, Worker};
use crate::ws::deflate::ContextTakeover;

/// Bytes of output that the outbox limit does not count: Pongs up to the size at which they are flushed and those to one more read, a Ping,
/// a Close, and the response.
const BEYOND_OUTBOX: usize = REPLY_FLUSH + READ_BUFFER + 1024;

impl Model {
    /// Checks the whole state. The worker is about to sleep.
    pub(crate) fn check_idle(&mut self, worker: &Worker<Net, App>, world: &World) -> Result<(), String> {
        let inventory = worker.inventory();
        let must = |holds: bool, what: &str| {
            if holds { Ok(()) } else { Err(format!("while idle, {what}: {inventory:?}")) }
        };
        must(inventory.revisits == 0, "connections are to be looked at again")?;
        must(inventory.dirty == 0, "output waits for the end of the iteration")?;
        must(!inventory.is_broadcasting, "a broadcast is half done")?;
        must(!worker.discards_mail(), "mail waits")?;
        (self.mailbox_len, self.mailbox_broadcast_bytes) = (0, 0);
        must(inventory.buffers <= self.setup.limits.buffers, "buffers are over their limit")?;
        must(inventory.sides > 0 || inventory.buffers == 0, "buffers belong to nobody")?;
        must(inventory.records == world.held(), "records are not the sockets that are held")?;
        must(inventory.counted == inventory.records - inventory.refused, "connections are counted wrong")?;
        let limits = &self.setup.limits;
        must(
            inventory.counted <= limits.server_connections.min(limits.worker_connections),
            "too many connections",
        )?;
        if let Some(at) = inventory.accepts_at {
            must(at > world.now, "accepting should go on")?;
        } else {
            let mut listeners = world.listeners.iter().filter(|listener| !listener.closed);
            must(listeners.all(|listener| listener.queue.is_empty()), "clients wait to be accepted")?;
        }
        if let Some((since, time)) = self.draining {
            must(inventory.is_draining, "the drain has not begun")?;
            must(world.now < since.max(self.drain_seen) + time, "the drain is over time")?;
        }
        let (mut refused, mut open, mut sides, mut context, mut deciding) = (0, 0, 0, 0, 0);
        for snapshot in worker.connections() {
            refused += usize::from(snapshot.flags.has(Flags::REFUSED));
            open += u64::from(snapshot.has_data);
            deciding += u64::from(snapshot.state == State::Deciding);
            sides += usize::from(snapshot.has_side);
            context += snapshot.window_bytes;
            let number = snapshot.socket.0;
            self.check_connection(&snapshot, world)
                .map_err(|what| format!("while idle, client {number}: {what}; {snapshot:?}"))?;
        }
        must(refused == inventory.refused, "refused connections are counted wrong")?;
        must(sides == inventory.sides, "side records belong to nobody")?;
        let counters = worker.counters();
        must(counters.open.get() == open, "open WebSockets are counted wrong")?;
        must(counters.sockets.get() == inventory.records as u64, "sockets are counted wrong")?;
        must(counters.buffered_bytes.get() == inventory.buffers as u64, "buffered bytes are counted wrong")?;
        must(counters.context_bytes.get() == context as u64, "bytes of windows are counted wrong")?;
        must(counters.bugs.get() == 0, "bugs were counted")?;
        must(inventory.decisions == self.decisions.len(), "a decision was made and not heeded")?;
        must(counters.decisions_pending.get() == deciding, "decisions are counted wrong")?;
        let awaited = self.decisions.iter().filter(|(_, decision)| decision.is_awaited()).count();
        must(awaited as u64 == deciding, "a decision says that it is awaited, and is not")?;
        self.check_ticks(world.now)
    }

    fn check_ticks(&self, now: Duration) -> Result<(), String> {
        let Some(interval) = self.setup.tick_interval else { return Ok(()) };
        let (count, last) = (self.ticks.len(), self.ticks.last().copied().unwrap_or(self.started));
        if now - last > interval {
            return Err(format!("while idle, the application's tick is over time: the last was at {last:?}"));
        }
        let most = (now - self.started).as_millis() / interval.as_millis();
        if count as u128 > most {
            return Err(format!("{count} ticks of the application in the time for {most}"));
        }
        Ok(())
    }

    fn check_connection(
        &mut self,
        snapshot: &ConnectionSnapshot<'_, Fd>,
        world: &World,
    ) -> Result<(), String> {
        let number = snapshot.socket.0;
        let (connection, now) = (&world.connections[number], world.now);
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let (flags, queued) = (snapshot.flags, snapshot.queued);
        let (paused, blocked) = (flags.has(Flags::PAUSED), flags.has(Flags::BLOCKED));
        must(paused || !connection.is_readable(), "there is something to read")?;
        let is_deciding = snapshot.state == State::Deciding;
        must(!paused || queued > 0 || is_deciding, "reading is paused for no output")?;
        must(paused || !is_deciding, "what follows a request that is put off is read")?;
        let is_abandoned = connection.client_ended || connection.client_reset;
        must(!is_deciding || !is_abandoned, "its client does not wait for the decision any more")?;
        must(paused || !snapshot.has_unhandled, "input was read and not dealt with")?;
        must(queued == 0 || blocked, "output waits for nothing")?;
        must(!blocked || !connection.is_writable(), "the kernel has room, and it was not told")?;
        must(!blocked || connection.wants_room, "nobody will tell it of room")?;
        must(!snapshot.has_empty_side, "its side record is empty")?;
        must(queued <= self.setup.limits.outbox + BEYOND_OUTBOX, "its outbox is over the limit")?;
        must(!flags.has(Flags::REVISIT) && !flags.has(Flags::DIRTY), "a flag says that it stands in a list")?;
        must(snapshot.window_bytes <= self.most_context(), "its windows are too large")?;
        must(snapshot.has_data == (snapshot.state == State::Open), "the handler knows it in another state")?;
        let finished = snapshot.state == State::Lingering && queued == 0;
        must(!finished || flags.has(Flags::WRITE_SHUT), "its writing half should be ended")?;
        let needs_timer = snapshot.state != State::Open || self.setup.limits.ping_interval.is_some();
        must(snapshot.due.is_some() == needs_timer, "its timer is wrong")?;
        self.check_admission(snapshot, connection)?;

        let limits = &self.setup.limits;
        let client = &mut self.clients[number];
        client.was_paused = paused;
        client.is_refused = flags.has(Flags::REFUSED);
        let deadline = match snapshot.state {
            State::Open => return self.check_open(number, snapshot, world),
            State::Deciding => client.put_off_at.unwrap_or_default() + limits.decision_timeout,
            State::Handshaking if client.is_refused => {
                connection.accepted_at.unwrap_or(now) + limits.handshake_timeout.min(LINGER)
            }
            State::Handshaking => connection.accepted_at.unwrap_or(now) + limits.handshake_timeout,
            _ => {
                let deadline = match (&client.over, client.answered_at) {
                    (Some((_, since)), _) => *since + limits.close_timeout,
                    (None, since) => since.unwrap_or(now) + LINGER,
                };
                let pace = ReadPace::of_closes(limits);
                if connection.is_bounded() && !client.is_refused {
                    let end = client.close_end.unwrap_or(usize::MAX);
                    return connection.must_take((deadline.max(world.jumped_at), end), pace, now);
                }
                // The worker checks the bytes before its Close, and again after the client has taken them.
                let looked_at = connection.freed_at.map(|freed| freed + 2 * pace.window + TICK);
                looked_at.map_or(deadline, |at| at.max(deadline))
            }
        };
        must(now < deadline + TICK, &format!("its time was up at {deadline:?}"))
    }

    /// Returns the most bytes of the windows of one connection.
    fn most_context(&self) -> usize {
        match self.setup.limits.deflation.map(|deflation| deflation.context) {
            Some(ContextTakeover::Window(bits)) => 2 << bits,
            Some(ContextTakeover::Off) | None => 0,
        }
    }

    /// Checks that connections are refused at a limit, and only there.
    fn check_admission(
        &self,
        snapshot: &ConnectionSnapshot<'_, Fd>,
        connection: &Connection,
    ) -> Result<(), String> {
        let limits = &self.setup.limits;
        let held = connection.held_before;
        let full = held >= limits.worker_connections;
        let may_be_full = held >= limits.worker_connections.min(limits.server_connections);
        match snapshot.flags.has(Flags::REFUSED) {
            true if may_be_full || self.draining.is_some() => Ok(()),
            true => Err(format!("it is refused with {held} connections")),
            false if full => Err(format!("it is served with {held} connections")),
            false => Ok(()),
        }
    }

    /// Checks the time of a message that has begun, which stops while the worker does not read.
    fn check_message_time(
        &self,
        snapshot: &ConnectionSnapshot<'_, Fd>,
        connection: &Connection,
        now: Duration,
    ) -> Result<(), String> {
        let Some(timeout) = self.setup.limits.message_timeout else { return Ok(()) };
        let client = &self.clients[snapshot.socket.0];
        let start = client.output.start_of_partly_read(connection.read);
        if start.is_some() != snapshot.awaits_end {
            return Err(format!("what has begun at byte {start:?} is timed: {}", snapshot.awaits_end));
        }
        let Some(start) = start else { return Ok(()) };
        let since = connection.read_since(start).ok_or("nothing of a message that has begun is read")?;
        // Bytes that are compressed, or more than an iteration has time for, may be read long before they are decoded.
        let is_compressed = client.output.offer.is_some();
        let since = since.max(if is_compressed { client.kept_waiting_at } else { client.unread_at });
        let paused = client.pauses.between(since, now);
        if now >= since + timeout + paused + TICK {
            Err(format!("its message has begun at {since:?}, and for {paused:?} was not read from"))
        } else {
            Ok(())
        }
    }

    fn check_open(
        &mut self,
        number: usize,
        snapshot: &ConnectionSnapshot<'_, Fd>,
        world: &World,
    ) -> Result<(), String> {
        let (connection, now) = (&world.connections[number], world.now);
        if !snapshot.flags.has(Flags::PAUSED) {
            self.check_message_time(snapshot, connection, now)?;
        }
        let missing_output =
            if snapshot.queued == 0 { self.missing_output(number, connection.read) } else { None };
        if let Some(missing_output) = missing_output {
            return Err(format!("{missing_output} is missing"));
        }
        if snapshot.queued == 0 && !self.clients[number].parser.is_between() {
            return Err("a frame to it is not whole".into());
        }
        let limits = &self.setup.limits;
        let client = &mut self.clients[number];
        client.clear_answered_ping(limits.ping_policy, connection.read, connection.read_at);
        let Some(interval) = limits.ping_interval else { return Ok(()) };
        if let Some((sent, _)) = &client.ping {
            let pace = ReadPace::of_pongs(limits);
            connection.must_take(((*sent).max(world.jumped_at), client.ping_end), pace, now)?;
        }
        if snapshot.flags.has(Flags::PAUSED) {
            return Ok(());
        }
        let timeout = whole_ticks(limits.pong_timeout);
        if let Some((sent, _)) = &client.ping {
            let since = (*sent).max(connection.written_at);
            if !connection.is_bounded() && now > since + timeout + 2 * TICK {
                return Err(format!("its Pong was awaited from {since:?} on"));
            }
            return Ok(());
        }
        let seen = connection.read_at.max(connection.written_at).max(client.opened_at);
        let since = match limits.ping_policy {
            PingPolicy::WhenIdle => seen,
            PingPolicy::Always => client.last_ping.unwrap_or(client.opened_at),
        };
        // While a Pong is awaited beyond the interval, the timer is set to the Pong's deadline, and traffic does not move it. The timer is
        // set again when stuck output is sent.
        let looked_at = client.last_ping.map_or(Duration::ZERO, |sent| sent + timeout + TICK);
        // This also holds while a late peer takes the bytes before its Ping.
        let looked_at = looked_at.max(world.jumped_at + timeout);
        let looked_at = looked_at.max(connection.written_at + interval.min(timeout));
        if now > looked_at.max(since + whole_ticks(interval) * 3 / 2) + 2 * TICK {
            return Err(format!(
                "a Ping is over time at {now:?}, from {since:?} on, the last was at {:?}",
                client.last_ping
            ));
        }
        Ok(())
    }
}
