//! Holds a million mostly idle WebSockets on one Linux box, in a few dozen bytes of user memory each, and pushes to them.
//!
//! A [`Server`] runs *workers*, one per core: threads with an event loop each. A worker has connections of its own and a [`Handler`] of its
//! own, made in its thread, and shares nothing with other workers. A connection takes a record of 32 bytes plus the handler's
//! [data](Handler::Data). Other threads send to connections, close them and end the server through a [`Handle`].
//!
//! ```no_run
//! use throng::{Accept, CloseReason, Conn, Connecting, Handler, Message, Server, Verdict};
//!
//! /// Counts each client's messages, in four bytes of its record.
//! struct Counting;
//!
//! impl Handler for Counting {
//!     type Data = u32;
//!
//!     fn upgrade(&mut self, connecting: &mut Connecting<'_>) -> Verdict<u32> {
//!         println!("a client asks for {}", connecting.request().path());
//!         Accept::new(0).into()
//!     }
//!
//!     fn message(&mut self, conn: &mut Conn<'_, u32>, message: Message<'_>) {
//!         *conn.data_mut() += 1;
//!         let answer = format!("{} bytes, message {}", message.as_bytes().len(), conn.data());
//!         if conn.send(Message::Text(&answer)).is_err() {
//!             conn.close(CloseReason::Policy, "read what you are sent");
//!         }
//!     }
//! }
//!
//! let server = Server::builder().listen("127.0.0.1:9001".parse()?).start(|_| Counting)?;
//! server.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! Everything that can grow or wait is limited: [`Config`] has the limits that can be set, with their defaults, and [`budget`] those that are
//! fixed. Where a limit is reached, the caller gets an error such as [`SendError`], or the client a close code or a 503, and a counter in
//! [`Stats`] counts it.
//!
//! # Ending
//!
//! [`Server::join`] waits for the end. [`Handle::drain`] ends the server in order, from another thread: [`Server`] has an example for Ctrl-C.
//!
//! # The protocol alone
//!
//! [`ws`] implements RFC 6455 without I/O, for servers and clients, and [`http`] the part of HTTP/1.1 that it needs. Both can be used with
//! another event loop.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `hub`: topics, their subscribers and their history, in the module `hub`.
//! - `serde`: `Serialize` and `Deserialize` for [`Stats`].
//! - `serve`: the dependencies of the program `throng`. A library needs none of them.

#[cfg(not(target_os = "linux"))]
compile_error!("throng is made of epoll, eventfd and SO_REUSEPORT: it runs on Linux only");

mod base;
pub mod budget;
#[cfg(feature = "guard")]
#[doc(hidden)]
pub mod guard;
pub mod http;
#[cfg(feature = "hub")]
pub mod hub;
pub mod metrics;
mod server;
#[doc(hidden)]
pub mod settings;
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub mod simulation;
#[doc(hidden)]
pub mod sys;
mod worker;
pub mod ws;

#[doc(hidden)]
pub use base::wheel;
pub use metrics::Stats;
pub use server::{
    Builder, Compression, Config, ConfigError, DescriptorTables, Listen, LoopWaker, Pinning, RunError,
    Server, StartError, Steering,
};
pub use settings::RangeError;
pub use worker::{
    Accept, Batch, CloseReason, Closed, Conn, ConnId, ConnIndex, Connecting, Connections, Context, Decision,
    Ending, Flush, Handle, Handler, PingPolicy, PreparedMessage, Pushed, SendError, SlowPolicy, Transport,
    Turn, Verdict,
};
pub use ws::{CloseCode, CloseFrame, Message};

/// The README's example, compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// The example of docs/HUB.md, likewise.
#[cfg(all(doctest, feature = "hub"))]
#[doc = include_str!("../docs/HUB.md")]
mod hub_document {}
