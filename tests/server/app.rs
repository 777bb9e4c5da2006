//! The server of the tests: an echo that also does what it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use throng::http::{Refusal, Request, Response, Status};
use throng::ws::handshake::refusal_of_http;
use throng::{
    Accept, Builder, CloseCode, Closed, Conn, ConnId, Connecting, Handler, Message, Pinning, Server, Verdict,
};

/// What the application was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Opened(ConnId),
    Closed(ConnId, String),
}

pub(crate) struct App {
    told: Sender<Told>,
}

impl App {
    /// One that nobody listens to.
    pub(crate) fn silent() -> Self {
        Self { told: channel().0 }
    }
}

impl Handler for App {
    /// Messages received.
    type Data = u64;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<u64> {
        let request = connecting.request();
        if request.path() == "/secret" && request.query() != Some("key=1") {
            return Refusal::new(Status::UNAUTHORIZED, "not without the key").into();
        }
        let accept = Accept::new(0);
        let chosen = request.subprotocols().find(|name| name.starts_with("known"));
        // Nobody offers the other one, so it must not be sent.
        accept.subprotocol(chosen.unwrap_or("made-up")).into()
    }

    /// `/health` is answered; everything else that asks for no WebSocket is not served.
    fn request(&mut self, connecting: &mut Connecting<'_>) -> Verdict<Infallible> {
        let request = connecting.request();
        match request.path() {
            "/health" => Verdict::Respond(Response::new(Status::OK).body("text/plain", "ok\n")),
            _ => refusal_of_http(&request).into(),
        }
    }

    fn open(&mut self, conn: &mut Conn<'_, u64>, request: &Request<'_>) {
        let _ = self.told.send(Told::Opened(conn.id()));
        if request.path() == "/address" {
            let address = conn.peer_address().map_or("none".into(), |address| address.to_string());
            conn.send(Message::Text(&address)).unwrap();
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, u64>, message: Message<'_>) {
        *conn.data_mut() += 1;
        match message {
            Message::Text("count") => {
                let count = conn.data().to_string();
                conn.send(Message::Text(&count)).unwrap();
            }
            Message::Text("close") => conn.close(CloseCode::NORMAL, "as you say"),
            message => {
                if conn.send(message).is_err() {
                    conn.close(CloseCode::POLICY_VIOLATION, "too slow");
                }
            }
        }
    }

    fn close(&mut self, id: ConnId, _: u64, reason: Closed<'_>) {
        let _ = self.told.send(Told::Closed(id, format!("{reason:?}")));
    }
}

/// A server and what its application is told.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) told: Receiver<Told>,
    pub(crate) address: SocketAddr,
}

/// One worker, on any port of 127.0.0.1.
pub(crate) fn start(settings: impl FnOnce(Builder) -> Builder) -> Running {
    let builder = Server::builder().pinning(Pinning::Off).workers(1).listen("127.0.0.1:0".parse().unwrap());
    start_at(settings(builder))
}

/// Wherever the settings say.
pub(crate) fn start_at(builder: Builder) -> Running {
    let (told, receiver) = channel();
    let server = builder.start(move |_| App { told: told.clone() }).unwrap();
    let address = server.addresses().first().copied().unwrap_or(([0, 0, 0, 0], 0).into());
    Running { server, told: receiver, address }
}

impl Running {
    pub(crate) fn next_told(&self) -> Told {
        self.told.recv_timeout(super::client::PATIENCE).unwrap()
    }

    pub(crate) fn next_opened(&self) -> ConnId {
        match self.next_told() {
            Told::Opened(id) => id,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
