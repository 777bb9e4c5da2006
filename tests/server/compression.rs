//! Compression over real sockets: agreed on as set, and messages that come back.

use throng::ws::Opcode;
use throng::{Compression, Message};

use super::app::start;
use super::client::{Client, Got, eventually};
use super::compressed::{OFFER, message, next, open};

const TEXT: &str = "what is said once more is said in fewer bytes; ";

#[test]
fn messages_come_back_compressed_where_it_is_agreed_on() {
    for (compression, agreed) in [
        (Compression::Off, None),
        (
            Compression::Shared,
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        (Compression::Dedicated, Some("permessage-deflate; client_max_window_bits=10")),
    ] {
        let running = start(|builder| builder.compression(compression).compression_window(1024));
        let (mut stream, answer) = open(running.address, OFFER);
        assert_eq!(answer.as_deref(), agreed);
        let text = TEXT.repeat(100);
        if agreed.is_some() {
            std::io::Write::write_all(&mut stream, &message(Opcode::Text, text.as_bytes())).unwrap();
            assert_eq!(next(&mut stream), Ok((text.clone().into_bytes(), true)));
        }
        // Beside one who knows nothing of it.
        Client::open(running.address).is_echoed(&text);
        let stats = running.server.stats();
        let compressed = u64::from(agreed.is_some());
        assert_eq!((stats.compressed_in, stats.compressed_out), (compressed, compressed));
        let kept = if compression == Compression::Dedicated { 2048 } else { 0 };
        assert_eq!(stats.context_bytes, kept);
        drop(stream);
        eventually("nothing is kept", || running.server.stats().context_bytes == 0);
    }
}

#[test]
fn a_broadcast_is_compressed_for_those_who_agreed_whichever_worker_has_them() {
    let running = start(|builder| builder.workers(3).compression(Compression::Shared));
    let mut with: Vec<_> = (0..20).map(|_| open(running.address, OFFER).0).collect();
    let mut without: Vec<_> = (0..20).map(|_| Client::open(running.address)).collect();
    eventually("all are open", || running.server.stats().open == 40);
    let text = TEXT.repeat(30);
    running.server.handle().broadcast(Message::Text(&text)).unwrap();
    for stream in &mut with {
        assert_eq!(next(stream), Ok((text.clone().into_bytes(), true)));
    }
    for client in &mut without {
        assert_eq!(client.get(), Got::Text(text.clone()));
    }
    assert_eq!(running.server.stats().compressed_out, 20);
}
