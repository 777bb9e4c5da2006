//! What is read of this machine and of processes on it, and what numbers are made of it.

pub(crate) mod account;
pub(crate) mod cgroup;
pub(crate) mod child;
pub(crate) mod cores;
pub(crate) mod distribution;
pub(crate) mod environment;
pub(crate) mod interrupt;
pub(crate) mod kernel;
pub(crate) mod lines;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod reasons;
pub(crate) mod sampler;
pub(crate) mod settle;
pub(crate) mod slab;
pub(crate) mod sockets;
pub(crate) mod spread;
pub(crate) mod threads;
pub(crate) mod watch;
