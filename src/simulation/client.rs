//! One client: its behavior, its streams, and what the model knows of its connection.

use std::collections::VecDeque;
use std::time::Duration;

use super::behavior::{Behavior, EndReason};
use super::choices::Choices;
use super::connection::{Ending, Segment};
use super::output::ClientOutput;
use super::parser::{Received, StreamParser};
use super::world::World;
use crate::worker::ConnId;

/// When a connection was not read from because its output was stuck: from the end of an iteration to that of another.
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

    /// Whether it was so at the end of the last iteration.
    pub(crate) fn last(&self) -> bool {
        matches!(self.0.last(), Some((_, None)))
    }

    /// How much of the time between the two moments it was so.
    pub(crate) fn between(&self, since: Duration, now: Duration) -> Duration {
        let parts = self.0.iter().map(|&(from, to)| (from.max(since), to.unwrap_or(now).min(now)));
        parts.map(|(from, to)| to.saturating_sub(from)).sum()
    }
}

/// A client and all that is known of its connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) behavior: Behavior,
    pub(crate) output: ClientOutput,
    /// Answers to Pings that wait for their turn.
    pongs: VecDeque<(usize, Vec<u8>)>,
    /// Those that were given, and where each ends in the client's stream.
    pub(crate) answers: Vec<(usize, Vec<u8>)>,
    /// It sends no more.
    pub(crate) has_ended: bool,
    /// It takes no part any more.
    pub(crate) has_left: bool,

    // What the server sends.
    pub(crate) parser: StreamParser,
    /// What was parsed, with the end of each in the stream, until the client reads that far.
    pub(crate) received: VecDeque<(usize, Received)>,
    /// Bytes that the client has read.
    taken: usize,
    /// Bytes of the server's stream that the model has parsed.
    pub(crate) observed: usize,
    pub(crate) response: Option<u16>,
    pub(crate) got_close: bool,
    /// Where our Close ends in the stream.
    pub(crate) close_end: Option<usize>,

    // What the application was told.
    pub(crate) id: Option<ConnId>,
    pub(crate) opened_at: Duration,
    pub(crate) over: Option<(EndReason, Duration)>,
    /// The application has asked to close with this code.
    pub(crate) app_close: Option<u16>,

    // What is owed to it.
    /// The first thing said that the application has still to be told of.
    pub(crate) next: usize,
    /// The first thing said, and reply to it, that has not been heard.
    pub(crate) cursor: (usize, usize),
    /// Mail that must reach it while it stays open, and the last that did.
    pub(crate) due: VecDeque<usize>,
    pub(crate) last_mail: Option<usize>,
    /// Bytes that may have been queued for it altogether.
    pub(crate) most_queued: usize,

    // Deadlines.
    /// A Ping that nothing has answered: when it left, and its payload.
    pub(crate) ping: Option<(Duration, Vec<u8>)>,
    /// Where that Ping ends in the stream.
    pub(crate) ping_end: usize,
    pub(crate) last_ping: Option<Duration>,
    /// When the first of its response left.
    pub(crate) answered_at: Option<Duration>,
    pub(crate) was_paused: bool,
    /// When last an iteration began or ended with input of its that we did not want to read, or were to go on reading.
    pub(crate) kept_waiting_at: Duration,
    pub(crate) is_kept_waiting: bool,
    /// The same with input that was read and not dealt with.
    pub(crate) unread_at: Duration,
    pub(crate) has_unread: bool,
    /// When reading was paused for output that the kernel did not take.
    pub(crate) pauses: Pauses,
    pub(crate) is_refused: bool,
    /// When the application put it off, and whether the decision was given up.
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
            has_unread: false,
            pauses: Pauses::default(),
            is_refused: false,
            put_off_at: None,
            is_given_up: false,
            end_checked: false,
        }
    }

    /// Whether messages pass.
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

    /// Reads up to `most` bytes, and does what they call for.
    pub(crate) fn read(&mut self, world: &mut World, most: usize, choices: &Choices) {
        self.taken += world.client_reads(self.number, most);
        while let Some((end, heard)) = self.received.pop_front() {
            if end > self.taken {
                self.received.push_front((end, heard));
                break;
            }
            self.react(heard, choices);
        }
        let connection = &world.connections[self.number];
        match connection.ending {
            Ending::Reset => self.leave(),
            // It was told everything: there is nobody to talk to.
            Ending::Clean if connection.outbound.is_empty() => self.end(world),
            _ => {}
        }
    }

    fn react(&mut self, heard: Received, choices: &Choices) {
        match heard {
            Received::Response(_, Some(agreement)) => self.output.agree(agreement.client),
            Received::Ping(payload) => {
                if let Some(turns) = self.behavior.pong_delay {
                    self.pongs.push_back((turns, payload));
                }
            }
            Received::Close(code, _) if self.behavior.answers_close && !self.output.is_finished => {
                // Sometimes something that had been on its way comes first.
                if choices.one_in(8) {
                    self.output.ping(choices);
                }
                self.output.close(code, choices);
            }
            _ => {}
        }
    }

    /// Answers the Pings whose turn it is.
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

    /// Ends its half of the stream, behind all that is on the wire.
    pub(crate) fn end(&mut self, world: &mut World) {
        if !std::mem::replace(&mut self.has_ended, true) {
            world.connections[self.number].wire.push_back(Segment::End);
        }
    }

    /// Resets the connection, with what is on the wire or overtaking it.
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

    /// Closes its socket: a reset if there is anything that it has not read.
    pub(crate) fn vanish(&mut self, world: &mut World) {
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
