//! The applications that `throng serve` runs, each a [`Handler`](throng::Handler).

mod echo;
mod sink;

pub(crate) use echo::Echo;
pub(crate) use sink::Sink;
