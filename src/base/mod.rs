//! Containers and measures that do not depend on connections.
//!
//! - `pages`: a slab that allocates and frees its memory a page at a time. `wheel`, `ticks`: timers, and the unit of their time.
//! - `pool`, `lazy_buffer`: memory for bytes. `spare`: frees the memory of lists that are empty again.
//! - `meter`: limits the work done at a time. `notifier`: wakes a waiting thread.
//! - `bug`: counts faults of this program that it survives. `largest`: the largest of many items.
//! - `counter`, `histogram`: numbers that one thread writes and any thread reads.
#![forbid(unsafe_code)]

pub(crate) mod bug;
pub(crate) mod counter;
pub(crate) mod histogram;
pub(crate) mod largest;
pub(crate) mod lazy_buffer;
pub(crate) mod meter;
pub(crate) mod notifier;
pub(crate) mod pages;
pub(crate) mod pool;
pub(crate) mod spare;
pub(crate) mod ticks;
pub mod wheel;
