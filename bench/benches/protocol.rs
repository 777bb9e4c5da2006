//! What a message passes through: decoding, unmasking, the check for UTF-8, and the handshake's key.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use throng::http::{HeadBuffer, parse_head};
use throng::ws::handshake::{Upgrade, accept_key};
use throng::ws::{Decoder, DecoderConfig, Heap, Opcode, Role, apply_mask, encode};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const CONFIG: DecoderConfig =
    DecoderConfig { role: Role::Server, max_message: 1 << 20, max_frames: 1024, deflate: false };
/// Bytes of a payload: a chat message, a page, and what a read brings at most.
const SIZES: [usize; 4] = [16, 125, 4096, 65_000];

/// Whole frames from a client, decoded from one read.
fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for size in SIZES {
        for (name, opcode, letter) in [
            ("binary", Opcode::Binary, "x"),
            ("text, ASCII", Opcode::Text, "x"),
            ("text, three bytes a letter", Opcode::Text, "\u{20ac}"),
        ] {
            let payload = letter.repeat(size / letter.len());
            let mut frame = Vec::new();
            encode::frame(&mut frame, opcode, payload.as_bytes(), Some(KEY));
            group.throughput(Throughput::Bytes(frame.len() as u64));
            group.bench_with_input(BenchmarkId::new(name, size), &frame, |bencher, frame| {
                bencher.iter_batched_ref(|| frame.clone(), |frame| take(frame), BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

/// Pongs of a ping cycle, as many as one read brings when a client sends them all at once.
fn pongs(c: &mut Criterion) {
    let mut frame = Vec::new();
    encode::frame(&mut frame, Opcode::Pong, &[7; 8], Some(KEY));
    let frames = frame.repeat(100);
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(100));
    group.bench_function("pong", |bencher| {
        bencher.iter_batched_ref(|| frames.clone(), |frames| take(frames), BatchSize::SmallInput);
    });
    group.finish();
}

fn take(mut input: &mut [u8]) {
    let mut decoder = Decoder::default();
    while !input.is_empty() {
        let decoded = decoder.decode(input, &CONFIG, &mut Heap).expect("a correct frame");
        black_box(&decoded.event);
        let consumed = decoded.consumed;
        input = &mut input[consumed..];
    }
}

/// Our words beside the definition, byte for byte.
fn unmask(c: &mut Criterion) {
    let mut group = c.benchmark_group("unmask");
    for size in SIZES {
        let mut bytes = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("throng", size), |bencher| {
            bencher.iter(|| apply_mask(black_box(&mut bytes), black_box(KEY), 1));
        });
        group.bench_function(BenchmarkId::new("byte for byte", size), |bencher| {
            bencher.iter(|| {
                let key = black_box(KEY);
                for (at, byte) in black_box(&mut bytes[..]).iter_mut().enumerate() {
                    *byte ^= key[(at + 1) % 4];
                }
            });
        });
    }
    group.finish();
}

/// A request judged and answered, and the part of it that is SHA-1 and Base64.
fn handshake(c: &mut Criterion) {
    let request = "GET /chat?room=1 HTTP/1.1\r\nHost: example.com:8080\r\nConnection: keep-alive, Upgrade\r\n\
                   Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
                   Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
                   Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut group = c.benchmark_group("handshake");
    group.bench_function("accept key", |bencher| {
        bencher.iter(|| accept_key(black_box(b"dGhlIHNhbXBsZSBub25jZQ==")));
    });
    group.bench_function("request of a browser, answered", |bencher| {
        let mut answer = Vec::new();
        bencher.iter(|| {
            answer.clear();
            let mut buffer = HeadBuffer::default();
            let head = parse_head(black_box(request.as_bytes()), &mut buffer).expect("a correct request");
            let (request, _) = head.expect("a whole request");
            Upgrade::of(&request).expect("an upgrade").accept(None, None, &mut answer);
        });
    });
    group.finish();
}

criterion_group!(benches, decode, pongs, unmask, handshake);
criterion_main!(benches);
