//! Subscribers that do not read, under each policy.

use std::sync::atomic::{AtomicUsize, Ordering};

use throng::hub::{Rule, Rules};
use throng::{Message, SlowPolicy};

use super::super::client::{Client, Got, PATIENCE, eventually};
use super::{Running, rule};

const OUTBOX: usize = 256 << 10;
/// More than what an outbox and the kernel's buffers hold.
const MESSAGES: usize = 30_000;
/// How far those who publish may be ahead of the one that reads.
const AHEAD: usize = 60;

fn start(slow: SlowPolicy) -> Running {
    super::start(|builder, config| {
        config.rules = Rules::new(vec![Rule { slow: Some(slow), ..rule("") }]).unwrap();
        // Who does not read learns of the end when all is published, which a busy machine takes its time for.
        builder.outbox_limit(OUTBOX).max_message(64 << 10).workers(1).close_timeout(PATIENCE)
    })
}

fn text(number: usize) -> String {
    format!("{number:>1000}")
}

/// One that reads and one that does not, while messages are published; returns what the latter gets at last.
fn play(running: &Running) -> Vec<usize> {
    let mut deaf = running.listener("a");
    let mut other = running.listener("a");
    running.has_subscribers("a", 2);
    let publisher = running.hub.publisher();
    let read = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..MESSAGES {
                assert_eq!(other.get_answering(), Got::Text(text(number)), "others are served meanwhile");
                read.store(number + 1, Ordering::Relaxed);
            }
        });
        for number in 0..MESSAGES {
            // Never so far ahead that the one that reads would be slow, too: the kernel takes as much.
            eventually("the reader keeps up", || number < read.load(Ordering::Relaxed) + AHEAD);
            while publisher.publish("a", Message::Text(&text(number))).is_err() {
                std::thread::yield_now();
            }
        }
    });
    // A message of which a part is out counts as a whole there.
    let backlog = running.server.stats().backlog_bytes;
    assert!(backlog <= OUTBOX as u64 + 1100, "{backlog}");
    let mut got = Vec::new();
    loop {
        match deaf.get_answering() {
            Got::Text(text) => got.push(text.trim().parse().unwrap()),
            Got::Close(code) => {
                assert_eq!(code, 1008);
                return got;
            }
            got => panic!("{got:?}"),
        }
        if got.last() == Some(&(MESSAGES - 1)) {
            return got;
        }
    }
}

#[test]
fn close_ends_the_connection_with_1008() {
    let running = start(SlowPolicy::Close);
    let got = play(&running);
    assert_eq!(got, (0..got.len()).collect::<Vec<_>>(), "what comes before the end has no holes");
    assert_eq!(running.server.stats().outbox_overflows, 1);
    assert!(running.hub.stats().undelivered >= 1);
}

#[test]
fn drop_newest_keeps_what_waits_and_counts_the_rest() {
    let running = start(SlowPolicy::DropNewest);
    let mut deaf = running.listener("a");
    running.has_subscribers("a", 1);
    let dropped = flood(&running);
    let stats = running.hub.stats();
    assert_eq!(stats.dropped_newest + stats.delivered, MESSAGES as u64);
    assert!(dropped > 0 && stats.undelivered == 0 && stats.displaced == 0, "{stats:?}");
    let kept = usize::try_from(stats.delivered).unwrap();
    let mut next = 0;
    for _ in 0..kept {
        let Got::Text(text) = deaf.get_answering() else { panic!("text is published") };
        let number: usize = text.trim().parse().unwrap();
        assert!(number >= next, "none twice, and in order");
        next = number + 1;
    }
    running.publish("a", "and now?");
    assert_eq!(deaf.get_answering(), "and now?".into());
}

#[test]
fn drop_oldest_keeps_the_latest() {
    let running = start(SlowPolicy::DropOldest);
    let got = play(&running);
    is_increasing_with_holes(&got);
    let stats = running.hub.stats();
    assert_eq!(stats.displaced, (MESSAGES - got.len()) as u64, "{stats:?}");
    // The last of them come without a hole: as many as an outbox holds.
    let tail = &got[got.len() - OUTBOX / 1200..];
    assert_eq!(tail.last().unwrap() - tail[0], tail.len() - 1);
}

#[test]
fn conflate_keeps_the_latest_of_each_topic() {
    let running = start(SlowPolicy::Conflate);
    let got = play(&running);
    is_increasing_with_holes(&got);
    assert_eq!(running.hub.stats().displaced, (MESSAGES - got.len()) as u64);
    assert!(running.server.stats().backlog_bytes < 4 * 1100);
}

#[test]
fn control_frames_get_through_whatever_the_policy() {
    let running = start(SlowPolicy::DropNewest);
    let mut deaf = running.listener("a");
    running.has_subscribers("a", 1);
    flood(&running);
    let other = running.listener("a");
    running.has_subscribers("a", 2);
    let slowest = running.ask(throng::hub::questions::FindSlowest { limit: 5 }).pop().unwrap();
    assert!(
        matches!(slowest[..], [client] if client.bytes > OUTBOX / 2 && client.bytes <= OUTBOX),
        "{slowest:?}"
    );
    drop(other);
    deaf.frame(true, throng::ws::Opcode::Ping, b"there?");
    let mut others = 0;
    loop {
        match deaf.get() {
            Got::Pong(payload) => {
                assert_eq!(payload, b"there?");
                break;
            }
            _ => others += 1,
        }
    }
    assert!(others > 0);
}

/// Publishes all messages to those who do not read them.
fn flood(running: &Running) -> u64 {
    let publisher = running.hub.publisher();
    for number in 0..MESSAGES {
        while publisher.publish("a", Message::Text(&text(number))).is_err() {
            std::thread::yield_now();
        }
    }
    eventually("all has been dealt with", || {
        let stats = running.hub.stats();
        stats.delivered + stats.dropped_newest == MESSAGES as u64
    });
    running.hub.stats().dropped_newest
}

fn is_increasing_with_holes(got: &[usize]) {
    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "none twice, and in order");
    assert!(got.len() < MESSAGES && got.last() == Some(&(MESSAGES - 1)), "{} came", got.len());
}

#[test]
fn a_worker_has_a_limit_for_all_its_slow_subscribers() {
    let running = super::start(|builder, config| {
        config.rules = Rules::new(vec![Rule { slow: Some(SlowPolicy::DropNewest), ..rule("") }]).unwrap();
        builder.outbox_limit(OUTBOX).max_message(64 << 10).workers(1).backlog_limit(4 * OUTBOX)
    });
    let clients: Vec<Client> = (0..8).map(|_| running.listener("a")).collect();
    running.has_subscribers("a", 8);
    let publisher = running.hub.publisher();
    for number in 0..MESSAGES {
        while publisher.publish("a", Message::Text(&text(number))).is_err() {
            std::thread::yield_now();
        }
        // Half a frame that is out is followed by its rest, whatever the limit says: one of each.
        let backlog = running.server.stats().backlog_bytes;
        assert!(backlog <= 4 * OUTBOX as u64 + 8 * 1100, "{backlog}");
    }
    eventually("all has been dealt with", || {
        let stats = running.hub.stats();
        stats.delivered + stats.dropped_newest == 8 * MESSAGES as u64
    });
    drop(clients);
    running.is_empty();
}
