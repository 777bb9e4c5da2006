//! Clients that ask without end, and those who ask now and then.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use throng::Message;
use throng::hub::{AnswerSender, PublishError};
use throng::ws::{Opcode, encode};

use super::{Client, ask, start};

const LOUD: usize = 40;
/// Far more than it takes on a machine that does other things, with a debug build, and a tenth of what it took when a client's turn was
/// as many bytes as it had sent.
const MOST: Duration = Duration::from_secs(3);

/// Sends `bytes` again and again, and counts what comes back.
fn flood(mut stream: &TcpStream, bytes: &[u8], until: &AtomicBool, heard: &AtomicU64) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(len @ 1..) = (&mut stream).read(&mut buffer) {
                heard.fetch_add(len as u64, Ordering::Relaxed);
            }
        });
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut at = 0;
        while !until.load(Ordering::Relaxed) {
            match (&mut stream).write(&bytes[at..]) {
                Ok(len) => at = (at + len) % bytes.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("a client that reads was dropped: {error}"),
            }
        }
        stream.shutdown(Shutdown::Both).unwrap();
    });
}

#[test]
fn who_asks_now_and_then_is_answered_while_others_ask_without_end() {
    let running = start(|builder, _| builder.workers(1));
    let mut quiet = running.speaker();
    let mut requests = Vec::new();
    for request in [
        json!({"type": "ping"}),
        json!({"type": "subscribe", "topic": "a"}),
        json!({"type": "unsubscribe", "topic": "a"}),
        json!({}),
        json!(""),
    ] {
        encode::frame(&mut requests, Opcode::Text, request.to_string().as_bytes(), Some([1; 4]));
    }
    let requests = requests.repeat(2_000);
    let speakers: Vec<_> = (0..LOUD).map(|_| running.speaker()).collect();
    let (over, heard) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; LOUD]);
    let longest = std::thread::scope(|scope| {
        for (speaker, heard) in speakers.iter().zip(&heard) {
            let (requests, over) = (&requests, &over);
            scope.spawn(move || flood(&speaker.stream, requests, over, heard));
        }
        let (started, mut longest) = (Instant::now(), Duration::ZERO);
        while started.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            assert_eq!(ask(&mut quiet, &json!({"type": "ping"}))["type"], "pong");
            longest = longest.max(asked.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        over.store(true, Ordering::Relaxed);
        longest
    });
    println!("{longest:?} at the longest");
    assert!(longest < MOST, "{longest:?}");
    let least = heard.iter().map(|heard| heard.load(Ordering::Relaxed)).min();
    assert!(least > Some(0), "each of the others has its turn, too");
    drop((quiet, speakers));
    running.is_empty();
}

/// What a client sends that subscribes to one topic after the other, and leaves each.
fn comings_and_goings() -> Vec<u8> {
    let mut requests = Vec::new();
    for number in 0..20_000 {
        for kind in ["subscribe", "unsubscribe"] {
            let request = json!({"type": kind, "topic": format!("t/{number}")}).to_string();
            encode::frame(&mut requests, Opcode::Text, request.as_bytes(), Some([1; 4]));
        }
    }
    requests
}

#[test]
fn who_subscribes_and_leaves_without_end_keeps_nobody_from_publishing_and_connecting() {
    let running = start(|builder, _| builder);
    let mut quiet = running.speaker();
    let (speaker, requests) = (running.speaker(), comings_and_goings());
    let (over, heard) = (AtomicBool::new(false), AtomicU64::new(0));
    let publisher = running.hub.publisher();
    let (to, answers) = std::sync::mpsc::channel();
    let mut counts = [0_u32; 3];
    std::thread::scope(|scope| {
        scope.spawn(|| flood(&speaker.stream, &requests, &over, &heard));
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            for number in 0..20 {
                let topic = format!("kept/{number}");
                let to = to.clone();
                let reply = AnswerSender::new(move |place| _ = to.send(place));
                match publisher.publish_with_reply(&topic, Message::Text("x"), reply) {
                    Ok(()) => counts[0] += 1,
                    Err(PublishError::Busy) => counts[1] += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            for (target, subprotocol) in [("/topics/t/1", ""), ("/", "throng.v1")] {
                counts[2] += u32::from(Client::ask(running.address, target, subprotocol).is_err());
            }
            let topic = format!("q/{}", counts[0]);
            for (kind, done) in [("subscribe", "subscribed"), ("unsubscribe", "unsubscribed")] {
                let answer = ask(&mut quiet, &json!({"type": kind, "topic": &topic}));
                counts[2] += u32::from(answer["type"] != done);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        over.store(true, Ordering::Relaxed);
    });
    let [published, busy, refused] = counts;
    println!(
        "{published} published, {busy} busy, {refused} refused, {} bytes heard",
        heard.load(Ordering::Relaxed)
    );
    assert_eq!((busy, refused), (0, 0), "of {published}");
    assert_eq!(answers.try_iter().count(), published as usize);
    assert!(published > 0 && heard.load(Ordering::Relaxed) > 0);
    drop((quiet, speaker));
    running.is_empty();
}
