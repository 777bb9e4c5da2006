//! The worker as a whole, on an operating system whose every answer the test decides.

mod app;
mod fake;
mod rig;

mod accepting;
mod closing;
mod draining;
mod handshake;
mod mail;
mod pings;
mod writing;
