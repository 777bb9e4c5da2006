//! What Linux tells about itself and about processes, in /proc and /sys.

pub(crate) mod cgroup;
pub(crate) mod environment;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod slab;
pub(crate) mod sockets;
