//! What client threads of any command begin with, wait with and end with.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use mio::{Events, Poll};
use throng::sys::{fdtable, signals};

use super::Plan;
use super::client::Client;
use super::shared::{Phase, Shared};
use crate::measure::threads::Threads;

/// What a client thread begins with, before anything there owns a descriptor.
pub(crate) fn set_up_thread(threads: Threads) -> anyhow::Result<()> {
    // First: a handler would write to what its descriptor means in the new table.
    signals::block_all().context("cannot block signals")?;
    if threads.private_tables {
        fdtable::make_private(&[]).context("cannot give a thread its own descriptor table")?;
    }
    Ok(())
}

/// Waits for the end of client threads; the first error of any is the result.
pub(crate) fn join_threads(threads: &mut Vec<JoinHandle<anyhow::Result<()>>>) -> anyhow::Result<()> {
    let mut result = Ok(());
    for thread in threads.drain(..) {
        let ended = thread.join().unwrap_or_else(|_| Err(anyhow!("a client thread panicked: a bug")));
        result = result.and(ended);
    }
    result
}

/// Waits for events, for some time at most. A signal in between is no error.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, patience: Duration) -> anyhow::Result<()> {
    match poll.poll(events, Some(patience)) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => {
            Err(error).context("cannot wait for events")
        }
        _ => Ok(()),
    }
}

/// A thread of an engine, from its start to its end.
pub(super) fn run_thread(
    number: usize,
    plan: Arc<Plan>,
    shared: &Shared,
    ready: mpsc::Sender<()>,
) -> anyhow::Result<()> {
    set_up_thread(plan.threads)?;
    let client = Client::new(number, plan, shared)?;
    // Nobody listens any more when another thread failed; then the phase says so.
    let _ = ready.send(());
    // The main thread sees that another thread failed when all senders are gone.
    drop(ready);
    while shared.phase() == Phase::Wait {
        std::thread::park();
    }
    client.run()
}
