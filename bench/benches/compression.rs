//! Messages compressed and decompressed: alone, and with a window of what has passed.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use throng::ws::deflate::{Deflater, Inflater, Windows};

/// Bytes of a message.
const SIZES: [usize; 4] = [128, 1024, 16 << 10, 256 << 10];
/// What `--compression dedicated` keeps of earlier messages, as a power of two.
const WINDOW: u8 = 11;
/// How far back a message may refer.
const BITS: u8 = 15;
/// The fastest level, which is the server's own choice.
const LEVEL: i32 = 1;

/// JSON as a price feed sends it.
fn message(len: usize, mut seed: u64) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (price, size) = (seed >> 44, seed >> 20 & 0xfff);
        write!(
            text,
            "{{\"symbol\":\"ABC{}\",\"price\":{price},\"size\":{size},\"side\":\"buy\"}},",
            seed >> 58
        )
        .expect("a string takes everything");
    }
    text.truncate(len);
    text.into_bytes()
}

/// A message and what may be referred to: nothing, or the messages before.
fn cases(size: usize) -> [(&'static str, Windows); 2] {
    let mut windows = Windows::default();
    for seed in 2..20 {
        windows.sent.push(&message(size, seed), WINDOW);
    }
    [("alone", Windows::default()), ("window of 2 KiB", windows)]
}

fn compress(c: &mut Criterion) {
    let mut group = c.benchmark_group("compress");
    for size in SIZES {
        let payload = message(size, 1);
        group.throughput(Throughput::Bytes(size as u64));
        for (name, windows) in cases(size) {
            let mut deflater = Deflater::new(LEVEL);
            let len = deflater.compress(&payload, BITS, windows.sent.bytes()).len();
            eprintln!("{name}: {size} bytes become {len}");
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| deflater.compress(black_box(&payload), BITS, windows.sent.bytes()).len());
            });
        }
    }
    group.finish();
}

fn decompress(c: &mut Criterion) {
    let mut group = c.benchmark_group("decompress");
    for size in SIZES {
        let payload = message(size, 1);
        group.throughput(Throughput::Bytes(size as u64));
        for (name, windows) in cases(size) {
            let compressed = Deflater::new(LEVEL).compress(&payload, BITS, windows.sent.bytes()).to_vec();
            let mut inflater = Inflater::new();
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| {
                    let message = inflater.decompress(black_box(&compressed), size, windows.sent.bytes());
                    message.expect("a correct message").len()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, compress, decompress);
criterion_main!(benches);
