//! What the servers on tokio have in common: the command line, the listener, and the loop of a connection.

mod arguments;
mod feed;
#[cfg(feature = "hyper")]
mod http;
mod server;
mod session;

pub use arguments::Arguments;
pub use feed::Feed;
#[cfg(feature = "hyper")]
pub use http::serve_http;
pub use server::serve;
pub use session::{Library, Service, ping_timer, start};

/// The longest message that is taken.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;
