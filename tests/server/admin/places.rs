//! Places on the admin port: whoever comes is let in, and who asks for nothing gives way.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::client::{dial, eventually};
use super::super::command::read_answer;
use super::super::configuration::Scratch;
use super::Program;

/// Connections that the port has room for, and requests that are worked on at a time.
const PLACES: usize = 64;
const TURNS: usize = 48;

const STATS: &str =
    "GET /stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n";

/// Asks on a connection that stays, and returns the status.
fn ask(stream: &mut TcpStream, request: &str) -> u16 {
    stream.write_all(request.as_bytes()).unwrap();
    let mut got = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let len = stream.read(&mut buffer).unwrap();
        assert!(len > 0, "no answer: {:?}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&buffer[..len]);
        let text = String::from_utf8_lossy(&got);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return head.split(' ').nth(1).unwrap().parse().unwrap();
        }
    }
}

/// Whether the server has closed it, in order or not.
fn has_ended(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    match stream.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => panic!("nobody has asked"),
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn strangers_starve_neither_health_nor_who_has_the_token() {
    let file = Scratch::new("places-token", "0123456789abcdef\n");
    let program = Program::hub(None, &["--admin-token-file", file.path()]);
    let mut publisher = program.dial_admin();
    assert_eq!(ask(&mut publisher, STATS), 200);
    let mut strangers = Vec::new();
    for number in 0..4 * PLACES {
        let mut stranger = program.dial_admin();
        match number % 4 {
            0 => {}
            1 => stranger.write_all(b"GET /stats HTTP/1.1\r\nHost: loc").unwrap(),
            2 => assert_eq!(ask(&mut stranger, "GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n"), 401),
            _ => {
                let head = "POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
                assert_eq!(ask(&mut stranger, head), 401);
            }
        }
        strangers.push(stranger);
        if number % 8 == 7 {
            assert_eq!(program.get("/health"), "ok\n");
        }
        // The one with the token is the longest there of all, and idle, and still the last to give way.
        if number % PLACES == PLACES - 1 {
            assert_eq!(ask(&mut publisher, STATS), 200);
        }
    }
}

#[test]
fn the_longest_idle_gives_way_to_a_newcomer() {
    let program = Program::hub(None, &[]);
    let mut held: Vec<_> = (0..PLACES)
        .map(|_| {
            let mut stream = program.dial_admin();
            assert_eq!(ask(&mut stream, STATS), 200);
            stream
        })
        .collect();
    // The first one was idle the longest, and is no more.
    assert_eq!(ask(&mut held[0], STATS), 200);
    let mut newcomer = program.dial_admin();
    assert_eq!(ask(&mut newcomer, STATS), 200);
    let ended: Vec<usize> = (0..PLACES).filter(|&at| has_ended(&mut held[at])).collect();
    assert_eq!(ended, [1]);
    // Who has said nothing goes before all that are left.
    let mut silent = program.dial_admin();
    assert_eq!(program.get("/health"), "ok\n");
    eventually("who has said nothing is gone", || has_ended(&mut silent));
    let ended: Vec<usize> = (0..PLACES).filter(|&at| has_ended(&mut held[at])).collect();
    assert_eq!(ended, [1, 2]);
}

#[test]
fn half_sent_bodies_take_turns_but_not_the_answer_about_health() {
    let program = Program::hub(None, &[]);
    let half =
        b"POST /publish/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhel";
    let open = || {
        let mut stream = program.dial_admin();
        stream.write_all(half).unwrap();
        stream
    };
    let mut held: Vec<_> = (0..TURNS).map(|_| open()).collect();
    assert_eq!(program.get("/health"), "ok\n");
    // Beyond these a request waits, and is told when that has been too long.
    let answered = program.ask("POST /publish/a", "", b"hello");
    assert_eq!((answered.status, &*answered.code()), (503, "busy"));
    // With others than there is room for, too.
    let mut waiting: Vec<_> = (0..PLACES).map(|_| open()).collect();
    assert_eq!(program.get("/health"), "ok\n");
    assert_eq!(read_answer(&mut waiting[0]).code(), "busy");
    drop(waiting);
    for stream in &mut held {
        stream.write_all(b"lo").unwrap();
        assert_eq!(read_answer(stream).status, 200);
    }
    assert_eq!(program.ask("POST /publish/a", "", b"hello").status, 200);
}

#[test]
fn a_flood_of_newcomers_leaves_health_answered() {
    let program = Program::hub(None, &[]);
    let address = program.ready["admin"].as_str().unwrap().parse().unwrap();
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = Vec::new();
                // Each takes one of some 28,000 ports for a minute.
                for _ in 0..4_000 {
                    if ends.load(Ordering::Relaxed) {
                        break;
                    }
                    held.push(dial(address));
                    if held.len() == 2 * PLACES {
                        held.clear();
                    }
                }
            });
        }
        for _ in 0..50 {
            assert_eq!(program.get("/health"), "ok\n");
        }
        ends.store(true, Ordering::Relaxed);
    });
    assert_eq!(ask(&mut program.dial_admin(), STATS), 200);
}
