//! The admin port of the program: who may use it, and what it answers.

mod access;
mod publishing;

use super::command::Program;
