//! Attackers that hold connections: others are told so, and get in when the deadline has freed some.

use super::super::app::{millis, start};
use super::super::client::{Bystander, Client, dial, eventually};
use super::{nothing_is_left, on_threads};

#[test]
fn sockets_held_without_a_request_give_others_a_503_until_the_deadline() {
    let running = start(|builder| builder.max_connections(500).handshake_timeout(millis(2_000)));
    let bystander = Bystander::new(running.address);
    let held = on_threads(499, || dial(running.address));
    eventually("all are taken", || running.server.stats().sockets == 500);
    let (mut refused, mut served) = (0, None);
    eventually("there is room again", || {
        match Client::ask(running.address, "/", "") {
            Ok(client) => served = Some(client),
            Err(response) => {
                assert!(
                    response.starts_with("HTTP/1.1 503 ") && response.contains("\r\nRetry-After: "),
                    "{response}"
                );
                refused += 1;
            }
        }
        served.is_some()
    });
    assert!(refused > 0, "there was no room before");
    served.unwrap().is_echoed("in at last");
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    drop(held);
    let stats = running.server.stats();
    assert_eq!((stats.handshake_timeouts, stats.refused_at_limit), (499, refused));
}

#[test]
fn beyond_the_allowance_for_refusals_connections_are_dropped_and_counted() {
    let running = start(|builder| builder.max_connections(10));
    let bystander = Bystander::new(running.address);
    // Nine whose requests are still to come, 128 to be refused, and the rest.
    let held = on_threads(9 + 128 + 300, || dial(running.address));
    eventually("all were dealt with", || running.server.stats().accepted == 438);
    let stats = running.server.stats();
    assert!(stats.sockets <= 10 + 128 && stats.dropped_at_limit > 0, "{stats:?}");
    bystander.was_served();
    drop(held);
    nothing_is_left(&running.server, 0);
    Client::open(running.address).is_echoed("room again");
}
