//! The measuring system by itself.
