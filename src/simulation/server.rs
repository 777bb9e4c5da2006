//! A worker on any kernel, with an application that records its events, and a clock that the test moves.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::app::{answer, end_reason};
use super::behavior::EndReason;
use super::output::AppAction;
use crate::base::notifier::Wake;
use crate::http::{Refusal, Request, Status};
use crate::worker::{
    Accept, Closed, Conn, ConnId, Connecting, Handle, Handler, Limits, Os, OutputStatus, PeerEnd, Ready,
    Token, Verdict, Worker,
};
use crate::ws::{CloseCode, Message, Opcode};

/// A kernel whose clock moves only by the test, whose waits return at once, and whose random numbers are constant, so that two kernels
/// behave the same.
pub(crate) struct FixedClockOs<O> {
    os: O,
    now: Rc<Cell<Duration>>,
}

impl<O: Os> Os for FixedClockOs<O> {
    type Socket = O::Socket;
    type Listener = O::Listener;

    fn now(&self) -> Duration {
        self.now.get()
    }

    fn wait(&mut self, _: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.os.wait(Some(Duration::ZERO), ready)
    }

    fn watch_listener(&mut self, listener: &O::Listener, token: Token) -> io::Result<()> {
        self.os.watch_listener(listener, token)
    }

    fn watch(&mut self, socket: &O::Socket, token: Token) -> io::Result<()> {
        self.os.watch(socket, token)
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<O::Listener> {
        self.os.listen(address)
    }

    fn close_listener(&mut self, listener: O::Listener) {
        self.os.close_listener(listener);
    }

    fn accept(&mut self, listener: &O::Listener) -> io::Result<O::Socket> {
        self.os.accept(listener)
    }

    fn release_reserve(&mut self) -> bool {
        self.os.release_reserve()
    }

    fn refill_reserve(&mut self) {
        self.os.refill_reserve();
    }

    fn recv(&mut self, socket: &O::Socket, buffer: &mut [u8]) -> io::Result<usize> {
        self.os.recv(socket, buffer)
    }

    fn peer_end(&self, socket: &O::Socket) -> PeerEnd {
        self.os.peer_end(socket)
    }

    fn unread(&mut self, socket: &O::Socket) -> usize {
        self.os.unread(socket)
    }

    fn send(&mut self, socket: &O::Socket, bytes: &[u8]) -> io::Result<usize> {
        self.os.send(socket, bytes)
    }

    fn send_vectored(&mut self, socket: &O::Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.os.send_vectored(socket, slices)
    }

    fn limit_unsent(&mut self, socket: &O::Socket, bytes: u32) {
        self.os.limit_unsent(socket, bytes);
    }

    fn output_status(&self, _: &O::Socket) -> Option<OutputStatus> {
        // Two kernels need not acknowledge data at the same time.
        None
    }

    fn shutdown_write(&mut self, socket: &O::Socket) -> io::Result<()> {
        self.os.shutdown_write(socket)
    }

    fn close(&mut self, socket: O::Socket) {
        self.os.close(socket);
    }

    fn peer_address(&self, socket: &O::Socket) -> Option<SocketAddr> {
        self.os.peer_address(socket)
    }

    fn random(&mut self) -> u64 {
        // A constant, because two kernels may report connections in different orders.
        0x9e37_79b9_7f4a_7c15
    }
}

/// An event of the application for one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AppEvent {
    Opened,
    Message(Opcode, Vec<u8>),
    Closed(EndReason),
}

/// The application's events, by client.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) events: Vec<Vec<AppEvent>>,
    pub(crate) ids: Vec<Option<ConnId>>,
}

/// The application. It looks up its action on a message by the message's number.
pub(crate) struct Recorder {
    log: Rc<RefCell<Log>>,
    /// The actions on each client's messages, in order.
    actions: Rc<RefCell<Vec<Vec<AppAction>>>>,
    handle: Handle,
}

impl Recorder {
    fn record_event(&self, number: usize, what: AppEvent) -> usize {
        let mut log = self.log.borrow_mut();
        let events = &mut log.events[number];
        events.push(what);
        events.iter().filter(|event| matches!(event, AppEvent::Message(..))).count()
    }
}

impl Handler for Recorder {
    /// The client's number.
    type Data = usize;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<usize> {
        let number = connecting.request().path().strip_prefix('/').and_then(|number| number.parse().ok());
        number.map(Accept::new).ok_or(Refusal::new(Status::FORBIDDEN, "not you")).into()
    }

    fn open(&mut self, conn: &mut Conn<'_, usize>, _: &Request<'_>) {
        let number = *conn.data();
        self.log.borrow_mut().ids[number] = Some(conn.id());
        self.record_event(number, AppEvent::Opened);
        if number % 4 == 1 {
            let _ = conn.send(Message::Text("hello"));
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, usize>, message: Message<'_>) {
        let number = *conn.data();
        let count = self.record_event(number, AppEvent::Message(message.opcode(), message.as_bytes().into()));
        let order = self.actions.borrow()[number].get(count - 1).copied();
        // A message that one kernel's server refuses is refused on the other as well.
        match order {
            Some(AppAction::Echo) => _ = conn.send(message),
            Some(AppAction::Repeat(times)) => (0..times).for_each(|_| _ = conn.send(message)),
            Some(AppAction::Answer(len)) => _ = conn.send(Message::Binary(&answer(len))),
            Some(AppAction::Close(code)) => {
                let _ = conn.send(message);
                conn.close(CloseCode::new(code).unwrap_or(CloseCode::NORMAL), "app");
            }
            Some(AppAction::Post) => _ = self.handle.send(conn.id(), message),
            Some(AppAction::Quiet | AppAction::Drain) | None => {}
        }
    }

    fn close(&mut self, _: ConnId, number: usize, reason: Closed<'_>) {
        self.record_event(number, AppEvent::Closed(end_reason(reason)));
    }
}

/// A worker on a kernel.
pub(crate) struct Server<O: Os> {
    worker: Worker<FixedClockOs<O>, Recorder>,
    pub(crate) handle: Handle,
    pub(crate) log: Rc<RefCell<Log>>,
    pub(crate) is_alive: bool,
}

/// The state that the two servers share.
pub(crate) struct Common {
    pub(crate) limits: Limits,
    pub(crate) now: Rc<Cell<Duration>>,
    pub(crate) actions: Rc<RefCell<Vec<Vec<AppAction>>>>,
}

impl<O: Os> Server<O> {
    pub(crate) fn new(
        os: O,
        listener: O::Listener,
        waker: Box<dyn Wake>,
        common: &Common,
    ) -> io::Result<Self> {
        let log = Rc::new(RefCell::new(Log::default()));
        let steady = FixedClockOs { os, now: Rc::clone(&common.now) };
        let make_handler = |handle: &Handle| Recorder {
            log: Rc::clone(&log),
            actions: Rc::clone(&common.actions),
            handle: handle.clone(),
        };
        let (worker, handle) =
            Worker::standalone(steady, listener, waker, common.limits.clone(), make_handler)?;
        Ok(Self { worker, handle, log, is_alive: true })
    }

    pub(crate) fn iterate(&mut self) -> io::Result<()> {
        if self.is_alive {
            self.is_alive = self.worker.iterate()?;
        }
        Ok(())
    }

    pub(crate) fn joined(&self) {
        let mut log = self.log.borrow_mut();
        log.events.push(Vec::new());
        log.ids.push(None);
    }

    /// Returns the time until the worker's next deadline.
    pub(crate) fn next_wait(&self) -> Duration {
        let wait = self.worker.next_wait().filter(|_| self.is_alive);
        wait.unwrap_or(Duration::MAX)
    }

    /// Returns numbers that show the server's progress: connections accepted, held and open, bytes read, messages, and deadlines that have
    /// passed.
    pub(crate) fn progress(&self) -> [u64; 8] {
        let counters = self.worker.counters();
        [
            &counters.accepted,
            &counters.sockets,
            &counters.open,
            &counters.bytes_in,
            &counters.bytes_out,
            &counters.pings_sent,
            &counters.message_timeouts,
            &counters.bugs,
        ]
        .map(|counter| counter.get())
    }
}
