//! What the servers on tokio have in common: the command line, the listener, and the loop of a connection.

mod arguments;
mod feed;
mod server;
mod session;

pub use arguments::Arguments;
pub use feed::Feed;
pub use server::serve;
pub use session::{Library, Service, session};

/// The longest message that is taken.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;
