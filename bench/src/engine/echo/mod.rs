//! Messages that are to come back: which are due, and whether each comes back as it was sent.
//!
//! Two disciplines. In a closed loop each connection keeps `depth` messages on their way, and a latency begins when its message is
//! sent. With a rate, messages have planned times; a latency begins at the planned time, whether the message could be sent then
//! or had to wait for a place among the `depth`, so that a server that stalls is charged for every message that waits (no
//! coordinated omission).

mod echoed;
mod echoes;
mod payload;
mod run;
mod verify;

pub(crate) use echoed::Echoed;
pub(crate) use echoes::Echoes;
pub(crate) use payload::{Pattern, Payload};
pub(crate) use run::{EchoPlan, EchoRun};
