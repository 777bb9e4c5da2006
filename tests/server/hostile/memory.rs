//! What attacks cost in memory, seen from outside: the anonymous resident memory of a `throng serve` before, during and after
//! each. The figures are printed and written to `hostile.md` in cargo's directory for files of tests, from where they came into
//! docs/HOSTILE.md.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use throng::ws::Opcode;

use super::super::app::millis;
use super::super::client::{Bystander, Client, dial, eventually};
use super::super::command::Program;
use super::super::compressed::{self, OFFER};
use super::resets::reset;
use super::{BINARY, CONTINUATION, FIN, PING, REQUEST, TEXT, header, masked, on_threads, open_many};

/// An attack on a server of its own, which has one worker, a buffer limit of 32 MiB, and the default limits else.
struct Attack {
    name: &'static str,
    clients: usize,
    /// Makes one client do its worst; it is held until the memory has been looked at.
    client: fn(SocketAddr) -> Option<TcpStream>,
    /// The most KiB that all clients together may cost.
    bound: u64,
}

/// What remains of an attack, in KiB, is below this: the buffers that a pool keeps, and holes of the allocator's.
const REMAINS: u64 = 2 * 1024;

/// At most this many servers are attacked at a time.
const AT_ONCE: usize = 7;

/// Time for what comes back by itself: pools and the allocator are looked after every second, and each takes two rounds.
const SETTLING: Duration = Duration::from_millis(3_000);

const ATTACKS: [Attack; 17] = [
    // 32 bytes each, in pages of 128 KiB.
    Attack { name: "connects and says nothing", clients: 1_500, client: |to| Some(dial(to)), bound: 512 },
    // A side record, and a buffer of 256 bytes.
    Attack {
        name: "sends half a request",
        clients: 1_500,
        client: |to| sending(dial(to), &REQUEST.as_bytes()[..100]),
        bound: 2 * 1024,
    },
    // A side record, and a buffer of 16 KiB.
    Attack {
        name: "sends a head of 16 KiB without its end",
        clients: 1_000,
        client: |to| sending(dial(to), &[REQUEST.trim_end().as_bytes(), &[b'0'; 16_000]].concat()),
        bound: 17 * 1024,
    },
    Attack {
        name: "sends a request that is refused, and stays",
        clients: 1_500,
        client: |to| sending(dial(to), b"GET / HTTP/1.1\r\n\r\n"),
        bound: 512,
    },
    Attack {
        name: "opens a WebSocket and says nothing",
        clients: 1_500,
        client: |to| Some(Client::open(to).stream),
        bound: 512,
    },
    // A side record.
    Attack {
        name: "declares a message of 1 MiB and sends none of it",
        clients: 1_500,
        client: |to| sending(Client::open(to).stream, &header(FIN | BINARY, 1 << 20)),
        bound: 1024,
    },
    Attack {
        name: "declares a message of 1 MiB and sends ten bytes of it",
        clients: 1_500,
        client: |to| {
            sending(Client::open(to).stream, &[&header(FIN | BINARY, 1 << 20)[..], &[0; 10]].concat())
        },
        bound: 2 * 1024,
    },
    // The buffer limit, 32 MiB: 64 KiB each for 512 of them, and 1013 for the others.
    Attack {
        name: "sends 50,000 bytes of a message of 1 MiB",
        clients: 1_500,
        client: |to| {
            sending(Client::open(to).stream, &[&header(FIN | BINARY, 1 << 20)[..], &[0; 50_000]].concat())
        },
        bound: 34 * 1024,
    },
    // Enough for there to be room for all of it, which is not touched.
    Attack {
        name: "sends 100,000 bytes of a message of 1 MiB",
        clients: 1_500,
        client: |to| {
            sending(Client::open(to).stream, &[&header(FIN | BINARY, 1 << 20)[..], &[0; 100_000]].concat())
        },
        bound: 34 * 1024,
    },
    Attack {
        name: "sends 4,096 empty fragments",
        clients: 500,
        client: |to| {
            let fragments = [masked(TEXT, b""), masked(CONTINUATION, b"").repeat(4_095)].concat();
            sending(Client::open(to).stream, &fragments)
        },
        bound: 1024,
    },
    Attack {
        name: "breaks the protocol, and stays",
        clients: 1_500,
        client: |to| sending(Client::open(to).stream, &[0xff; 64]),
        bound: 512,
    },
    // Less than a read's worth of Pongs each, in a buffer of 64 or 256 KiB.
    Attack {
        name: "sends Pings without end and reads nothing",
        clients: 50,
        client: |to| flooding(Client::open(to).stream, &masked(PING, &[0; 125]).repeat(100)),
        bound: 50 * 256 + 1024,
    },
    // An echo or two of 60 KB each, in buffers of 64 KiB.
    Attack {
        name: "sends messages without end and reads nothing",
        clients: 50,
        client: |to| flooding(Client::open(to).stream, &masked(FIN | BINARY, &[0; 60_000])),
        bound: 50 * 512 + 1024,
    },
    // What the decompressor grew to, once, and what has arrived of each: at most 16 KiB.
    Attack {
        name: "sends 16 MiB in 16 KB, compressed",
        clients: 500,
        client: |to| {
            static BOMB: LazyLock<Vec<u8>> =
                LazyLock::new(|| compressed::message(Opcode::Binary, &vec![0; 16 << 20]));
            sending(compressed::open(to, OFFER).0, &BOMB)
        },
        bound: 500 * 16 + 3 * 1024,
    },
    // A read that waits to be decompressed, and echoes.
    Attack {
        name: "sends messages of 1 MiB in 1 KB without end and reads nothing",
        clients: 50,
        client: |to| {
            static LARGE: LazyLock<Vec<u8>> =
                LazyLock::new(|| compressed::message(Opcode::Binary, &vec![0; 1 << 20]).repeat(20));
            flooding(compressed::open(to, OFFER).0, &LARGE)
        },
        bound: 50 * 512 + 3 * 1024,
    },
    Attack {
        name: "sends a byte and resets",
        clients: 10_000,
        client: |to| {
            let mut stream = dial(to);
            stream.write_all(b"G").ok()?;
            reset(stream);
            None
        },
        bound: 1024,
    },
    Attack {
        name: "sends a request and a half message, and resets",
        clients: 10_000,
        client: |to| {
            let mut stream = dial(to);
            stream.write_all(&[REQUEST.as_bytes(), &masked(TEXT, b"half")].concat()).unwrap();
            reset(stream);
            None
        },
        bound: 1024,
    },
];

fn sending(mut stream: TcpStream, bytes: &[u8]) -> Option<TcpStream> {
    stream.write_all(bytes).unwrap();
    Some(stream)
}

/// Sends until the server takes no more.
fn flooding(mut stream: TcpStream, bytes: &[u8]) -> Option<TcpStream> {
    stream.set_write_timeout(Some(millis(100))).unwrap();
    while stream.write_all(bytes).is_ok() {}
    Some(stream)
}

fn descriptors_of(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// KiB before, at the peak and after.
#[derive(Debug, Clone, Copy)]
struct Seen {
    before: u64,
    peak: u64,
    after: u64,
}

/// What `attack` returns, and the most memory that was seen meanwhile, in KiB.
fn watching<T>(program: &Program, attack: impl FnOnce() -> T) -> (T, u64) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(program.memory());
                std::thread::sleep(millis(2));
            }
            peak
        });
        // An attack that fails must not leave the other thread looking on for ever.
        let result = catch_unwind(AssertUnwindSafe(attack));
        over.store(true, Ordering::Relaxed);
        let peak = looks.join().unwrap();
        (result.unwrap_or_else(|failure| resume_unwind(failure)), peak)
    })
}

fn carry_out(attack: &Attack) -> Seen {
    let arguments = [
        &[
            "--workers",
            "1",
            "--admin",
            "127.0.0.1:0",
            "--max-connections",
            "12000",
            "--buffer-limit",
            "32MiB",
        ][..],
        &[
            "--compression",
            "shared",
            "--ping-interval",
            "off",
            "--handshake-timeout",
            "1m",
            "--close-timeout",
            "1m",
        ],
    ];
    let program = Program::echo(None, &arguments.concat());
    let (process, address) = (program.id(), program.address);
    let bystander = Bystander::new(address);
    // What the first connections bring about once and for all is none of the attack's.
    open_many(address, 20).iter_mut().for_each(|client| client.is_echoed("hi"));
    eventually("they are gone", || program.count("sockets") == 1);
    let (before, descriptors) = (program.memory(), descriptors_of(process));
    let (held, peak) = watching(&program, || {
        let held = on_threads(attack.clients, || (attack.client)(address));
        // Those that have reset may have been dropped unseen, if the kernel's queue was full of them (`net.core.somaxconn`).
        let staying = held.iter().flatten().count() as u64;
        eventually("all that stay have come", || program.count("accepted") >= 21 + staying);
        // What has arrived before these is read before these.
        (0..5).for_each(|_| Client::open(address).is_echoed("are you through?"));
        std::thread::sleep(millis(100));
        held
    });
    let seen = Seen { before, peak, after: 0 };
    assert!(peak <= before + attack.bound, "{}: {seen:?}", attack.name);
    drop(held);
    eventually("all are gone", || program.count("sockets") == 1);
    std::thread::sleep(SETTLING);
    let returning = format!("memory is back to {before} KiB after {:?}", attack.name);
    eventually(&returning, || program.memory() <= before + REMAINS);
    let after = program.memory();
    bystander.was_served();
    eventually("the bystander is gone", || program.count("sockets") == 0);
    assert_eq!((program.count("buffered_bytes"), program.count("bugs")), (0, 0));
    eventually("no descriptor is left, nor the bystander's", || descriptors_of(process) < descriptors);
    Seen { after, ..seen }
}

#[test]
fn every_attack_has_its_price_and_gives_it_back() {
    let mut table = String::from(
        "| a client that | how many | before, KiB | peak, KiB | a client, bytes | after, KiB |\n|---|---|---|---|---|---|\n",
    );
    for some in ATTACKS.chunks(AT_ONCE) {
        let seen: Vec<Seen> = std::thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|attack| scope.spawn(|| carry_out(attack))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (Attack { name, clients, .. }, Seen { before, peak, after }) in some.iter().zip(seen) {
            let each = (peak - before) * 1024 / *clients as u64;
            writeln!(table, "| {name} | {clients} | {before} | {peak} | {each} | {after} |").unwrap();
        }
    }
    println!("{table}");
    fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/hostile.md"), table).unwrap();
}
