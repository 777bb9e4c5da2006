//! The server over real sockets, through its public interface.

#[cfg(feature = "serve")]
mod admin;
mod app;
mod client;
#[cfg(feature = "serve")]
mod command;
mod compressed;
mod compression;
#[cfg(feature = "serve")]
mod configuration;
mod echo;
mod ending;
mod hostile;
#[cfg(feature = "hub")]
mod hub;
mod library;
mod limits;
mod listening;
#[cfg(feature = "serve")]
mod log;
#[cfg(feature = "serve")]
mod pairs;
#[cfg(feature = "serve")]
mod placing;
mod plain;
#[cfg(feature = "serve")]
mod private_tables;
#[cfg(feature = "serve")]
mod program;
#[cfg(feature = "serve")]
mod signals;
#[cfg(feature = "serve")]
mod stopped;
