//! The admin port of the program: who may use it, and what it answers.

mod access;
mod ending;
mod health;
mod metrics;
mod places;
mod publishing;
mod types;
mod unread;

use super::command::Program;
