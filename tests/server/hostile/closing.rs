//! The closing handshake with peers that do not keep to it.

use std::time::Instant;

use super::super::app::{Told, millis, start};
use super::super::client::{Bystander, Client, Got};
use super::{ARRIVALS, Arrival, CLOSE, CONTINUATION, FIN, FLOOD, PING, TEXT, masked, nothing_is_left};

#[test]
fn every_legal_code_comes_back_and_data_after_it_are_ignored() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    let codes = (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]);
    let closes: Vec<_> =
        codes.map(|code: u16| (code, code.to_be_bytes().to_vec())).chain([(1005, vec![])]).collect();
    for (code, body) in &closes {
        let message = [masked(TEXT, b"half "), masked(PING, b"in between")].concat();
        for before in [vec![], message] {
            for arrival in ARRIVALS {
                let mut client = Client::open(running.address);
                let after = [
                    masked(CLOSE, &[3, 232]),
                    masked(FIN | CONTINUATION, b"a message"),
                    masked(FIN | TEXT, b"another"),
                ];
                // Once nothing follows a Close the socket is closed, so that what comes later meets none.
                let after = if arrival == Arrival::ByteByByte { vec![] } else { after.concat() };
                arrival.send(&mut client.stream, &[&before[..], &masked(CLOSE, body), &after].concat());
                if !before.is_empty() {
                    assert_eq!(client.get(), Got::Pong(b"in between".into()));
                }
                assert_eq!([client.get(), client.get()], [Got::Close(*code), Got::End], "{arrival:?}");
            }
        }
    }
    nothing_is_left(&running.server, 1);
    let stats = running.server.stats();
    bystander.was_served();
    let count = 6 * closes.len();
    assert_eq!((stats.closed_by_peer, stats.protocol_errors, stats.lost), (count as u64, 0, 0));
    let told = running.told.try_iter();
    let told = told.filter(|told| matches!(told, Told::Closed(_, why) if why.starts_with("ByPeer")));
    assert_eq!(told.count(), count, "the application is told of each once");
}

#[test]
fn a_flood_behind_a_close_is_cut_in_time_and_reaches_nobody() {
    let running = start(|builder| builder.close_timeout(millis(300)));
    let bystander = Bystander::new(running.address);
    let mut client = Client::open(running.address);
    let (message, started) = (masked(FIN | TEXT, &[b'x'; 50_000]), Instant::now());
    // In one piece: where nothing follows a Close, the socket is closed at once.
    client.raw(&[&masked(CLOSE, &[3, 232])[..], &message].concat());
    let mut most = 0;
    while std::io::Write::write_all(&mut client.stream, &message).is_ok() {
        most = most.max(running.server.stats().buffered_bytes);
        assert!(started.elapsed() < super::super::client::PATIENCE, "it is listened to for ever");
    }
    assert!(most <= 1024, "{most} bytes for what is ignored");
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    assert_eq!(running.server.stats().close_timeouts, 1);
}

#[test]
fn a_close_that_is_never_answered_is_cut_in_time() {
    let running = start(|builder| builder.close_timeout(millis(300)));
    let bystander = Bystander::new(running.address);
    for chatter in
        [&b""[..], &masked(FIN | TEXT, b"and another thing"), &masked(TEXT, b"half"), &masked(PING, b"")]
    {
        let mut client = Client::open(running.address);
        client.say("close");
        client.raw(chatter);
        assert_eq!(client.get(), Got::Close(1000));
        let mut ended = client.get();
        if ended == Got::Pong(Vec::new()) {
            // It is answered as long as the peer has not closed (RFC 6455-5.5.2-2), and buys no time.
            ended = client.get();
        }
        assert!(matches!(ended, Got::End | Got::Reset), "{ended:?}");
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    let stats = running.server.stats();
    assert_eq!((stats.close_timeouts, stats.closed_by_us, stats.pings_received), (4, 4, 1));
}

#[test]
fn a_fault_after_our_close_does_not_overtake_it() {
    let running = start(|builder| builder);
    let bystander = Bystander::new(running.address);
    for fault in [&b"\xff"[..], b"\x81\x02hi", &masked(FIN | TEXT, b"\xff"), &masked(CLOSE, b"\x03")] {
        let mut client = Client::open(running.address);
        client.raw(&[&masked(FIN | TEXT, b"close"), fault, &FLOOD].concat());
        assert_eq!([client.get(), client.get()], [Got::Close(1000), Got::End], "{}", fault.escape_ascii());
    }
    nothing_is_left(&running.server, 1);
    bystander.was_served();
    let stats = running.server.stats();
    assert_eq!((stats.closed_by_us, stats.protocol_errors), (4, 0));
}
