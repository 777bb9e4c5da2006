//! throng.
pub mod http;
#[doc(hidden)]
pub mod sys;
mod worker;
pub mod ws;

pub use worker::Stats;
