//! Seeds of the whole-server simulation (docs/TESTING.md).
//!
//! `SIMULATION_SEEDS` is how many short seeds run, `SIMULATION_FIRST` the first of them, `SIMULATION_LONG` how many long ones,
//! `SIMULATION_HUB` how many with a hub, `SIMULATION_SEED` and `SIMULATION_PROFILE` a single one to repeat.

use std::time::Instant;

use throng::simulation::{HubReport, Profile, Report, compare_kernels, replay, run, run_hub, run_load};

const PROFILES: [(&str, Profile); 3] =
    [("short", Profile::Short), ("long", Profile::Long), ("many", Profile::ManyClients)];

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}"))
}

/// Runs seeds of a profile and reports on them. The first that fails ends the test.
fn seeds(name: &str, profile: Profile, first: u64, count: u64) {
    let started = Instant::now();
    let mut total = Report::default();
    for seed in first..first + count {
        match run(seed, profile) {
            Ok(report) => total.add(&report),
            Err(failure) => panic!(
                "seed {seed} ({name}) fails: {failure}\nto repeat it:\n    \
                 SIMULATION_PROFILE={name} SIMULATION_SEED={seed} cargo test --profile simulation --features simulation \
                 --test simulation one_seed -- --nocapture"
            ),
        }
    }
    println!("{count} {name} seeds from {first} on in {:.1?}: {total:?}", started.elapsed());
    assert!(total.messages > 0 && total.opened > 0, "nothing happened");
    assert!(count < 100 || total.compressed > 0, "nothing was compressed");
}

#[test]
fn short_seeds() {
    seeds("short", Profile::Short, number("SIMULATION_FIRST", 0), number("SIMULATION_SEEDS", 150));
}

#[test]
fn long_seeds() {
    seeds("long", Profile::Long, number("SIMULATION_FIRST", 0), number("SIMULATION_LONG", 1));
}

#[test]
fn many_clients() {
    seeds("many", Profile::ManyClients, number("SIMULATION_FIRST", 0), number("SIMULATION_LONG", 1));
}

/// Runs seeds of the simulation with a hub and reports on them. The first that fails ends the test.
fn hub_seeds(first: u64, count: u64) {
    let started = Instant::now();
    let mut total = HubReport::default();
    for seed in first..first + count {
        match run_hub(seed) {
            Ok(report) => total.add(&report),
            Err(failure) => panic!(
                "seed {seed} (hub) fails: {failure}\nto repeat it:\n    SIMULATION_PROFILE=hub SIMULATION_SEED={seed} cargo test \
                 --profile simulation --features simulation --test simulation one_seed -- --nocapture"
            ),
        }
    }
    println!("{count} hub seeds from {first} on in {:.1?}: {total:?}", started.elapsed());
    assert!(total.published > 0 && total.received > 0, "nothing happened");
    let HubReport { recovered, gaps, dropped, .. } = total;
    assert!(count < 100 || (recovered > 0 && gaps > 0 && dropped > 0), "no edge was met");
}

#[test]
fn seeds_with_a_hub() {
    hub_seeds(number("SIMULATION_FIRST", 0), number("SIMULATION_HUB", 100));
}

/// A worker that has more to do than time.
#[test]
fn seeds_under_load() {
    let (started, count) = (Instant::now(), number("SIMULATION_LOAD", 3));
    let first = number("SIMULATION_FIRST", 0);
    let (mut opened, mut pings, mut put_off) = (0, 0, 0);
    for seed in first..first + count {
        let report = run_load(seed).unwrap_or_else(|failure| panic!("seed {seed} (load) fails: {failure}"));
        (opened, pings, put_off) = (opened + report.opened, pings + report.pings, put_off + report.put_off);
    }
    println!(
        "{count} load seeds from {first} on in {:.1?}: {opened} opened, {pings} Pings, {put_off} times put off",
        started.elapsed()
    );
    assert!(opened > 0 && pings > 0 && put_off > 0, "nothing happened");
}

/// Runs only when it is asked to, with `SIMULATION_SEED`.
#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("SIMULATION_SEED") else { return };
    let seed = seed.parse().expect("SIMULATION_SEED must be a number");
    let wanted = std::env::var("SIMULATION_PROFILE").unwrap_or_else(|_| "short".into());
    if wanted == "hub" {
        return hub_seeds(seed, 1);
    }
    let found = PROFILES.iter().find(|(name, _)| *name == wanted);
    let (name, profile) = found.expect("SIMULATION_PROFILE must be short, long, many or hub");
    seeds(name, *profile, seed, 1);
}

#[test]
fn a_seed_decides_everything() {
    for (name, profile) in [PROFILES[0], PROFILES[1]] {
        let [first, second] =
            [run(11, profile), run(11, profile)].map(|outcome| outcome.map_err(|f| f.to_string()));
        assert_eq!(first, second, "{name}");
    }
    let [first, second] = [run_hub(11), run_hub(11)].map(|outcome| outcome.map_err(|f| f.to_string()));
    assert_eq!(first, second, "hub");
}

#[test]
fn bytes_decide_as_well_and_end_the_run() {
    let few = throng::simulation::run_bytes(b"").expect("no bytes are a run without steps");
    assert_eq!(few.steps, 0);
    let bytes: Vec<u8> =
        (0..4_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_be_bytes()[3]).collect();
    let many = throng::simulation::run_bytes(&bytes).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(many.steps > 10, "{many:?}");
}

#[test]
fn the_simulated_kernel_does_as_linux_does() {
    let mut calls = 0;
    for seed in 0..number("SIMULATION_KERNELS", 40) {
        calls += compare_kernels(seed).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
    }
    println!("{calls} calls on both kernels");
}

#[test]
fn schedules_go_the_same_on_linux() {
    let (started, mut total, count) = (Instant::now(), [0; 3], number("SIMULATION_REPLAYS", 25));
    let first = number("SIMULATION_FIRST", 0);
    for seed in first..first + count {
        let replayed =
            replay(seed).unwrap_or_else(|difference| panic!("seed {seed} (replay) fails: {difference}"));
        for (sum, part) in total.iter_mut().zip([replayed.clients, replayed.events, replayed.bytes]) {
            *sum += part;
        }
    }
    let [clients, events, bytes] = total;
    println!(
        "{count} schedules on both kernels in {:.1?}: {clients} clients, {events} events, {bytes} bytes",
        started.elapsed()
    );
    assert!(events > count && bytes > count, "nothing happened");
}
