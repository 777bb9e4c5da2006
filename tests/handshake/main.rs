//! The opening handshake through its public interface, both sides.

mod client;
mod server;
