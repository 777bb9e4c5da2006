//! Tests with another transport than the plain one: records with a handshake before them and an alert at the end.

use super::rig::{Client, Rig, Seen, decode, limits, play, request, secs};
use crate::base::meter::Allowance;
use crate::simulation::connection::Ending;
use crate::worker::Limits;
use crate::worker::stream::ListenerOptions;
use crate::worker::stream::transport::records::{
    ALERT, HELLO, MAX_PAYLOAD, WELCOME, WORK_OF_RECORD, encode_record, scramble,
};
use crate::worker::table::TransportKind;
use crate::ws::{CloseCode, Message, Opcode, encode};

const RECORDS: ListenerOptions = ListenerOptions { transport: TransportKind::Records, preamble: None };

/// Makes new connections use the transport of records.
pub(super) fn use_records(rig: &mut Rig) {
    rig.worker.sessions.streams.listeners[0] = RECORDS;
}

/// A client's end of the transport.
#[derive(Default)]
pub(super) struct Peer {
    sends: u8,
    receives: u8,
    /// The received bytes of an incomplete record.
    partial: Vec<u8>,
    is_welcome: bool,
    pub(super) has_ended: bool,
    pub(super) has_alert: bool,
}

impl Peer {
    /// Returns a record, or several where the payload is long.
    pub(super) fn encode_record(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in payload.chunks(MAX_PAYLOAD) {
            encode_record(&mut out, part, self.sends);
            self.sends = self.sends.wrapping_add(1);
        }
        out
    }

    /// Extracts the stream from what the server has sent.
    pub(super) fn open(&mut self, received: &[u8]) -> Vec<u8> {
        self.partial.extend_from_slice(received);
        let mut stream = Vec::new();
        if !self.is_welcome && self.partial.first() == Some(&WELCOME) {
            self.partial.remove(0);
            self.is_welcome = true;
        }
        while let [high, low, payload @ ..] = &self.partial[..] {
            if [*high, *low] == ALERT {
                self.has_alert = true;
                self.partial.drain(..2);
                continue;
            }
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            assert!(self.is_welcome && len <= MAX_PAYLOAD && !self.has_ended, "a record of {len} bytes");
            if payload.len() < len {
                break;
            }
            self.has_ended |= len == 0;
            let start = stream.len();
            stream.extend_from_slice(&payload[..len]);
            scramble(&mut stream[start..], self.receives);
            self.receives = self.receives.wrapping_add(u8::from(len > 0));
            self.partial.drain(..2 + len);
        }
        stream
    }
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::frame(&mut bytes, opcode, payload, Some([1, 2, 3, 4]));
    bytes
}

/// Returns the frames that follow the response in a stream.
fn frames_of(mut stream: Vec<u8>) -> Vec<Seen> {
    let end = stream.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("there is a response") + 4;
    assert!(stream.starts_with(b"HTTP/1.1 101 "));
    decode(&mut stream[end..])
}

/// Makes a client with an open WebSocket.
fn open(rig: &mut Rig) -> (Client, Peer) {
    use_records(rig);
    let (client, mut peer) = (rig.connect(), Peer::default());
    rig.send(client, &[&[HELLO], &peer.encode_record(request("/").as_bytes())[..]].concat());
    rig.settle();
    let received = rig.world().client_takes(client);
    assert_eq!(frames_of(peer.open(&received)), []);
    (client, peer)
}

fn receive(rig: &mut Rig, client: Client, peer: &mut Peer) -> Vec<u8> {
    let received = rig.world().client_takes(client);
    peer.open(&received)
}

/// Returns what a client sends in a short conversation, and the frames that it expects.
fn conversation(peer: &mut Peer) -> (Vec<u8>, Vec<Seen>) {
    let frames = [
        frame(Opcode::Text, b"over"),
        frame(Opcode::Ping, b"?"),
        frame(Opcode::Text, b"and out"),
        frame(Opcode::Close, &1000_u16.to_be_bytes()),
    ];
    let (stream, mut wire) = ([request("/").into_bytes(), frames.concat()].concat(), vec![HELLO]);
    // Records end inside frames, and some hold several.
    for part in stream.chunks(37) {
        wire.extend(peer.encode_record(part));
    }
    wire.extend([0, 0]);
    let answers =
        [Seen::Text("over".into()), Seen::Pong(b"?".into()), Seen::Text("and out".into()), Seen::Close(1000)];
    (wire, answers.into())
}

#[test]
fn the_work_of_a_transport_bounds_an_iteration() {
    const CLIENTS: usize = 40;
    let most = 10 * WORK_OF_RECORD;
    let work = Allowance { first: most, visit: most, iteration: most };
    play(Limits { work, ..limits() }, |rig| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| open(rig)).collect();
        for (client, peer) in &mut clients {
            let wire = peer.encode_record(&frame(Opcode::Text, b"quiet"));
            rig.send(*client, &wire);
        }
        rig.iterate();
        let handled = rig.log().messages.len();
        assert!((5..=10).contains(&handled), "{handled}");
        rig.settle();
        assert_eq!(rig.log().messages.len(), CLIENTS);
        // Output counts as well.
        rig.handle.broadcast(Message::Text("all")).unwrap();
        rig.iterate();
        let got = |rig: &Rig| clients.iter().filter(|(client, _)| rig.sends(*client) > 2).count();
        assert!((1..=5).contains(&got(rig)), "{}", got(rig));
        rig.settle();
        assert_eq!(got(rig), CLIENTS);
    });
}

#[test]
fn without_a_descriptor_a_peer_gets_the_alert_of_its_transport() {
    play(limits(), |rig| {
        use_records(rig);
        rig.world().free_descriptors = 0;
        let client = rig.connect();
        rig.send(client, &[HELLO]);
        rig.settle();
        let told = rig.world().client_takes(client);
        assert_eq!((told, rig.ending(client)), (ALERT.to_vec(), Ending::Clean));
        assert_eq!(rig.counters().refused_at_limit.get(), 1);
    });
}

#[test]
fn a_conversation_passes_wherever_it_is_cut() {
    let len = conversation(&mut Peer::default()).0.len();
    for cut in 0..=len {
        play(limits(), |rig| {
            use_records(rig);
            let (client, mut peer) = (rig.connect(), Peer::default());
            let (wire, answers) = conversation(&mut peer);
            rig.send(client, &wire[..cut]);
            rig.settle();
            rig.send(client, &wire[cut..]);
            rig.settle();
            let stream = receive(rig, client, &mut peer);
            assert_eq!(frames_of(stream), answers, "cut at {cut}");
            assert!(peer.has_ended && !peer.has_alert);
            assert_eq!(rig.log().last_close(), "by peer 1000");
            assert_ne!(rig.ending(client), Ending::Open);
        });
    }
}

#[test]
fn it_passes_byte_by_byte() {
    play(limits(), |rig| {
        use_records(rig);
        let (client, mut peer) = (rig.connect(), Peer::default());
        let (wire, answers) = conversation(&mut peer);
        for byte in wire {
            rig.send(client, &[byte]);
            rig.settle();
        }
        let stream = receive(rig, client, &mut peer);
        assert_eq!(frames_of(stream), answers);
    });
}

/// The socket, and what the transport holds of one read, have far more than one read returns; and there is only one edge.
#[test]
fn all_records_of_one_event_are_dealt_with() {
    play(limits(), |rig| {
        let (client, mut peer) = open(rig);
        let messages: Vec<_> = (0..200).map(|number| format!("number {number}")).collect();
        let wire: Vec<_> = messages
            .iter()
            .flat_map(|text| peer.encode_record(&frame(Opcode::Text, text.as_bytes())))
            .collect();
        rig.send(client, &wire);
        rig.settle();
        assert_eq!(rig.log().messages, messages);
        let expected: Vec<_> = messages.into_iter().map(Seen::Text).collect();
        assert_eq!(decode(&mut receive(rig, client, &mut peer)), expected);
    });
}

#[test]
fn a_large_message_is_received_where_it_belongs() {
    play(limits(), |rig| {
        let (client, mut peer) = open(rig);
        let wire = peer.encode_record(&frame(Opcode::Binary, &[7; 100_000]));
        for part in wire.chunks(10_000) {
            rig.send(client, part);
            rig.settle();
        }
        assert_eq!(decode(&mut receive(rig, client, &mut peer)), [Seen::Binary(100_000)]);
    });
}

/// Bytes of a record that the kernel does not take, and of the outbox behind it, are written when it has room. Nothing is read before.
#[test]
fn records_that_are_partly_written_are_finished() {
    for room in [1, 2, 7, 100, 301, 302, 303, 604] {
        play(limits(), |rig| {
            let (client, mut peer) = open(rig);
            rig.world().set_room(client, room);
            let wire = peer.encode_record(&frame(Opcode::Text, b"big 1000"));
            rig.send(client, &wire);
            rig.settle();
            for number in 0..5 {
                let wire = peer.encode_record(&frame(Opcode::Text, format!("later {number}").as_bytes()));
                rig.send(client, &wire);
                rig.settle();
            }
            assert_eq!(rig.log().messages.len(), 1, "the others wait in the kernel");
            let before = rig.sends(client);
            rig.run_for(secs(1));
            assert_eq!(rig.sends(client), before, "the kernel has not reported room");
            for _ in 0..2_000 {
                rig.world().set_room(client, room);
                rig.settle();
            }
            let later = (0..5).map(|number| Seen::Text(format!("later {number}")));
            let expected: Vec<_> = std::iter::once(Seen::Binary(1000)).chain(later).collect();
            assert_eq!(decode(&mut receive(rig, client, &mut peer)), expected, "room for {room}");
            let streams = &rig.worker.sessions.streams;
            assert_eq!((streams.pool.used(), streams.table.sides_len()), (0, 0));
        });
    }
}

/// The transport may have taken all bytes of a stream, and the kernel not the last of their record: the end must not overtake it.
#[test]
fn the_end_waits_for_what_the_transport_has_to_send() {
    for room in 0..12 {
        play(limits(), |rig| {
            let (client, mut peer) = open(rig);
            rig.world().set_room(client, room);
            let wire = peer.encode_record(&frame(Opcode::Text, b"close"));
            rig.send(client, &wire);
            rig.settle();
            let wire = peer.encode_record(&frame(Opcode::Close, &1000_u16.to_be_bytes()));
            rig.send(client, &wire);
            rig.settle();
            for _ in 0..40 {
                rig.world().set_room(client, 1);
                rig.settle();
            }
            assert_eq!(decode(&mut receive(rig, client, &mut peer)), [Seen::Close(1000)], "room for {room}");
            assert_eq!(peer.has_ended, rig.ending(client) == Ending::Clean, "room for {room}");
            assert_eq!(rig.log().last_close(), "by us 1000");
        });
    }
}

#[test]
fn a_peer_that_breaks_its_rules_is_told_so_and_its_end_awaited() {
    let too_long = u16::try_from(MAX_PAYLOAD + 1).unwrap().to_be_bytes();
    let broken: [(&[u8], usize); 3] = [(b"G", 0), (&[HELLO, too_long[0], too_long[1]], 0), (&too_long, 1)];
    for (bytes, opened) in broken {
        play(limits(), |rig| {
            let (client, mut peer) = if opened == 1 {
                open(rig)
            } else {
                use_records(rig);
                (rig.connect(), Peer::default())
            };
            // More bytes than a read takes follow, without an event.
            rig.send(client, &[bytes, &[HELLO; 2_000]].concat());
            rig.settle();
            assert!(rig.world().connections[client].inbound.is_empty());
            assert_eq!(receive(rig, client, &mut peer), b"");
            assert!(peer.has_alert && !peer.has_ended);
            assert_eq!(rig.ending(client), Ending::Clean, "the writing half has ended");
            assert_eq!(rig.world().held(), 1);
            let counted =
                [&rig.counters().transport_errors, &rig.counters().lost].map(|counter| counter.get());
            assert_eq!(counted, [1, opened as u64]);
            // Later input of the peer has no effect.
            rig.send(client, &[HELLO; 2_000]);
            rig.settle();
            assert!(rig.world().connections[client].inbound.is_empty());
            assert_eq!(rig.log().closed.len(), opened);
            rig.world().client_ends(client);
            rig.settle();
            assert_eq!(rig.world().held(), 0);
        });
    }
}

#[test]
fn an_answer_of_the_handshake_waits_for_room() {
    play(limits(), |rig| {
        use_records(rig);
        let client = rig.connect();
        rig.world().set_room(client, 0);
        rig.send(client, &[HELLO]);
        rig.settle();
        assert_eq!(rig.world().client_takes(client), b"");
        rig.world().set_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.world().client_takes(client), [WELCOME]);
    });
}

#[test]
fn a_stream_that_is_cut_off_is_lost() {
    play(limits(), |rig| {
        let (client, mut peer) = open(rig);
        let wire = peer.encode_record(&frame(Opcode::Text, b"half"));
        rig.send(client, &wire[..wire.len() - 1]);
        rig.settle();
        rig.world().client_ends(client);
        rig.settle();
        assert_eq!(rig.log().last_close(), "lost");
        assert_eq!(rig.log().messages.len(), 0);
    });
}

#[test]
fn before_its_handshake_nothing_is_said_in_the_stream() {
    // The handshake deadline passes.
    play(limits(), |rig| {
        use_records(rig);
        let client = rig.connect();
        rig.settle();
        rig.run_for(secs(11));
        assert_eq!(rig.counters().handshake_timeouts.get(), 1);
        assert_eq!(rig.world().client_takes(client), b"");
        assert_eq!(rig.world().held(), 0);
    });
    // The server ends.
    play(limits(), |rig| {
        use_records(rig);
        let client = rig.connect();
        rig.settle();
        rig.handle.shared.drain(secs(1));
        rig.run_for(secs(2));
        assert_eq!(rig.world().client_takes(client), b"");
    });
    // A connection beyond the limit is refused in the stream.
    play(Limits { worker_connections: 0, ..limits() }, |rig| {
        use_records(rig);
        let (client, mut peer) = (rig.connect(), Peer::default());
        rig.send(client, &[&[HELLO], &peer.encode_record(request("/").as_bytes())[..]].concat());
        rig.settle();
        assert!(receive(rig, client, &mut peer).starts_with(b"HTTP/1.1 503 "));
        assert!(peer.has_ended);
    });
}

#[test]
fn connections_of_both_transports_live_in_one_worker() {
    play(limits(), |rig| {
        let plain = rig.open();
        let (wrapped, mut peer) = open(rig);
        rig.handle.broadcast(Message::Text("to all")).unwrap();
        rig.settle();
        assert_eq!(rig.frames(plain), [Seen::Text("to all".into())]);
        assert_eq!(decode(&mut receive(rig, wrapped, &mut peer)), [Seen::Text("to all".into())]);
        let wire = peer.encode_record(&frame(Opcode::Close, &CloseCode::NORMAL.get().to_be_bytes()));
        rig.send(wrapped, &wire);
        rig.settle();
        // The next connection with that index has none of the old state.
        open(rig);
        rig.send_text(plain, "still here");
        rig.settle();
        assert_eq!(rig.frames(plain), [Seen::Text("still here".into())]);
    });
}
