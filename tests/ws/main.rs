//! The WebSocket decoder and encoder through their public interface.

mod no_allocation;
mod properties;
mod replay;
mod script;
mod vectors;
mod violations;
