//! What Linux tells about itself and about processes, in /proc and /sys.

pub mod cgroup;
pub mod environment;
pub mod memory;
pub mod process;
pub mod slab;
pub mod sockets;
