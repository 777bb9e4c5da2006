//! The timer wheel beside the obvious alternatives: a binary heap, and a tree that can find a timer again.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use throng::wheel::{Node, Nodes, Wheel};

/// Timers, one a connection.
const COUNTS: [u32; 2] = [20_000, 1_000_000];
/// Ticks between two pings of a connection: 30 seconds.
const INTERVAL: u32 = 300;

struct Records(Vec<Node>);

impl Nodes for Records {
    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.0[index as usize]
    }
}

/// In which tick of an interval a timer is due. Indices are shuffled, as connections' are.
const fn phase(index: u32) -> u32 {
    index.wrapping_mul(2_654_435_761) % INTERVAL
}

fn wheel(count: u32) -> (Records, Wheel) {
    let (mut records, mut wheel) = (Records(vec![Node::UNLINKED; count as usize]), Wheel::new(0));
    (0..count).for_each(|index| wheel.arm(&mut records, index, phase(index)));
    (records, wheel)
}

/// A tick of a ping cycle: what is due is taken out and armed again, an interval later.
fn cycle(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick");
    for count in COUNTS {
        group.throughput(Throughput::Elements(u64::from(count / INTERVAL)));
        group.bench_function(BenchmarkId::new("wheel", count), |bencher| {
            let (mut records, mut wheel) = wheel(count);
            let mut now = 0;
            bencher.iter(|| {
                now += 1;
                while let Some((index, due)) = wheel.expire(&mut records, now) {
                    wheel.arm(&mut records, index, due + INTERVAL);
                }
            });
        });
        group.bench_function(BenchmarkId::new("binary heap", count), |bencher| {
            let mut heap: BinaryHeap<_> = (0..count).map(|index| Reverse((phase(index), index))).collect();
            let mut now = 0;
            bencher.iter(|| {
                now += 1;
                while let Some(&Reverse((due, index))) = heap.peek()
                    && due <= now
                {
                    heap.pop();
                    heap.push(Reverse((due + INTERVAL, index)));
                }
            });
        });
    }
    group.finish();
}

/// A timer moved to another tick before it is due.
fn moved(c: &mut Criterion) {
    let mut group = c.benchmark_group("move");
    for count in COUNTS {
        group.bench_function(BenchmarkId::new("wheel", count), |bencher| {
            let (mut records, mut wheel) = wheel(count);
            let mut at = 0_u32;
            bencher.iter(|| {
                at = at.wrapping_add(7_919);
                let index = at % count;
                wheel.arm(&mut records, index, at % INTERVAL);
            });
        });
        group.bench_function(BenchmarkId::new("tree", count), |bencher| {
            let mut deadlines: Vec<u32> = (0..count).map(phase).collect();
            let mut tree: BTreeSet<(u32, u32)> = (0..count).map(|index| (phase(index), index)).collect();
            let mut at = 0_u32;
            bencher.iter(|| {
                at = at.wrapping_add(7_919);
                let index = at % count;
                let deadline = std::mem::replace(&mut deadlines[index as usize], at % INTERVAL);
                tree.remove(&(deadline, index));
                tree.insert((at % INTERVAL, index));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, cycle, moved);
criterion_main!(benches);
