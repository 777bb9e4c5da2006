//! One client: what it is like, what it says and reads, and what is known of its connection.

use std::collections::VecDeque;
use std::time::Duration;

use super::choices::Choices;
use super::speech::{Bounds, Order, Speech};
use super::tap::{Heard, Tap};
use super::world::{Ending, Segment, World};
use crate::worker::ConnId;

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// Most bytes that it sends at a time.
    pub(crate) piece: usize,
    /// Most bytes that it reads at a time.
    pub(crate) sip: usize,
    /// It reads once in so many turns.
    pub(crate) reads: usize,
    /// It answers a Ping once in so many, or never; after how many turns.
    pub(crate) pong: Option<usize>,
    pub(crate) answers_close: bool,
    /// It breaks the protocol once in so many turns.
    pub(crate) faults: usize,
    /// It ends, resets or vanishes once in so many turns.
    pub(crate) quits: usize,
}

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

/// Why a connection is over for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    ByPeer(Option<u16>),
    ByUs(Option<u16>, String),
    Failed(u16),
    PongTimeout,
    MessageTimeout,
    Overflow,
    Exhausted,
    Lost,
}

/// A client and all that is known of its connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) habits: Habits,
    pub(crate) speech: Speech,
    /// Answers to Pings that wait for their turn.
    pongs: VecDeque<(usize, Vec<u8>)>,
    /// Those that were given, and where each ends in the client's stream.
    pub(crate) answers: Vec<(usize, Vec<u8>)>,
    /// It sends no more.
    pub(crate) has_ended: bool,
    /// It takes no part any more.
    pub(crate) has_left: bool,

    // What the server sends.
    pub(crate) tap: Tap,
    /// What was heard, with the end of each in the stream, until the client reads that far.
    pub(crate) heard: VecDeque<(usize, Heard)>,
    /// Bytes that the client has read.
    taken: usize,
    /// Bytes that were listened to.
    pub(crate) tapped: usize,
    pub(crate) response: Option<u16>,
    pub(crate) got_close: bool,
    /// Where our Close ends in the stream.
    pub(crate) close_end: Option<usize>,

    // What the application was told.
    pub(crate) id: Option<ConnId>,
    pub(crate) opened_at: Duration,
    pub(crate) over: Option<(Why, Duration)>,
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
    /// Reading rested for stuck output.
    pub(crate) pauses: Pauses,
    pub(crate) is_refused: bool,
    pub(crate) end_judged: bool,
}

impl Client {
    pub(crate) fn new(number: usize, habits: Habits) -> Self {
        Self {
            number,
            habits,
            speech: Speech::default(),
            pongs: VecDeque::new(),
            answers: Vec::new(),
            has_ended: false,
            has_left: false,
            tap: Tap::default(),
            heard: VecDeque::new(),
            taken: 0,
            tapped: 0,
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
            end_judged: false,
        }
    }

    /// Whether messages pass.
    pub(crate) const fn is_open(&self) -> bool {
        self.id.is_some() && self.over.is_none()
    }

    /// Says something new.
    pub(crate) fn say(&mut self, bounds: Bounds, choices: &Choices) {
        if self.has_ended || self.speech.pending.len() > 100_000 {
            return;
        }
        if self.speech.is_over {
            if choices.one_in(10) {
                self.speech.noise(choices);
            }
            return;
        }
        if choices.one_in(self.habits.faults) {
            return self.speech.fault(bounds, choices);
        }
        let small = choices.pick(&[0, 1, 5, 20, 125, 126, 300]);
        match choices.weigh(&[40, 10, 10, 10, 6, 3, 3, 2, 2, 2, 1]) {
            0 => self.speech.message(small, 1, Order::Echo, bounds, choices),
            1 => self.speech.message(small, choices.between(2, 5), Order::Echo, bounds, choices),
            2 => self.speech.ping(choices),
            3 => self.speech.message(small, 1, Order::Quiet, bounds, choices),
            4 => {
                let order = Order::Answer(choices.pick(&[0, 126, 500, 4_000, 70_000]));
                self.speech.message(small, 1, order, bounds, choices);
            }
            5 => self.speech.pong(b"unasked", choices),
            6 => {
                let len = choices.pick(&[
                    bounds.max_message,
                    bounds.max_message - 1,
                    65_535,
                    65_536,
                    bounds.fills_outbox,
                ]);
                let order = choices.pick(&[Order::Echo, Order::Quiet]);
                self.speech.message(len, choices.between(1, 64), order, bounds, choices);
            }
            7 => self.speech.message(small, 1, Order::Post, bounds, choices),
            8 => self.speech.message(small, 1, Order::Repeat(choices.between(2, 6)), bounds, choices),
            9 => {
                let code = choices.pick(&[None, Some(1000), Some(1001), Some(3000), Some(4999)]);
                self.speech.close(code, choices);
            }
            _ => {
                let code = choices.pick(&[1000, 1008, 3999]);
                let order =
                    if choices.one_in(12) && bounds.may_drain { Order::Drain } else { Order::Close(code) };
                self.speech.message(small, 1, order, bounds, choices);
            }
        }
    }

    /// Says more at once than an iteration reads from one connection.
    pub(crate) fn flood(&mut self, bounds: Bounds, choices: &Choices) {
        let len = choices.pick(&[0, 100, 1_000]).min(bounds.max_message);
        let what = choices.below(if self.speech.squeezer.is_some() { 5 } else { 3 });
        let order = choices.pick(&[Order::Quiet, Order::Echo]);
        let mut expanded = 0;
        while self.speech.pending.len() < 300_000 && !self.speech.is_over && !self.has_ended {
            match what {
                // A little that becomes much.
                3.. if expanded > 1_500_000 => break,
                3.. => {
                    self.speech.squeezed_message(bounds.max_message, order, bounds, choices);
                    expanded += bounds.max_message;
                }
                0 => self.speech.pong(&[0; 125], choices),
                1 => self.speech.message(len.max(100), 1, Order::Quiet, bounds, choices),
                _ => self.speech.ping(choices),
            }
        }
    }

    /// Begins a message, and returns how many bytes of Pings come before its end, which stays for later; `None` when it has nothing more to
    /// say.
    pub(crate) fn begin_message(
        &mut self,
        world: &mut World,
        bounds: Bounds,
        choices: &Choices,
    ) -> Option<usize> {
        if self.speech.is_over || self.has_ended {
            return None;
        }
        let pings = choices.pick(&[600, 2_000, 9_000]);
        let (first, flood) = self.speech.message_around(pings, bounds, choices);
        self.send(world, first);
        Some(flood)
    }

    /// Puts up to `most` bytes on the wire.
    pub(crate) fn send(&mut self, world: &mut World, most: usize) {
        if !self.has_ended && !self.speech.pending.is_empty() {
            let bytes = self.speech.take(most);
            world.connections[self.number].wire.push_back(Segment::Data(bytes));
        }
    }

    /// Reads up to `most` bytes, and does what they call for.
    pub(crate) fn read(&mut self, world: &mut World, most: usize, choices: &Choices) {
        self.taken += world.client_reads(self.number, most);
        while let Some((end, heard)) = self.heard.pop_front() {
            if end > self.taken {
                self.heard.push_front((end, heard));
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

    fn react(&mut self, heard: Heard, choices: &Choices) {
        match heard {
            Heard::Response(_, Some(agreement)) => self.speech.agree(agreement.client),
            Heard::Ping(payload) => {
                if let Some(turns) = self.habits.pong {
                    self.pongs.push_back((turns, payload));
                }
            }
            Heard::Close(code, _) if self.habits.answers_close && !self.speech.is_over => {
                // Sometimes something that had been on its way comes first.
                if choices.one_in(8) {
                    self.speech.ping(choices);
                }
                self.speech.close(code, choices);
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
            if !self.speech.is_over && !self.has_ended {
                self.speech.pong(&payload, choices);
                self.answers.push((self.speech.made(), payload));
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
