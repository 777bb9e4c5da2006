//! Tests of the settings' sources, and of their documentation.

mod documentation;
mod sources;
