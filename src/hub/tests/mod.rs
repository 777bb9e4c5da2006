//! Tests of hubs over a broker on another machine, and over the local broker.

mod delayed;
mod rig;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;

use super::broker::local::LocalBroker;
use super::broker::shared::LocalBrokerShared;
use crate::hub::questions::DescribeTopic;
use crate::hub::{AnswerSender, Epoch, PublishError};
use crate::ws::Message;
use delayed::{Delayed, RUN, Remote};
use rig::Rig;

/// Turns from a request to the broker's answer.
const DELAY: usize = 5;

/// Makes workers whose broker answers after [`DELAY`] turns.
fn delayed(workers: usize) -> (Rig<Delayed>, Rc<RefCell<Remote>>) {
    let remote = Remote::new(workers, DELAY);
    (Rig::new(workers, |number, _, _, _| Delayed::new(number, &remote)), remote)
}

fn epoch() -> Epoch {
    Epoch { run: RUN, serial: 1 }
}

#[test]
fn subscribers_on_all_workers_get_what_is_published_some_turns_later() {
    let (mut rig, remote) = delayed(2);
    let raw = rig.connect(0, "/topics/t", "");
    let v1 = rig.connect(1, "/topics/t", "throng.v1");
    assert_eq!(rig.texts(v1), [r#"{"type":"welcome","max_message":1048576}"#]);
    rig.iterate(DELAY + 2);
    let subscribed = format!(r#"{{"type":"subscribed","topic":"t","offset":0,"epoch":"{}"}}"#, epoch());
    assert_eq!((rig.texts(raw), rig.texts(v1)), (vec![], vec![subscribed]));
    for text in ["one", "two"] {
        rig.publisher.publish("t", Message::Text(text)).unwrap();
    }
    rig.iterate(DELAY - 1);
    assert_eq!((rig.texts(raw), rig.texts(v1)), (vec![], vec![]), "it is too early");
    rig.iterate(3);
    assert_eq!(rig.texts(raw), ["one", "two"]);
    let message =
        |offset, text| format!(r#"{{"type":"message","topic":"t","offset":{offset},"data":"{text}"}}"#);
    assert_eq!(rig.texts(v1), [message(1, "one"), message(2, "two")]);
    rig.say(v1, r#"{"type":"publish","topic":"t","data":"three","id":9}"#);
    rig.iterate(DELAY - 1);
    assert_eq!(rig.texts(v1), [""; 0], "it is too early");
    rig.iterate(3);
    let published = format!(
        r#"{{"type":"published","topic":"t","offset":3,"epoch":"{}","subscribers":2,"id":9}}"#,
        epoch()
    );
    assert_eq!((rig.texts(raw), rig.texts(v1)), (vec!["three".into()], vec![message(3, "three"), published]));
    let (to, answers) = channel();
    let asked = rig.publisher.ask(DescribeTopic("t".into()), move |info| to.send(info).unwrap());
    assert_eq!(asked, Ok(1));
    rig.iterate(DELAY - 1);
    assert!(answers.try_recv().is_err(), "it is too early");
    rig.iterate(3);
    let info = answers.try_recv().unwrap().unwrap().unwrap();
    assert_eq!((info.subscribers, info.offset, info.epoch), (2, 3, epoch()));
    assert_eq!(remote.borrow().topics["t"].subscribers.values().sum::<u32>(), 2);
}

#[test]
fn a_second_subscriber_of_a_worker_begins_at_once_where_the_first_has_come_to() {
    let (mut rig, _) = delayed(1);
    rig.connect(0, "/topics/t", "");
    rig.iterate(DELAY + 1);
    rig.publisher.publish("t", Message::Text("one")).unwrap();
    rig.iterate(DELAY + 1);
    let second = rig.connect(0, "/topics/t", "throng.v1");
    let subscribed = format!(r#"{{"type":"subscribed","topic":"t","offset":1,"epoch":"{}"}}"#, epoch());
    assert_eq!(rig.texts(second)[1..], [subscribed]);
}

#[test]
fn what_was_missed_comes_in_parts_for_each_of_which_the_broker_is_asked_and_offsets_go_on() {
    let (mut rig, _) = delayed(1);
    for number in 1..=5 {
        rig.publisher.publish("t", Message::Text(&number.to_string())).unwrap();
    }
    rig.iterate(DELAY + 1);
    let client = rig.connect(0, "/", "throng.v1");
    rig.say(
        client,
        &format!(r#"{{"type":"subscribe","topic":"t","since":{{"offset":1,"epoch":"{}"}}}}"#, epoch()),
    );
    rig.iterate(DELAY + 1);
    let offsets = |texts: &[String]| -> Vec<u64> {
        let values = texts.iter().map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        values
            .filter(|value| value["type"] == "message")
            .map(|value| value["offset"].as_u64().unwrap())
            .collect()
    };
    let first = rig.texts(client);
    assert!(first[1].contains(r#""recovered":true"#), "{first:?}");
    assert_eq!(offsets(&first), [2, 3]);
    rig.publisher.publish("t", Message::Text("6")).unwrap();
    rig.iterate(4 * DELAY);
    assert_eq!(offsets(&rig.texts(client)), [4, 5, 6]);
    rig.publisher.publish("t", Message::Text("7")).unwrap();
    rig.iterate(DELAY + 1);
    assert_eq!(offsets(&rig.texts(client)), [7]);
    assert_eq!(rig.left(0), [1, 1, 0, 0]);
}

#[test]
fn a_client_that_leaves_before_its_answer_leaves_nothing_behind() {
    let (mut rig, remote) = delayed(1);
    let client = rig.connect(0, "/topics/t", "throng.v1");
    rig.say(client, r#"{"type":"subscribe","topic":"other"}"#);
    rig.iterate(1);
    assert_eq!(rig.left(0), [2, 0, 1, 0]);
    rig.reset(client);
    rig.iterate(1);
    assert_eq!(rig.left(0)[..3], [2, 0, 1], "the answers are under way");
    rig.iterate(2 * DELAY + 2);
    assert_eq!(rig.left(0), [0; 4]);
    let remote = remote.borrow();
    assert!(remote.topics.values().all(|topic| topic.workers.is_empty()), "the broker has been told");
}

#[test]
fn what_the_broker_refuses_is_refused_to_the_client() {
    let (mut rig, remote) = delayed(1);
    remote.borrow_mut().is_down = true;
    let v1 = rig.connect(0, "/", "throng.v1");
    rig.texts(v1);
    let raw = rig.connect(0, "/topics/t", "");
    let unavailable = |id: u32| {
        let why = "the broker is not available: try again later";
        format!(r#"{{"type":"error","code":"unavailable","message":"{why}","topic":"t","id":{id}}}"#)
    };
    rig.say(v1, r#"{"type":"subscribe","topic":"t","id":1}"#);
    rig.say(v1, r#"{"type":"publish","topic":"t","data":"x","id":2}"#);
    let (to, answers) = channel();
    let reply = AnswerSender::new(move |result| to.send(result).unwrap());
    rig.publisher.publish_with_reply("t", Message::Text("y"), reply).unwrap();
    rig.iterate(DELAY + 2);
    assert_eq!(rig.texts(v1), [unavailable(1), unavailable(2)]);
    assert_eq!(rig.texts(raw), ["1013"]);
    assert_eq!(answers.try_recv(), Ok(Err(PublishError::Unavailable)));
    // The end of the broker knows that its machine is out of reach, and does not ask it.
    remote.borrow_mut().is_unreachable = true;
    rig.say(v1, r#"{"type":"publish","topic":"t","data":"x","id":3}"#);
    rig.iterate(1);
    assert_eq!(rig.texts(v1), [unavailable(3)]);
    rig.iterate(2 * DELAY);
    assert_eq!(rig.left(0), [0; 4]);
    // The broker is available again.
    (remote.borrow_mut().is_down, remote.borrow_mut().is_unreachable) = (false, false);
    rig.say(v1, r#"{"type":"subscribe","topic":"t","id":2}"#);
    rig.iterate(DELAY + 1);
    assert!(rig.texts(v1)[0].starts_with(r#"{"type":"subscribed","topic":"t","offset":0"#));
}

#[test]
fn a_worker_that_owns_a_topic_delivers_to_itself_without_being_woken() {
    let mut local = None;
    let mut rig = Rig::new(1, |number, shared, handle, inbox| {
        let new = || Arc::new(LocalBrokerShared::new(Arc::clone(&shared.config), shared.hasher));
        let local = local.get_or_insert_with(new);
        LocalBroker::new(local, number, handle, Arc::clone(&inbox.counters)).unwrap()
    });
    let client = rig.connect(0, "/", "throng.v1");
    rig.say(client, r#"{"type":"subscribe","topic":"t"}"#);
    rig.iterate(1);
    rig.say(client, r#"{"type":"publish","topic":"t","data":"one","id":1}"#);
    rig.iterate(1);
    let texts = rig.texts(client).join(" ");
    for part in [r#""type":"subscribed""#, r#""type":"message""#, r#""type":"published""#] {
        assert!(texts.contains(part), "{part}: {texts}");
    }
    assert_eq!(rig.wakes[0].asked.load(Ordering::Relaxed), 0);
}
