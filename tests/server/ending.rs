//! The end of a server: in order, at the deadline, at once.

use std::net::TcpStream;
use std::time::Instant;

use throng::{CloseCode, Pinning};

use super::app::{Told, millis, start};
use super::client::{Client, Got, PATIENCE, eventually};

#[test]
fn everybody_is_told_1001_and_the_server_ends_with_the_last_answer() {
    let running = start(|builder| builder.workers(2));
    let mut clients: Vec<Client> = (0..40).map(|_| Client::open(running.address)).collect();
    running.server.drain(PATIENCE);
    for client in &mut clients {
        assert_eq!(client.get(), Got::Close(1001));
    }
    assert!(!running.server.has_ended());
    for client in &mut clients {
        client.send_close(CloseCode::GOING_AWAY);
        assert_eq!(client.get(), Got::End);
    }
    eventually("the end", || running.server.has_ended());
    assert!(TcpStream::connect(running.address).is_err(), "nobody listens any more");
    let handle = running.server.handle();
    running.server.join().unwrap();
    let closed = running.told.try_iter().filter(|told| matches!(told, Told::Closed(..))).count();
    assert_eq!((closed, handle.stats().closed_by_us, handle.stats().close_timeouts), (40, 40, 0));
}

#[test]
fn the_deadline_of_a_drain_cuts_who_does_not_answer() {
    let running = start(|builder| builder);
    let mut client = Client::open(running.address);
    let started = Instant::now();
    running.server.shutdown(millis(300)).unwrap();
    assert!(started.elapsed() >= millis(300) && started.elapsed() < PATIENCE);
    assert_eq!(client.get(), Got::Close(1001));
    let end = client.get();
    assert!(matches!(end, Got::End | Got::Reset), "{end:?}");
}

#[test]
fn dropping_a_server_ends_it() {
    let running = start(|builder| builder.workers(2));
    let mut client = Client::open(running.address);
    let address = running.address;
    drop(running.server);
    let end = client.get();
    assert!(matches!(end, Got::End | Got::Reset), "{end:?}");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_stop_ends_a_drain() {
    let running = start(|builder| builder);
    let _client = Client::open(running.address);
    running.server.drain(PATIENCE * 100);
    running.server.stop();
    running.server.join().unwrap();
}

#[test]
fn a_server_ends_whatever_comes_with_the_signal() {
    // The drain meets the workers in all of their phases, beside mail and connections that come.
    for _ in 0..200 {
        let running = start(|builder| builder.ping_interval(None));
        let handle = running.server.handle();
        let mut client = Client::open(running.address);
        std::thread::scope(|scope| {
            let posting = scope.spawn(|| while handle.broadcast(throng::Message::Text("x")).is_ok() {});
            running.server.drain(PATIENCE * 100);
            client.send_close(CloseCode::NORMAL);
            eventually("the end", || running.server.has_ended());
            // A full mailbox ends it as well.
            posting.join().unwrap();
        });
    }
}

#[test]
fn a_panic_of_the_handler_is_reported() {
    struct Fragile;
    impl throng::Handler for Fragile {
        type Data = ();
        fn upgrade(&mut self, _: &mut throng::Connecting<'_>) -> throng::Verdict<()> {
            throng::Accept::new(()).into()
        }
        fn message(&mut self, _: &mut throng::Conn<'_, ()>, _: throng::Message<'_>) {
            panic!("a handler of the tests");
        }
    }
    let builder =
        throng::Server::builder().pinning(Pinning::Off).workers(2).listen("127.0.0.1:0".parse().unwrap());
    let server = builder.start(|_| Fragile).unwrap();
    let mut client = Client::open(server.addresses()[0]);
    client.say("boo");
    eventually("it is noticed", || server.has_ended_worker());
    server.stop();
    let error = server.join().unwrap_err();
    assert!(error.to_string().ends_with("panicked"), "{error}");
}
