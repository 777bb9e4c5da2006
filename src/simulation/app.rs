//! The application: it acts as the model decides, and reports its events to the model.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::behavior::EndReason;
use super::model::Model;
use super::output::AppAction;
use super::world::World;
use crate::http::{Refusal, Request, Status};
use crate::worker::{
    Accept, Closed, Conn, ConnId, Connecting, Context, Ending, Handle, Handler, SendError, Verdict,
};
use crate::ws::{CloseCode, Message, Opcode, encode};

pub(crate) struct App {
    pub(crate) model: Rc<RefCell<Model>>,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) handle: Handle,
    pub(crate) tick_interval: Option<Duration>,
}

/// Returns the payload of an answer of `len` bytes.
pub(crate) fn answer(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect()
}

/// Converts the reason why a connection ended to that of the model.
pub(crate) fn end_reason(reason: Closed<'_>) -> EndReason {
    match reason {
        Closed::ByPeer(ending) => EndReason::ByPeer(code_of(ending)),
        Closed::ByUs(ending) => EndReason::ByUs(code_of(ending), ending.text.into()),
        Closed::Failed(error) => EndReason::Failed(error.close_code().get()),
        Closed::PongTimeout => EndReason::PongTimeout,
        Closed::OutboxOverflow => EndReason::Overflow,
        Closed::BuffersExhausted => EndReason::Exhausted,
        Closed::MessageTimeout => EndReason::MessageTimeout,
        Closed::Lost => EndReason::Lost,
    }
}

fn code_of(ending: Ending<'_>) -> Option<u16> {
    ending.reason.map(|reason| reason.close_code().get())
}

impl App {
    fn send(&self, conn: &mut Conn<'_, usize>, opcode: Opcode, payload: &[u8]) {
        let room = conn.outbox_limit().saturating_sub(conn.buffered());
        let fits = encode::frame_len(payload.len()) <= room;
        let message = match opcode {
            Opcode::Text => Message::Text(std::str::from_utf8(payload).unwrap_or("")),
            _ => Message::Binary(payload),
        };
        let mut model = self.model.borrow_mut();
        let result = conn.send(message);
        let is_within = conn.buffered() <= conn.outbox_limit();
        let client = &model.clients[*conn.data()];
        let may_shrink = client.output.offer.is_some() && model.setup.limits.deflation.is_some();
        match (result, client.app_close) {
            (Ok(()), None) if fits || (may_shrink && is_within) => {
                model.replied(*conn.data(), opcode, payload);
            }
            (Err(SendError::OutboxFull), None) if !fits => {}
            (Err(SendError::Closing), Some(_)) => {}
            (result, asked) => {
                let bytes = payload.len();
                model.fail(format!(
                    "client {}: sending {bytes} bytes into room for {room} gave {result:?}, close {asked:?}",
                    conn.data()
                ));
            }
        }
    }

    fn close_from_within(&self, conn: &mut Conn<'_, usize>, code: u16) {
        self.model.borrow_mut().clients[*conn.data()].app_close.get_or_insert(code);
        conn.close(CloseCode::new(code).unwrap_or(CloseCode::NORMAL), "app");
    }
}

impl Handler for App {
    /// The client's number.
    type Data = usize;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<usize> {
        let number = connecting.request().path().strip_prefix('/').and_then(|number| number.parse().ok());
        if let Some(resolved) = connecting.take_resolved::<usize>() {
            if number != Some(resolved) {
                self.model.borrow_mut().fail(format!(
                    "the result of the decision on client {resolved} is passed for client {number:?}"
                ));
            }
        } else if let Some(number) = number
            && self.model.borrow().defers(number)
        {
            let now = self.world.borrow().now;
            return connecting
                .later(|decision| self.model.borrow_mut().defer_decision(number, decision, now));
        }
        number.map(Accept::new).ok_or(Refusal::new(Status::FORBIDDEN, "not you")).into()
    }

    fn open(&mut self, conn: &mut Conn<'_, usize>, _: &Request<'_>) {
        let number = *conn.data();
        let now = self.world.borrow().now;
        self.model.borrow_mut().opened(number, conn.id(), now);
        if number % 4 == 1 {
            self.send(conn, Opcode::Text, b"hello");
        }
        if number % 16 == 15 {
            self.close_from_within(conn, 1008);
            self.send(conn, Opcode::Text, b"too late");
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, usize>, message: Message<'_>) {
        let number = *conn.data();
        let read = self.world.borrow().connections[number].read;
        let order = self.model.borrow_mut().message(number, conn.id(), message, read);
        match order {
            AppAction::Quiet => {}
            AppAction::Echo => self.send(conn, message.opcode(), message.as_bytes()),
            AppAction::Repeat(times) => {
                (0..times).for_each(|_| self.send(conn, message.opcode(), message.as_bytes()))
            }
            AppAction::Answer(len) => self.send(conn, Opcode::Binary, &answer(len)),
            AppAction::Close(code) => {
                self.send(conn, message.opcode(), message.as_bytes());
                self.close_from_within(conn, code);
                self.send(conn, Opcode::Text, b"too late");
            }
            AppAction::Post => {
                let now = self.world.borrow().now;
                self.model.borrow_mut().post_to(&self.handle, Some(number), conn.id(), 20, now);
            }
            AppAction::Drain => {
                let now = self.world.borrow().now;
                self.model.borrow_mut().drain(&self.handle, Duration::from_secs(3), now);
            }
        }
    }

    fn close(&mut self, id: ConnId, data: usize, reason: Closed<'_>) {
        let why = end_reason(reason);
        let world = self.world.borrow();
        self.model.borrow_mut().closed(data, id, why, &world);
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.tick_interval
    }

    fn tick(&mut self, context: &Context<'_>) {
        let now = self.world.borrow().now;
        let mut model = self.model.borrow_mut();
        let open = model.clients.iter().filter(|client| client.is_open()).count();
        if open != context.open() {
            model.fail(format!(
                "the handler's tick received {} open WebSockets instead of {open}",
                context.open()
            ));
        }
        model.ticks.push(now);
    }
}
