//! Tests of a whole worker, on an operating system whose every answer the test decides.

mod app;
mod bugs;
mod deferring;
mod deflating;
pub(crate) mod rig;
mod shares;

mod accepting;
mod closing;
mod compression;
mod deciding;
mod draining;
mod eviction;
mod handshake;
mod mail;
mod pings;
mod preamble;
mod pushing;
mod reading;
mod responding;
mod returning;
mod standing_still;
mod transport;
mod turns;
mod unfinished;
mod writing;
