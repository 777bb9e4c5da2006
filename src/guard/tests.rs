//! Tests of the counting system, alone and with an echo server over it.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use super::harness::{Client, Harness, MeasurementError, parts};
use super::kernel::{CountingKernel, Script};
use super::os::{CountingOs, Listener, Socket};
use crate::base::notifier::Wake;
use crate::worker::{Os, Ready, Token};
use crate::ws::client::{encode_key, request};
use crate::ws::{Opcode, encode};
use crate::{Accept, Config, Conn, Connecting, Handler, Message, Verdict};

/// Makes the system and the worker's access to it, which watches the listener.
fn system() -> (Rc<RefCell<CountingKernel>>, CountingOs) {
    let (kernel, woken) = parts(8);
    let mut os = CountingOs { kernel: Rc::clone(&kernel), woken };
    os.watch_listener(&Listener, Token(9)).unwrap();
    (kernel, os)
}

/// Returns a client that has sent the bytes, accepted and watched by the worker.
fn client(kernel: &RefCell<CountingKernel>, os: &mut CountingOs, bytes: &[u8]) -> (u32, Socket) {
    let script = kernel.borrow_mut().add_script(bytes.into());
    let number = kernel.borrow_mut().connect(script);
    let socket = os.accept(&Listener).unwrap();
    os.watch(&socket, Token(u64::from(number))).unwrap();
    (number, socket)
}

fn waited(os: &mut CountingOs) -> Vec<Ready> {
    let mut ready = Vec::new();
    os.wait(None, &mut ready).unwrap();
    ready
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn bytes_come_in_pieces_as_long_as_the_buffer() {
    let (kernel, mut os) = system();
    let (number, socket) = client(&kernel, &mut os, b"hello");
    let mut buffer = [0; 3];
    assert_eq!((os.recv(&socket, &mut buffer).unwrap(), buffer), (3, *b"hel"));
    let more = kernel.borrow_mut().add_script(b"more".into());
    assert!(!kernel.borrow_mut().deliver(number, more), "some bytes were not read yet");
    assert_eq!((os.recv(&socket, &mut buffer).unwrap(), &buffer[..2]), (2, &b"lo"[..]));
    assert_eq!(kind(os.recv(&socket, &mut buffer)), io::ErrorKind::WouldBlock);
    assert!(kernel.borrow_mut().deliver(number, more));
    assert_eq!(os.recv(&socket, &mut buffer).unwrap(), 3);
    let calls = kernel.borrow().calls;
    assert_eq!((calls.recv, calls.bytes_in), (4, 8));
}

#[test]
fn edges_are_reported_once_with_the_room_to_write() {
    let (kernel, mut os) = system();
    let (number, socket) = client(&kernel, &mut os, b"hello");
    let listener = Ready { token: Token(9), readable: true, writable: false, read_closed: false };
    let socket_ready = Ready { token: Token(0), readable: true, writable: true, read_closed: false };
    assert_eq!(waited(&mut os), [listener, socket_ready]);
    assert_eq!(waited(&mut os), []);
    assert!(kernel.borrow().is_idle);
    os.recv(&socket, &mut [0; 5]).unwrap();
    let script = kernel.borrow_mut().add_script(b"more".into());
    kernel.borrow_mut().deliver(number, script);
    assert!(!kernel.borrow().is_idle);
    assert_eq!(waited(&mut os), [socket_ready]);
}

#[test]
fn a_wake_up_ends_one_wait() {
    let (kernel, mut os) = system();
    os.woken.wake();
    assert_eq!(waited(&mut os), []);
    assert!(!kernel.borrow().is_idle);
    waited(&mut os);
    assert!(kernel.borrow().is_idle);
}

#[test]
fn time_passes_in_waits_when_it_is_to() {
    let (kernel, mut os) = system();
    let before = os.now();
    let mut ready = Vec::new();
    os.wait(Some(Duration::from_secs(5)), &mut ready).unwrap();
    assert!(os.now() - before < Duration::from_secs(1));
    let end = before + Duration::from_secs(8);
    kernel.borrow_mut().wakes_at = Some(end);
    let started = os.now();
    os.wait(Some(Duration::from_secs(5)), &mut ready).unwrap();
    assert!(os.now() >= started + Duration::from_secs(5) && os.now() < end);
    os.wait(Some(Duration::from_secs(5)), &mut ready).unwrap();
    assert_eq!(os.now(), end);
}

#[test]
fn what_is_sent_is_counted_and_kept_when_it_is_to() {
    let (kernel, mut os) = system();
    let (number, socket) = client(&kernel, &mut os, b"");
    os.send(&socket, b"lost").unwrap();
    kernel.borrow_mut().keeps_sent = true;
    assert_eq!(os.send(&socket, b"one").unwrap(), 3);
    assert_eq!(os.send_vectored(&socket, &[IoSlice::new(b" two"), IoSlice::new(b" three")]).unwrap(), 10);
    assert_eq!(kernel.borrow_mut().take_received(number), b"one two three");
    let calls = kernel.borrow().calls;
    assert_eq!((calls.send, calls.sendmsg, calls.bytes_out), (2, 1, 17));
}

#[test]
fn a_ping_is_answered_with_its_payload_masked() {
    let (kernel, mut os) = system();
    let (_, socket) = client(&kernel, &mut os, b"");
    kernel.borrow_mut().answers_pings = true;
    let mut ping = Vec::new();
    encode::frame(&mut ping, Opcode::Ping, b"1234567890123456", None);
    os.send(&socket, &ping).unwrap();
    let mut pong = Vec::new();
    encode::frame(&mut pong, Opcode::Pong, b"1234567890123456", Some([0x6b, 0xe3, 0x19, 0xd4]));
    let mut buffer = [0; 64];
    let len = os.recv(&socket, &mut buffer).unwrap();
    assert_eq!((&buffer[..len], kernel.borrow().pings), (&pong[..], 1));
}

#[test]
fn the_place_of_a_closed_socket_is_taken_by_the_next() {
    let (kernel, mut os) = system();
    let (first, socket) = client(&kernel, &mut os, b"");
    os.close(socket);
    let (second, _) = client(&kernel, &mut os, b"new");
    assert_eq!((second, kernel.borrow().unread(second)), (first, 3));
    assert_eq!(kind(os.accept(&Listener)), io::ErrorKind::WouldBlock);
}

#[test]
fn every_run_draws_the_same() {
    let drawn = || {
        let (_, mut os) = system();
        [os.random(), os.random()]
    };
    assert_eq!(drawn(), drawn());
    assert_ne!(drawn()[0], drawn()[1]);
}

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        conn.send(message).unwrap();
    }
}

/// Makes a server with an open connection and a message for the client to send, whose echo is four bytes shorter.
fn echoing() -> (Harness, Client, Script, u64) {
    let mut harness = Harness::new(&Config::default(), 1, |_| Echo).unwrap();
    let mut bytes = Vec::new();
    request(&mut bytes, "throng", "/", &encode_key([7; 16]), "");
    let client = harness.connect(harness.script(bytes));
    harness.run_until_idle().unwrap();
    let mut bytes = Vec::new();
    encode::frame(&mut bytes, Opcode::Binary, b"hello", Some([1, 2, 3, 4]));
    let echo = bytes.len() as u64 - 4;
    let script = harness.script(bytes);
    (harness, client, script, echo)
}

#[test]
fn an_echo_takes_one_call_of_each() {
    let (mut harness, client, script, echo) = echoing();
    let before = harness.calls();
    harness.keep_sent();
    harness.deliver(client, script).unwrap();
    harness.run_until_sent(echo).unwrap();
    assert_eq!(harness.take_received(client), b"\x82\x05hello");
    let calls = harness.calls().since(&before);
    assert_eq!((calls.wait, calls.recv, calls.send, calls.bytes_in, calls.bytes_out), (1, 1, 1, 11, 7));
}

#[test]
fn a_server_that_does_not_do_what_it_should_is_found_out() {
    let (mut harness, client, script, echo) = echoing();
    harness.deliver(client, script).unwrap();
    assert!(
        matches!(harness.deliver(client, script), Err(MeasurementError::Unread(unread)) if unread == client)
    );
    assert!(matches!(harness.run_until_sent(echo + 1), Err(MeasurementError::TooFewBytes { .. })));
    harness.deliver(client, script).unwrap();
    assert!(matches!(harness.run_until_sent(echo - 1), Err(MeasurementError::TooManyBytes { .. })));
}

#[test]
fn time_that_passes_brings_pings() {
    let (mut harness, _, _, _) = echoing();
    harness.answer_pings();
    harness.run_for(Duration::from_secs(300)).unwrap();
    assert!((9..=10).contains(&harness.pings_answered()), "{} in ten intervals", harness.pings_answered());
}

#[test]
fn without_a_server_what_is_sent_comes_back_as_it_is() {
    let mut harness = Harness::bare(1);
    harness.keep_sent();
    let client = harness.connect(harness.script(vec![5; 300_000]));
    harness.run_until_sent(300_000).unwrap();
    assert_eq!(harness.take_received(client), [5; 300_000]);
    assert_eq!(harness.calls().recv, 2);
}
