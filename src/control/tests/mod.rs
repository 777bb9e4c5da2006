//! Tests of what an operator can say, and of what is written about it.

mod documentation;
mod sources;
