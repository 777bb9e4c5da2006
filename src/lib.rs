//! throng.
pub mod budget;
pub mod http;
mod server;
#[doc(hidden)]
pub mod sys;
mod worker;
pub mod ws;

pub use server::{Builder, Config, ConfigError, Listen, RunError, Server, StartError};
pub use worker::{Accept, Closed, Conn, ConnId, Context, Handle, Handler, PingPolicy, SendError, Stats};
pub use ws::{CloseCode, CloseFrame, Message};
