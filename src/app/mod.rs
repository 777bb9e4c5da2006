//! The applications that `throng serve` runs beside the hub, each a [`Handler`](throng::Handler).

mod echo;
mod sink;

pub(crate) use echo::Echo;
pub(crate) use sink::Sink;
