//! Clients whose requests are decided on later, by a slow thread or by none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use throng::{Accept, Conn, Connecting, Decision, Handler, Message, Pinning, Server, Verdict};

use super::super::app::millis;
use super::super::client::{Bystander, Client, Got, PATIENCE, dial, eventually};
use super::resets::reset;
use super::response::status_of;
use super::{FIN, REQUEST, TEXT, masked, nothing_is_left, on_threads, read_to_the_end};

/// Decides at once on `/`, and later on everything else.
struct Slow {
    asked: Arc<Mutex<Vec<Decision<u64>>>>,
}

impl Handler for Slow {
    type Data = u64;

    fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<u64> {
        if connecting.request().path() == "/" {
            return Accept::new(0).into();
        }
        match connecting.take_resolved() {
            Some(resolved) => Accept::new(resolved).into(),
            None => connecting.later(|decision| self.asked.lock().unwrap().push(decision)),
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, u64>, message: Message<'_>) {
        conn.send(message).unwrap();
    }
}

struct Deciding {
    server: Server,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Decision<u64>>>>,
}

fn start(timeout: Duration) -> Deciding {
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let builder = Server::builder().pinning(Pinning::Off).workers(1).decision_timeout(timeout);
    let handler_asked = Arc::clone(&asked);
    let server = builder
        .listen("127.0.0.1:0".parse().unwrap())
        .start(move |_| Slow { asked: Arc::clone(&handler_asked) })
        .unwrap();
    let address = server.addresses()[0];
    Deciding { server, address, asked }
}

impl Deciding {
    /// Waits until so many requests wait for a decision.
    fn await_asked(&self, count: usize) {
        eventually("it is asked", || self.asked.lock().unwrap().len() == count);
    }

    fn take_asked(&self) -> Vec<Decision<u64>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn ask(&self) -> TcpStream {
        let mut stream = dial(self.address);
        stream.write_all(REQUEST.as_bytes()).unwrap();
        stream
    }
}

#[test]
fn what_is_pipelined_behind_a_request_waits_for_its_decision() {
    let running = start(PATIENCE);
    let bystander = Bystander::new(running.address);
    let all = [REQUEST.as_bytes(), &masked(FIN | TEXT, b"hi").repeat(50_000)].concat();
    let (head, behind) = all.split_at(REQUEST.len() - 7);
    for (first, second) in [(head, behind), (&all[..], &b""[..])] {
        let mut stream = dial(running.address);
        stream.write_all(first).unwrap();
        stream.write_all(second).unwrap();
        running.await_asked(1);
        let decision = running.take_asked().remove(0);
        std::thread::spawn(move || decision.resolve(7));
        let mut got = vec![0; 129 + 4 * 50_000];
        stream.read_exact(&mut got).unwrap();
        assert!(got.starts_with(b"HTTP/1.1 101 ") && got.ends_with(&b"\x81\x02hi".repeat(50_000)));
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

#[test]
fn clients_are_told_503_when_nobody_decides_and_others_are_served_meanwhile() {
    let running = start(millis(300));
    let bystander = Bystander::new(running.address);
    let started = Instant::now();
    let streams: Vec<TcpStream> = (0..200).map(|_| running.ask()).collect();
    for mut stream in streams {
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        assert_eq!(status_of(&response), 503);
    }
    assert!(started.elapsed() >= millis(300));
    nothing_is_left(&running.server, 1);
    let stats = running.server.stats();
    assert_eq!((stats.decisions_timed_out, stats.decisions_pending, stats.refused_at_limit), (200, 0, 0));
    // They come to nothing, and their places are free again.
    running.take_asked().into_iter().for_each(|decision| decision.resolve(1));
    let late = running.ask();
    running.await_asked(1);
    running.take_asked().remove(0).resolve(1);
    let mut head = [0; 129];
    (&late).read_exact(&mut head).unwrap();
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    bystander.was_served();
}

#[test]
fn a_flood_of_undecided_requests_ends_at_the_limit() {
    let running = start(PATIENCE * 100);
    let bystander = Bystander::new(running.address);
    let many = throng::budget::DECISIONS + 100;
    let streams = on_threads(many, || running.ask());
    eventually("all are dealt with", || {
        let stats = running.server.stats();
        stats.decisions_pending + stats.decisions_refused == many as u64
    });
    assert_eq!(running.server.stats().decisions_refused, 100);
    // They leave, and what they asked for is under way all the same.
    streams.into_iter().for_each(reset);
    eventually("they are gone", || running.server.stats().decisions_pending == 0);
    assert_eq!(status_of(&read_to_the_end(running.ask())), 503);
    drop(running.take_asked());
    let mut client = running.ask();
    running.await_asked(1);
    running.take_asked().remove(0).resolve(1);
    let mut head = [0; 129];
    client.read_exact(&mut head).unwrap();
    drop(client);
    nothing_is_left(&running.server, 1);
    bystander.was_served();
}

#[test]
fn huge_heads_that_wait_are_bounded_by_the_buffers() {
    let running = start(PATIENCE * 100);
    let padded = REQUEST.replacen("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(15_000)), 1);
    let streams: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = dial(running.address);
            stream.write_all(padded.as_bytes()).unwrap();
            stream
        })
        .collect();
    running.await_asked(500);
    let held = running.server.stats().buffered_bytes;
    assert!((500 * 15_000..500 * 17_000).contains(&held), "{held}");
    streams.into_iter().for_each(reset);
    nothing_is_left(&running.server, 0);
}

#[test]
fn who_resets_while_it_waits_is_gone_at_once() {
    let running = start(PATIENCE * 100);
    let bystander = Bystander::new(running.address);
    for _ in 0..50 {
        let stream = running.ask();
        running.await_asked(1);
        reset(stream);
        let decision = running.take_asked().remove(0);
        nothing_is_left(&running.server, 1);
        decision.resolve(1);
    }
    assert_eq!(running.server.stats().opened, 1);
    bystander.was_served();
}

#[test]
fn a_server_that_ends_decides_nothing_any_more() {
    let running = start(PATIENCE * 100);
    let stream = running.ask();
    running.await_asked(1);
    running.server.drain(PATIENCE);
    assert_eq!(status_of(&read_to_the_end(stream)), 503);
    let decision = running.take_asked().remove(0);
    running.server.join().unwrap();
    decision.resolve(1);
}

#[test]
fn a_decision_can_be_made_before_the_handler_returns() {
    struct Hasty;
    impl Handler for Hasty {
        type Data = u64;
        fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<u64> {
            match connecting.take_resolved() {
                Some(resolved) => Accept::new(resolved).into(),
                None => connecting.later(|decision| decision.resolve(7_u64)),
            }
        }
        fn message(&mut self, conn: &mut Conn<'_, u64>, _: Message<'_>) {
            let resolved = conn.data().to_string();
            conn.send(Message::Text(&resolved)).unwrap();
        }
    }
    let builder = Server::builder().pinning(Pinning::Off).workers(1).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(|_| Hasty).unwrap();
    let mut client = Client::open(server.addresses()[0]);
    client.say("what is known?");
    assert_eq!(client.get(), Got::Text("7".into()));
}
