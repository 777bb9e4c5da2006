//! A client: its behavior, its streams, and the model's knowledge of its connection.

use std::collections::VecDeque;
use std::time::Duration;

use super::behavior::{Behavior, EndReason};
use super::choices::Choices;
use super::connection::{Ending, Segment};
use super::output::ClientOutput;
use super::parser::{Received, StreamParser};
use super::world::World;
use crate::worker::ConnId;

/// The periods in which reading from a connection was paused because of stuck output, from the end of one iteration to that of another.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Vec<(Duration, Option<Duration>)>);

impl Pauses {
    pub(crate) fn set(&mut self, is_paused: bool, now: Duration) {
        match self.0.last_mut() {
            Some((_, end @ None)) if !is_paused => *end = Some(now),
            Some((_, None)) => {}
            _ if is_paused => self.0.push((now, None)),
            _ => {}
        }
    }

    /// Returns whether reading was paused at the end of the last iteration.
    pub(crate) fn last(&self) -> bool {
        matches!(self.0.last(), Some((_, None)))
    }

    /// Returns the time between `since` and `now` in which reading was paused.
    pub(crate) fn between(&self, since: Duration, now: Duration) -> Duration {
        let parts = self.0.iter().map(|&(from, to)| (from.max(since), to.unwrap_or(now).min(now)));
        parts.map(|(from, to)| to.saturating_sub(from)).sum()
    }
}

/// A client and the model's knowledge of its connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) behavior: Behavior,
    pub(crate) output: ClientOutput,
    /// Pongs to be sent, each with the turns until then.
    pongs: VecDeque<(usize, Vec<u8>)>,
    /// Pongs that were sent, each with the offset of its end in the client's stream.
    pub(crate) answers: Vec<(usize, Vec<u8>)>,
    /// Whether the client has ended its half of the stream.
    pub(crate) has_ended: bool,
    /// Whether the client takes no further part in the run.
    pub(crate) has_left: bool,

    // The server's output.
    pub(crate) parser: StreamParser,
    /// Parsed items that the client has not read to the end, each with the offset of its end in the stream.
    pub(crate) received: VecDeque<(usize, Received)>,
    /// Bytes that the client has read.
    taken: usize,
    /// Bytes of the server's stream that the model has parsed.
    pub(crate) observed: usize,
    pub(crate) response: Option<u16>,
    pub(crate) got_close: bool,
    /// The offset of the end of the server's Close in the stream.
    pub(crate) close_end: Option<usize>,

    // The application's events.
    pub(crate) id: Option<ConnId>,
    pub(crate) opened_at: Duration,
    pub(crate) over: Option<(EndReason, Duration)>,
    /// The code with which the application has asked to close the connection.
    pub(crate) app_close: Option<u16>,

    // The expected deliveries.
    /// The index of the first item of the client's output that the application has not received.
    pub(crate) next: usize,
    /// The index of the first item whose replies the client has not all received, and the number of its replies received.
    pub(crate) cursor: (usize, usize),
    /// Mails that must reach the client while it is open; `last_mail` is the last that did.
    pub(crate) due: VecDeque<usize>,
    pub(crate) last_mail: Option<usize>,
    /// The most bytes that may have been queued for the client in all.
    pub(crate) most_queued: usize,

    // Deadlines.
    /// The time when an unanswered Ping was sent, and its payload.
    pub(crate) ping: Option<(Duration, Vec<u8>)>,
    /// The offset of that Ping's end in the stream.
    pub(crate) ping_end: usize,
    pub(crate) last_ping: Option<Duration>,
    /// The time when the first bytes of the response were sent.
    pub(crate) answered_at: Option<Duration>,
    pub(crate) was_paused: bool,
    /// The time of the last iteration that began or ended with input that the worker did not read, or was to read in a later iteration.
    pub(crate) kept_waiting_at: Duration,
    pub(crate) is_kept_waiting: bool,
    /// The time of the last iteration that began or ended with input that was read but not handled.
    pub(crate) unread_at: Duration,
    pub(crate) has_unhandled: bool,
    /// The periods in which reading was paused because the kernel did not take output.
    pub(crate) pauses: Pauses,
    pub(crate) is_refused: bool,
    /// The time when the application deferred its decision; `is_given_up` is whether the decision was dropped.
    pub(crate) put_off_at: Option<Duration>,
    pub(crate) is_given_up: bool,
    pub(crate) end_checked: bool,
}

impl Client {
    pub(crate) fn new(number: usize, behavior: Behavior) -> Self {
        Self {
            number,
            behavior,
            output: ClientOutput::default(),
            pongs: VecDeque::new(),
            answers: Vec::new(),
            has_ended: false,
            has_left: false,
            parser: StreamParser::default(),
            received: VecDeque::new(),
            taken: 0,
            observed: 0,
            response: None,
            got_close: false,
            close_end: None,
            id: None,
            opened_at: Duration::ZERO,
            over: None,
            app_close: None,
            next: 0,
            cursor: (0, 0),
            due: VecDeque::new(),
            last_mail: None,
            most_queued: 0,
            ping: None,
            ping_end: 0,
            last_ping: None,
            answered_at: None,
            was_paused: false,
            kept_waiting_at: Duration::ZERO,
            is_kept_waiting: false,
            unread_at: Duration::ZERO,
            has_unhandled: false,
            pauses: Pauses::default(),
            is_refused: false,
            put_off_at: None,
            is_given_up: false,
            end_checked: false,
        }
    }

    /// Returns whether the connection is open for messages.
    pub(crate) const fn is_open(&self) -> bool {
        self.id.is_some() && self.over.is_none()
    }

    /// Puts up to `most` bytes on the wire.
    pub(crate) fn send(&mut self, world: &mut World, most: usize) {
        if !self.has_ended && !self.output.pending.is_empty() {
            let bytes = self.output.take(most);
            world.connections[self.number].wire.push_back(Segment::Data(bytes));
        }
    }

    /// Reads up to `most` bytes and reacts to them.
    pub(crate) fn read(&mut self, world: &mut World, most: usize, choices: &Choices) {
        self.taken += world.client_reads(self.number, most);
        while let Some((end, received)) = self.received.pop_front() {
            if end > self.taken {
                self.received.push_front((end, received));
                break;
            }
            self.react(received, choices);
        }
        let connection = &world.connections[self.number];
        match connection.ending {
            Ending::Reset => self.leave(),
            // The client has received all of the stream, and the server reads no more.
            Ending::Clean if connection.outbound.is_empty() => self.end(world),
            _ => {}
        }
    }

    fn react(&mut self, received: Received, choices: &Choices) {
        match received {
            Received::Response(_, Some(agreement)) => self.output.agree(agreement.client),
            Received::Ping(payload) => {
                if let Some(turns) = self.behavior.pong_delay {
                    self.pongs.push_back((turns, payload));
                }
            }
            Received::Close(code, _) if self.behavior.answers_close && !self.output.is_finished => {
                // Sometimes a Ping that was already on its way comes first.
                if choices.one_in(8) {
                    self.output.ping(choices);
                }
                self.output.close(code, choices);
            }
            _ => {}
        }
    }

    /// Sends the Pongs whose delay has passed.
    pub(crate) fn answer(&mut self, choices: &Choices) {
        self.pongs.iter_mut().for_each(|(turns, _)| *turns = turns.saturating_sub(1));
        while self.pongs.front().is_some_and(|(turns, _)| *turns == 0)
            && let Some((_, payload)) = self.pongs.pop_front()
        {
            if !self.output.is_finished && !self.has_ended {
                self.output.pong(&payload, choices);
                self.answers.push((self.output.produced(), payload));
            }
        }
    }

    /// Ends the client's half of the stream, after all segments on the wire.
    pub(crate) fn end(&mut self, world: &mut World) {
        if !std::mem::replace(&mut self.has_ended, true) {
            world.connections[self.number].wire.push_back(Segment::End);
        }
    }

    /// Resets the connection, after the segments on the wire or discarding them.
    pub(crate) fn reset(&mut self, world: &mut World, overtakes: bool) {
        let connection = &mut world.connections[self.number];
        if overtakes {
            connection.wire.clear();
        }
        connection.wire.push_back(Segment::Reset);
        connection.client_gone = true;
        self.has_ended = true;
        self.leave();
    }

    /// Closes the client's socket, with a reset if it has unread data.
    pub(crate) fn close_socket(&mut self, world: &mut World) {
        if !world.connections[self.number].outbound.is_empty() {
            return self.reset(world, false);
        }
        self.end(world);
        world.connections[self.number].client_gone = true;
        self.leave();
    }

    pub(crate) const fn leave(&mut self) {
        self.has_left = true;
    }
}
