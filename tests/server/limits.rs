//! What happens at the limits of connections and memory.

use throng::ws::{Opcode, encode};

use super::app::start;
use super::client::{Bystander, Client, Got, eventually};

#[test]
fn over_the_limit_there_is_a_503_that_can_be_read_to_its_end() {
    let running = start(|builder| builder.max_connections(5));
    let mut inside: Vec<Client> = (0..5).map(|_| Client::open(running.address)).collect();
    for _ in 0..200 {
        let response = Client::ask(running.address, "/", "").err().expect("there is no room");
        assert!(
            response.starts_with("HTTP/1.1 503 ") && response.contains("\r\nRetry-After: "),
            "{response}"
        );
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
    inside.iter_mut().for_each(|client| client.is_echoed("still in"));
    inside.pop();
    eventually("one has left", || running.server.stats().open == 4);
    Client::open(running.address).is_echoed("now there is room");
    assert_eq!(running.server.stats().refused_at_limit, 200);
}

#[test]
fn the_limit_is_the_servers_whichever_worker_takes_the_connection() {
    let running = start(|builder| builder.workers(3).max_connections(30));
    let asked = (0..90).map(|_| Client::ask(running.address, "/", ""));
    let answered: Vec<_> = asked.collect();
    assert_eq!(answered.iter().filter(|answer| answer.is_ok()).count(), 30);
    assert_eq!(running.server.stats().open, 30);
}

#[test]
fn memory_goes_back_after_a_spike() {
    let running = start(|builder| builder.max_connections(5_000));
    let bystander = Bystander::new(running.address);
    let mut message = Vec::new();
    encode::frame(&mut message, Opcode::Binary, &[0; 3_000], Some([1; 4]));
    let mut clients: Vec<Client> = (0..2_000).map(|_| Client::open(running.address)).collect();
    for client in &mut clients {
        client.raw(&message[..2_000]);
    }
    eventually("all of it has arrived", || running.server.stats().buffered_bytes >= 2_000 * 2_000);
    drop(clients);
    eventually("all are gone", || running.server.stats().sockets == 1);
    eventually("nothing is kept", || running.server.stats().buffered_bytes == 0);
    bystander.was_served();
}

#[test]
fn a_peer_without_buffers_is_told_to_come_back_and_others_go_on() {
    let settings = |builder: throng::Builder| {
        builder.max_message(256 << 10).outbox_limit(512 << 10).buffer_limit(768 << 10)
    };
    let running = start(settings);
    let bystander = Bystander::new(running.address);
    let mut message = Vec::new();
    encode::frame(&mut message, Opcode::Binary, &vec![0; 256 << 10], Some([1; 4]));
    let mut clients: Vec<Client> = (0..8).map(|_| Client::open(running.address)).collect();
    for client in &mut clients {
        client.raw(&message[..200 << 10]);
    }
    eventually("some are refused", || running.server.stats().buffer_exhausted > 0);
    let told = running.server.stats().buffer_exhausted;
    bystander.was_served();
    let ended = clients.iter_mut().filter_map(|client| {
        client.stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        let mut byte = [0; 4];
        let len = std::io::Read::read(&mut client.stream, &mut byte).ok()?;
        (len == 4 && byte == [0x88, byte[1], 0x03, 0xf5]).then_some(())
    });
    assert!(ended.count() as u64 >= told, "each was told 1013");
}

#[test]
fn the_end_of_a_client_is_the_end_of_its_share() {
    let running = start(|builder| builder.max_connections(1));
    for _ in 0..50 {
        eventually("room", || running.server.stats().sockets == 0);
        let mut client = Client::open(running.address);
        client.is_echoed("in and out");
        client.send_close(throng::CloseCode::NORMAL);
        assert_eq!([client.get(), client.get()], [Got::Close(1000), Got::End]);
    }
}
