//! Servers on this machine: how they are started, and what they and their machine are asked while they run.

pub(crate) mod counts;
pub(crate) mod host;
pub(crate) mod peers;
pub(crate) mod reading;
pub(crate) mod running;
