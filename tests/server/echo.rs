//! Every message comes back, whatever its size and its pieces.

use throng::CloseCode;
use throng::ws::Opcode;

use super::app::start;
use super::client::{Client, Got, eventually};

/// Bytes that a shift or a lost block would show in.
fn pattern(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
}

#[test]
fn messages_of_all_sizes_come_back() {
    let running = start(|builder| builder);
    let mut client = Client::open(running.address);
    for len in [0, 1, 125, 126, 127, 4_096, 65_535, 65_536, 65_537, 300_000, 1 << 20] {
        let payload = pattern(len);
        std::thread::scope(|scope| {
            // Written beside reading: a megabyte may not fit the buffers between.
            let mut stream = client.stream.try_clone().unwrap();
            let payload = &payload;
            scope.spawn(move || {
                let mut bytes = Vec::new();
                throng::ws::encode::frame(&mut bytes, Opcode::Binary, payload, Some([5, 6, 7, 8]));
                std::io::Write::write_all(&mut stream, &bytes).unwrap();
            });
            let Got::Binary(echoed) = client.get() else { panic!("no message of {len} bytes") };
            assert!(echoed == *payload, "{len}");
        });
    }
    client.send_close(CloseCode::NORMAL);
    assert_eq!([client.get(), client.get()], [Got::Close(1000), Got::End]);
    eventually("nothing is kept", || running.server.stats().buffered_bytes == 0);
}

#[test]
fn a_message_in_fragments_comes_back_whole_and_pings_between_are_answered() {
    let running = start(|builder| builder);
    let mut client = Client::open(running.address);
    let text = "grüße ".repeat(20_000);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(777).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let opcode = if at == 0 { Opcode::Text } else { Opcode::Continuation };
        client.frame(at + 1 == pieces.len(), opcode, piece);
        if at % 50 == 10 {
            client.frame(true, Opcode::Ping, b"still there?");
            assert_eq!(client.get(), Got::Pong(b"still there?".into()));
        }
    }
    assert_eq!(client.get(), Got::Text(text));
}

#[test]
fn a_message_over_the_limit_is_1009() {
    let running = start(|builder| builder);
    let mut client = Client::open(running.address);
    client.raw(&[0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4]);
    assert_eq!([client.get(), client.get()], [Got::Close(1009), Got::End]);
}

#[test]
fn many_small_messages_keep_their_order() {
    let running = start(|builder| builder);
    let mut client = Client::open(running.address);
    let mut bytes = Vec::new();
    for number in 0..5_000 {
        let text = number.to_string();
        throng::ws::encode::frame(&mut bytes, Opcode::Text, text.as_bytes(), Some([1; 4]));
    }
    client.raw(&bytes);
    for number in 0..5_000 {
        assert_eq!(client.get(), Got::Text(number.to_string()));
    }
}
