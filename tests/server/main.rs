//! The server over real sockets, through its public interface.

mod app;
mod client;
mod echo;
mod ending;
mod hostile;
mod library;
mod limits;
mod listening;
