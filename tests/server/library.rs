//! What the library promises to an application: data, refusals, subprotocols, and handles on other threads.

use std::time::Duration;

use throng::{CloseCode, ConnId, Handle, Message, SendError};

use super::app::{Running, Told, start};
use super::client::{Client, Got, eventually};

#[test]
fn each_connection_has_data_of_its_own() {
    let running = start(|builder| builder);
    let (mut first, mut second) = (Client::open(running.address), Client::open(running.address));
    first.is_echoed("one");
    first.is_echoed("two");
    first.say("count");
    second.say("count");
    assert_eq!((first.get(), second.get()), ("3".into(), "1".into()));
}

#[test]
fn a_handler_refuses_with_a_status_and_reads_the_query() {
    let running = start(|builder| builder);
    let response = Client::ask(running.address, "/secret?key=2", "").err().unwrap();
    assert!(response.starts_with("HTTP/1.1 401 ") && response.ends_with("\r\n\r\nnot without the key\n"));
    Client::ask(running.address, "/secret?key=1", "").unwrap().is_echoed("in");
    assert_eq!(running.server.stats().refused_requests, 1);
}

#[test]
fn only_an_offered_subprotocol_is_chosen() {
    let running = start(|builder| builder);
    let chosen = |offer: &str| {
        let response = Client::ask(running.address, "/", offer).unwrap().response;
        let line = response.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        line.map(str::to_owned)
    };
    assert_eq!(chosen("other, known.v2, known.v1").as_deref(), Some("known.v2"));
    assert_eq!(chosen("other"), None);
    assert_eq!(chosen(""), None);
}

#[test]
fn the_peers_address_is_known() {
    let running = start(|builder| builder);
    let mut client = Client::ask(running.address, "/address", "").unwrap();
    assert_eq!(client.get(), Got::Text(client.stream.local_addr().unwrap().to_string()));
}

#[test]
fn other_threads_send_to_and_close_connections_by_their_ids() {
    let running = start(|builder| builder.workers(2));
    let mut clients: Vec<(Client, ConnId)> =
        (0..8).map(|_| (Client::open(running.address), running.next_opened())).collect();
    let handle = running.server.handle();
    let ids: Vec<ConnId> = clients.iter().map(|(_, id)| *id).collect();
    std::thread::spawn(move || {
        for (number, id) in (0..).zip(ids) {
            let id = ConnId::from_u64(id.to_u64());
            handle.send(id, Message::Text(&format!("for {number}"))).unwrap();
            handle.close(id, CloseCode::SERVICE_RESTART, "later").unwrap();
        }
    })
    .join()
    .unwrap();
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        assert_eq!(client.get(), Got::Text(format!("for {number}")));
        assert_eq!(client.get(), Got::Close(1012));
        client.send_close(CloseCode::SERVICE_RESTART);
        assert_eq!(client.get(), Got::End);
    }
    for _ in 0..8 {
        let Told::Closed(id, why) = running.next_told() else { panic!("not closed") };
        assert!(why.starts_with("ByUs") && clients.iter().any(|(_, other)| *other == id));
    }
    let gone = clients[0].1;
    running.server.handle().send(gone, Message::Text("too late")).unwrap();
    eventually("it is counted", || running.server.stats().messages_to_nobody == 1);
}

#[test]
fn a_handle_ends_the_server_while_another_thread_waits_for_the_end() {
    let drain: fn(&Handle) = |handle| handle.drain(Duration::from_secs(60));
    for (end, goodbye) in [(drain, Got::Close(1001)), (Handle::stop, Got::End)] {
        let Running { server, address, .. } = start(|builder| builder.workers(2));
        let mut client = Client::open(address);
        let handle = server.handle();
        let waiting = std::thread::spawn(|| server.join());
        assert!(!handle.is_ending());
        end(&handle);
        assert!(handle.is_ending());
        assert_eq!(client.get(), goodbye);
        drop(client);
        waiting.join().unwrap().unwrap();
    }
}

#[test]
fn a_broadcast_reaches_everybody_on_all_workers() {
    let running = start(|builder| builder.workers(3));
    let mut clients: Vec<Client> = (0..60).map(|_| Client::open(running.address)).collect();
    let handle = running.server.handle();
    handle.broadcast(Message::Text("to all")).unwrap();
    handle.broadcast(Message::Binary(&[7; 100_000])).unwrap();
    for client in &mut clients {
        assert_eq!(client.get(), "to all".into());
        assert_eq!(client.get(), Got::Binary(vec![7; 100_000]));
    }
}

#[test]
fn a_full_mailbox_says_so_and_what_it_took_arrives() {
    let running = start(|builder| builder);
    let (mut client, id) = (Client::open(running.address), running.next_opened());
    let handle = running.server.handle();
    let mut sent = 0_u64;
    // Faster than a worker can write.
    let refused = (0..2_000_000).any(|_| match handle.send(id, Message::Text("x")) {
        Ok(()) => {
            sent += 1;
            false
        }
        Err(error) => {
            assert_eq!(error, SendError::MailboxFull);
            true
        }
    });
    assert!(refused);
    for _ in 0..sent {
        assert_eq!(client.get(), "x".into());
    }
}

#[test]
fn memory_is_that_of_connections_with_their_data() {
    let running = start(|builder| builder);
    let before = running.server.memory();
    let _clients: Vec<Client> = (0..10).map(|_| Client::open(running.address)).collect();
    eventually("all are open", || running.server.stats().open == 10);
    // A record without data has 32 bytes.
    assert!((before + 320..before + 1_000).contains(&running.server.memory()), "{}", running.server.memory());
}

#[test]
fn a_handle_outlives_its_server() {
    let running = start(|builder| builder);
    let (_client, id) = (Client::open(running.address), running.next_opened());
    let handle = running.server.handle();
    drop(running);
    assert_eq!(handle.send(id, Message::Text("x")), Err(SendError::Gone));
    assert_eq!(handle.broadcast(Message::Text("x")), Err(SendError::Gone));
    assert_eq!(handle.stats().open, 0);
}
