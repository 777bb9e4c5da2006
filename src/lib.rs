//! Holds a million mostly idle WebSockets on one Linux box, in a few dozen bytes of user memory each, and pushes to them.
//!
//! A [`Server`] runs one event loop per core. Each has a [`Handler`] of its own, made in its thread, and shares nothing with
//! the others; what is known of a connection is a record of 32 bytes plus the handler's [data](Handler::Data). Other threads
//! reach connections through a [`Handle`].
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
//! Everything has one: see [`Config`] for those an operator sets and [`budget`] for those that are fixed. A limit that is
//! reached is an error with a name ([`SendError`], a close code, a 503) and a counter in [`Stats`].
//!
//! # The protocol alone
//!
//! [`ws`] and [`http`] are RFC 6455 and what it needs of HTTP without any I/O, for both roles: use them under an event loop of
//! your own.
//!
//! # Features
//!
//! None is on by default. `hub` is topics and their subscribers, in a module of that name. `serve` is what the `throng` program needs beside the library; `serde` makes [`Stats`] travel.

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
