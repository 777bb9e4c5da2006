//! A process that is stopped and goes on (SIGSTOP, SIGCONT): who has done his part meanwhile keeps his connection.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use throng::ws::{Opcode, encode};

use super::client::{Client, Got, eventually};
use super::command::Program;

/// More than the events that a worker takes at a time.
const CROWD: usize = 1_200;
const INTERVAL: Duration = Duration::from_secs(2);

fn is_stopped(program: &Program) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

fn stop(program: &Program) {
    program.signal("STOP");
    eventually("it is stopped", || is_stopped(program));
}

/// Answers the Pings that have come, and says how many there were. `rest` is what has come of another.
fn answer(stream: &mut TcpStream, rest: &mut Vec<u8>) -> usize {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("the connection has ended"),
            Ok(len) => rest.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("the connection is lost: {error}"),
        }
    }
    let mut answered = 0;
    while let [0x89, len, ..] = rest[..]
        && let Some(payload) = rest.get(2..2 + usize::from(len))
    {
        let mut pong = Vec::new();
        encode::frame(&mut pong, Opcode::Pong, payload, Some([9, 8, 7, 6]));
        stream.write_all(&pong).unwrap();
        rest.drain(..2 + usize::from(len));
        answered += 1;
    }
    answered
}

#[test]
fn nobody_of_a_crowd_who_answers_while_the_process_is_stopped_is_lost() {
    for policy in ["idle", "always"] {
        let program = Program::echo(
            None,
            &[
                ["--workers", "1"],
                ["--admin", "127.0.0.1:0"],
                ["--ping-interval", "2s"],
                ["--pong-timeout", "5s"],
                ["--ping", policy],
            ]
            .concat(),
        );
        let mut clients: Vec<(TcpStream, Vec<u8>)> = (0..CROWD)
            .map(|_| {
                let stream = Client::open(program.address).stream;
                stream.set_nonblocking(true).unwrap();
                (stream, Vec::new())
            })
            .collect();
        let mut answer_all = || clients.iter_mut().map(|(stream, rest)| answer(stream, rest)).sum::<usize>();
        // Every Ping of an interval is answered once the process has been stopped, and is overdue when it goes on.
        let mut answered = 0;
        for _ in 0..2 {
            let start = Instant::now();
            while start.elapsed() < INTERVAL {
                sleep(Duration::from_millis(20));
            }
            stop(&program);
            answered += answer_all();
            sleep(Duration::from_secs(6));
            program.signal("CONT");
            // Not enough to read from all of them.
            sleep(Duration::from_millis(20));
            stop(&program);
            answered += answer_all();
            sleep(Duration::from_secs(6));
            program.signal("CONT");
            eventually("it is up to date", || {
                answered += answer_all();
                program.count("pongs_received") == answered as u64
            });
        }
        assert!(answered >= CROWD, "{answered} Pings");
        assert_eq!(program.count("pong_timeouts"), 0, "{policy}");
        assert_eq!(program.count("open"), CROWD as u64, "{policy}");
    }
}

#[test]
fn a_message_whose_end_arrives_while_the_process_is_stopped_is_none_too_late() {
    let program = Program::echo(
        None,
        &["--workers", "1", "--admin", "127.0.0.1:0", "--message-timeout", "3s", "--ping-interval", "off"],
    );
    let mut clients: Vec<Client> = (0..100).map(|_| Client::open(program.address)).collect();
    let before = program.count("bytes_in");
    for client in &mut clients {
        client.frame(false, Opcode::Text, b"half a ");
    }
    // The half of each, with a header and a key.
    eventually("all is read", || program.count("bytes_in") == before + 100 * (7 + 6));
    stop(&program);
    let (silent, prompt) = clients.split_first_mut().unwrap();
    for client in &mut *prompt {
        client.frame(true, Opcode::Continuation, b"message");
    }
    sleep(Duration::from_secs(5));
    program.signal("CONT");
    for client in prompt {
        assert_eq!(client.get(), "half a message".into());
    }
    assert_eq!(silent.get(), Got::Close(1008));
    assert_eq!(program.count("message_timeouts"), 1);
}
