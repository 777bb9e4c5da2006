//! What a thread of an engine begins with.

use std::sync::{Arc, mpsc};

use anyhow::Context;
use throng::sys::{fdtable, signals};

use super::client::Client;
use super::plan::Plan;
use super::shared::{Phase, Shared};
use super::visits::Visits;
use crate::measure::threads::Threads;

/// What a client thread begins with, before anything there owns a descriptor.
fn set_up_thread(threads: Threads) -> anyhow::Result<()> {
    // First: a handler would write to what its descriptor means in the new table.
    signals::block_all().context("cannot block signals")?;
    if threads.private_tables {
        fdtable::make_private(&[]).context("cannot give a thread its own descriptor table")?;
    }
    Ok(())
}

/// A thread of an engine, from its start to its end.
pub(super) fn run_thread<V: Visits>(
    number: usize,
    plan: Arc<Plan>,
    shared: &Shared<V::Tally>,
    visits: &impl Fn(&Plan, usize) -> V,
    ready: mpsc::Sender<()>,
) -> anyhow::Result<()> {
    set_up_thread(plan.threads)?;
    let visits = visits(&plan, number);
    let client = Client::new(number, plan, visits, shared)?;
    // Nobody listens any more when another thread failed; then the phase says so.
    let _ = ready.send(());
    // The main thread sees that another thread failed when all senders are gone.
    drop(ready);
    while shared.phase() == Phase::Wait {
        std::thread::park();
    }
    client.run()
}
