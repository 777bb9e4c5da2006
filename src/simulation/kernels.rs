//! The simulated kernel against Linux: the same socket calls on both must return the same results and report the same readiness, so that
//! the simulation's results hold for Linux.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::choices::Choices;
use super::kernel::{Events, Kernel, LINUX_TIMEOUT, Real, SEND_BUFFER, Simulated};
use super::net::{Net, Wakes};
use super::world::World;
use crate::worker::{Linux, Os};

/// The time for which a full socket must stay full.
const STILLNESS: Duration = Duration::from_millis(100);

/// A connection on both kernels.
struct Pair {
    simulated: <Net as Os>::Socket,
    real: <Linux as Os>::Socket,
    /// Bytes sent to the client on the real kernel that it has not read.
    unread: usize,
    client_ended: bool,
    client_reset: bool,
    is_shut: bool,
    is_full: bool,
}

/// Makes random calls on both kernels and returns their number.
///
/// # Errors
/// Returns the first difference, with the calls before it.
pub fn compare_kernels(seed: u64) -> Result<usize, String> {
    let choices = Choices::of_seed(seed);
    let world = Rc::new(std::cell::RefCell::new(World::new(seed)));
    let listener = world.borrow_mut().add_listener();
    let mut simulated = Simulated { net: Net { world, wakes: Arc::new(Wakes::default()) }, listener };
    let mut real = Real::new().map_err(|error| format!("no sockets: {error}"))?;
    let mut pairs: Vec<Option<Pair>> = Vec::new();
    let mut trace = Vec::new();
    let calls = choices.between(10, 60);
    for _ in 0..calls {
        let outcome = step(&choices, &mut simulated, &mut real, &mut pairs, &mut trace);
        let outcome = outcome
            .map_err(|error| error.to_string())
            .and_then(|()| same_events(&mut simulated, &mut real, &pairs).map_err(|error| error.to_string()))
            .and_then(|()| same_ends(&simulated, &real, &pairs));
        outcome.map_err(|error| format!("{error}\nafter {}", trace.join(", ")))?;
    }
    Ok(calls)
}

fn step(
    choices: &Choices,
    simulated: &mut Simulated,
    real: &mut Real,
    pairs: &mut Vec<Option<Pair>>,
    trace: &mut Vec<String>,
) -> io::Result<()> {
    let number = choices.below(pairs.len() + 1);
    let Some(Some(pair)) = pairs.get_mut(number) else {
        if pairs.len() < 6 {
            trace.push(format!("{} connects", pairs.len()));
            pairs.push(Some(Pair {
                simulated: simulated.connect()?,
                real: real.connect()?,
                unread: 0,
                client_ended: false,
                client_reset: false,
                is_shut: false,
                is_full: false,
            }));
        }
        return Ok(());
    };
    match choices.weighted_index(&[6, 2, 1, 6, 5, 1, 1, 1, 2]) {
        0 if !pair.client_ended && !pair.client_reset => {
            let bytes = vec![b'x'; choices.pick(&[1, 100, 5_000])];
            trace.push(format!("client {number} sends {}", bytes.len()));
            simulated.client_sends(number, &bytes);
            real.client_sends(number, &bytes);
        }
        1 if !pair.client_ended && !pair.client_reset => {
            trace.push(format!("client {number} ends"));
            simulated.client_ends(number);
            real.client_ends(number);
            pair.client_ended = true;
        }
        2 if !pair.client_reset => {
            trace.push(format!("client {number} resets"));
            simulated.client_resets(number);
            real.client_resets(number);
            pair.client_reset = true;
        }
        3 => {
            let len = choices.pick(&[1, 100, 20_000]);
            trace.push(format!("{number} receives up to {len}"));
            let mut buffers = [vec![0; len], vec![0; len]];
            let first = simulated.net.recv(&pair.simulated, &mut buffers[0]);
            let second = real.linux.recv(&pair.real, &mut buffers[1]);
            same_result(&first, &second)?;
        }
        4 if !pair.is_shut && !pair.is_full => {
            let bytes = vec![b'y'; choices.pick(&[1, 100, 1_000])];
            trace.push(format!("{number} sends {}", bytes.len()));
            let second = real.linux.send(&pair.real, &bytes);
            same_result(&simulated.net.send(&pair.simulated, &bytes), &second)?;
            pair.unread += second.unwrap_or(0);
            // The kernels' buffers have different sizes; the client reads before the smaller one is full.
            if pair.unread > SEND_BUFFER / 2 && !pair.client_reset {
                drain(simulated, real, number, pair)?;
            }
        }
        5 if !pair.is_shut => {
            trace.push(format!("{number} ends its half"));
            let first = simulated.net.shutdown_write(&pair.simulated).map(|()| 0);
            same_result(&first, &real.linux.shutdown_write(&pair.real).map(|()| 0))?;
            pair.is_shut = true;
        }
        6 if pair.unread == 0 || choices.one_in(2) => {
            trace.push(format!("{number} is closed"));
            if let Some(pair) = pairs[number].take() {
                simulated.net.close(pair.simulated);
                real.linux.close(pair.real);
            }
        }
        7 if !pair.is_shut && !pair.client_reset => {
            trace.push(format!("{number} sends until it is full"));
            fill(simulated, real, pair)?;
        }
        8 if !pair.client_reset && pair.unread > 0 => {
            trace.push(format!("client {number} reads all"));
            drain(simulated, real, number, pair)?;
        }
        _ => {}
    }
    Ok(())
}

/// Sends on both kernels until neither takes more, and until the real one stops moving bytes on to the client.
fn fill(simulated: &mut Simulated, real: &mut Real, pair: &mut Pair) -> io::Result<()> {
    let bytes = vec![b'z'; 64 * 1024];
    while simulated.net.send(&pair.simulated, &bytes).is_ok() {}
    let mut full_since = None;
    let started = Instant::now();
    while full_since.is_none_or(|since: Instant| since.elapsed() < STILLNESS)
        && started.elapsed() < LINUX_TIMEOUT
    {
        match real.linux.send(&pair.real, &bytes) {
            Ok(len) => (full_since, pair.unread) = (None, pair.unread + len),
            Err(_) => {
                full_since.get_or_insert_with(Instant::now);
                // An event in the meantime reports room that the next call takes.
                real.wait(Duration::from_millis(10), &mut Events::new())?;
            }
        }
    }
    pair.is_full = true;
    Ok(())
}

fn drain(simulated: &mut Simulated, real: &mut Real, number: usize, pair: &mut Pair) -> io::Result<()> {
    simulated.client_reads(number, pair.unread)?;
    real.client_reads(number, std::mem::take(&mut pair.unread))?;
    pair.is_full = false;
    Ok(())
}

fn same_result(simulated: &io::Result<usize>, real: &io::Result<usize>) -> io::Result<()> {
    let plain = |result: &io::Result<usize>| result.as_ref().copied().map_err(io::Error::kind);
    if plain(simulated) == plain(real) {
        return Ok(());
    }
    Err(io::Error::other(format!("the simulated kernel returns {simulated:?}, the real one {real:?}")))
}

/// Checks that both kernels report the same events; the real one may take some time.
fn same_events(simulated: &mut Simulated, real: &mut Real, pairs: &[Option<Pair>]) -> io::Result<()> {
    let (mut expected, mut got) = (Events::new(), Events::new());
    simulated.wait(Duration::ZERO, &mut expected)?;
    // After the server's half has ended, its acknowledgement is an edge too (tcp_rcv_state_process), at an unknown time.
    let counts = |number: u64, expected: &Events| {
        let pair = usize::try_from(number).ok().and_then(|at| pairs.get(at)?.as_ref());
        pair.is_some_and(|pair| !pair.is_shut || expected.contains_key(&number))
    };
    let started = Instant::now();
    loop {
        real.wait(Duration::from_millis(if got == expected { 0 } else { 10 }), &mut got)?;
        got.retain(|&number, _| counts(number, &expected));
        if got == expected || started.elapsed() > LINUX_TIMEOUT || is_beyond(&got, &expected) {
            break;
        }
    }
    if got == expected {
        return Ok(());
    }
    let text = format!(
        "the simulated kernel reports {expected:?}, the real one {got:?} (readable, writable, closed)"
    );
    Err(io::Error::other(text))
}

/// Checks that both kernels say the same of what clients have ended; the real one may take some time.
fn same_ends(simulated: &Simulated, real: &Real, pairs: &[Option<Pair>]) -> Result<(), String> {
    let started = Instant::now();
    for (number, pair) in pairs.iter().enumerate() {
        let Some(pair) = pair else { continue };
        let expected = simulated.net.peer_end(&pair.simulated);
        let mut got = real.linux.peer_end(&pair.real);
        while got != expected && started.elapsed() < LINUX_TIMEOUT {
            std::thread::yield_now();
            got = real.linux.peer_end(&pair.real);
        }
        if got != expected {
            return Err(format!(
                "the peer of {number} has ended {expected:?} in the simulation, {got:?} really"
            ));
        }
    }
    Ok(())
}

/// Returns whether an event is reported that should not be.
fn is_beyond(got: &Events, expected: &Events) -> bool {
    got.iter().any(|(number, event)| match expected.get(number) {
        None => true,
        Some(due) => (event.0 & !due.0) | (event.1 & !due.1) | (event.2 & !due.2),
    })
}
