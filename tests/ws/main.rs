//! The WebSocket decoder and encoder through their public interface.

mod compressed;
mod differential;
mod no_allocation;
mod properties;
mod replay;
mod script;
mod streams;
mod vectors;
mod violations;
