//! Containers and measures that know no connection.
//!
//! - `pages`: a slab whose memory is taken and given back a page at a time. `wheel`, `ticks`: timers and the time that they count in.
//! - `pool`, `lazy_buffer`: memory for bytes.
//! - `meter`: how much may be done at a time. `notifier`: wakes a thread that waits.
//! - `bug`: faults of this program that it survives. `largest`: the largest of many items.
//! - `counter`, `histogram`: numbers with one writer that any thread reads.
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
pub(crate) mod ticks;
pub mod wheel;
