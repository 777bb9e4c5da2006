//! The application of the tests: it does what messages ask it to, and logs the calls of its handler.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use crate::http::{Refusal, Request, Response, Status};
use crate::worker::{
    Accept, Closed, Conn, ConnId, Connecting, Connections, Context, Decision, Ending, Handler, Turn, Verdict,
};
use crate::ws::handshake::refusal_of_http;
use crate::ws::{CloseCode, Message};

/// The calls of the handler, in order.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) opened: Vec<ConnId>,
    pub(super) messages: Vec<String>,
    pub(super) closed: Vec<(ConnId, String)>,
    /// Number of messages that did not fit the outbox.
    pub(super) full: usize,
    pub(super) ticks: usize,
}

impl Log {
    /// Returns the reason why the last connection ended.
    pub(super) fn last_close(&self) -> &str {
        self.closed.last().map_or("", |(_, why)| why)
    }
}

fn code_of(ending: Ending<'_>) -> u16 {
    ending.reason.map_or(1005, |reason| reason.close_code().get())
}

/// The test's code for the application's next turn.
pub(super) type InTurn = Box<dyn FnOnce(&mut Connections<'_, usize>) -> Turn>;

pub(super) struct App {
    pub(super) log: Rc<RefCell<Log>>,
    pub(super) in_turn: Rc<RefCell<Option<InTurn>>>,
    pub(super) tick_interval: Option<Duration>,
    /// Pending decisions, the latest last.
    pub(super) decisions: Rc<RefCell<Vec<Decision<usize>>>>,
}

impl App {
    fn put_off<D>(&self, connecting: &mut Connecting<'_>) -> Verdict<D> {
        connecting.later(|decision| self.decisions.borrow_mut().push(decision))
    }
}

impl Handler for App {
    /// The length of the path, so that tests can check the data.
    type Data = usize;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<usize> {
        let request = connecting.request();
        let accept = Accept::new(request.path().len());
        if let Some(resolved) = connecting.take_resolved::<usize>() {
            return match resolved {
                0 => Verdict::Refuse(
                    Response::new(Status::FORBIDDEN).body("application/json", "{\"error\":1}"),
                ),
                1 => self.put_off(connecting),
                resolved => Accept::new(resolved).into(),
            };
        }
        match request.path() {
            "/later" | "/greeted/later" | "/turned-away/later" => self.put_off(connecting),
            "/later-or-now" => {
                let _ = self.put_off::<Infallible>(connecting);
                accept.into()
            }
            "/forbidden" => Refusal::new(Status::FORBIDDEN, "not you").into(),
            "/uncompressed" => accept.uncompressed().into(),
            "/enveloped" => accept.enveloped().into(),
            _ => accept.into(),
        }
    }

    /// Answers `/later` with the resolved value, `/ok` with a text, `/last` likewise and ends the connection, `/none` with 204, `/big?N` with N
    /// bytes, and refuses `/json` with JSON. Everything else gets the default.
    fn request(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Infallible> {
        let request = connecting.request();
        let ok = Response::new(Status::OK);
        if let Some(resolved) = connecting.take_resolved::<usize>() {
            return Verdict::Respond(ok.body("text/plain", format!("{resolved}\n")));
        }
        match request.path() {
            "/later" => self.put_off(connecting),
            "/ok" => Verdict::Respond(ok.body("text/plain", "ok\n")),
            "/last" => Verdict::Respond(ok.body("text/plain", "bye\n").close()),
            "/none" => Verdict::Respond(Response::new(Status::NO_CONTENT)),
            "/json" => Verdict::Refuse(Response::new(Status::NOT_FOUND).body("application/json", "{}")),
            "/big" => {
                let len = request.query().and_then(|len| len.parse().ok()).unwrap();
                Verdict::Respond(ok.body("application/octet-stream", vec![b'x'; len]))
            }
            _ => refusal_of_http(&request).into(),
        }
    }

    fn open(&mut self, conn: &mut Conn<'_, usize>, request: &Request<'_>) {
        self.log.borrow_mut().opened.push(conn.id());
        match request.path() {
            "/greeted" | "/greeted/later" => conn.send(Message::Text("hello")).unwrap(),
            "/turned-away" | "/turned-away/later" => conn.close(CloseCode::POLICY_VIOLATION, "no"),
            _ => {}
        }
    }

    /// Closes the connection on `close`, does not answer `quiet`, answers `big N` with N bytes, charges work for `costs N`, and echoes
    /// everything else.
    fn message(&mut self, conn: &mut Conn<'_, usize>, message: Message<'_>) {
        let mut log = self.log.borrow_mut();
        let Message::Text(text) = message else {
            log.full += usize::from(conn.send(message).is_err());
            return;
        };
        log.messages.push(text.to_owned());
        if text == "close" {
            conn.close(CloseCode::NORMAL, "as you say");
        } else if let Some(len) = text.strip_prefix("big ") {
            let bytes = vec![7; len.parse().unwrap()];
            log.full += usize::from(conn.send(Message::Binary(&bytes)).is_err());
        } else if let Some(work) = text.strip_prefix("costs ") {
            conn.charge(work.parse().unwrap());
        } else if text != "quiet" {
            log.full += usize::from(conn.send(message).is_err());
        }
    }

    fn close(&mut self, id: ConnId, data: usize, reason: Closed<'_>) {
        assert!(data > 0, "the data came back");
        let why = match reason {
            Closed::ByPeer(ending) => format!("by peer {}", code_of(ending)),
            Closed::ByUs(ending) => format!("by us {}", code_of(ending)),
            Closed::Failed(error) => format!("failed {}", error.close_code()),
            Closed::MessageTimeout => "message timeout".into(),
            Closed::PongTimeout => "pong timeout".into(),
            Closed::OutboxOverflow => "outbox overflow".into(),
            Closed::BuffersExhausted => "buffers exhausted".into(),
            Closed::Lost => "lost".into(),
        };
        self.log.borrow_mut().closed.push((id, why));
    }

    fn turn(&mut self, connections: &mut Connections<'_, usize>) -> Turn {
        let act = self.in_turn.borrow_mut().take();
        act.map_or(Turn::Idle, |act| act(connections))
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.tick_interval
    }

    fn tick(&mut self, _: &Context<'_>) {
        self.log.borrow_mut().ticks += 1;
    }
}
