//! What is published to subscribers: messages that each tell their topic, their place in it and when they were to be published, so
//! that a subscriber sees at once whether it got every one of them, once, in order and unchanged.
//!
//! Messages go in batches of one topic, and topics take turns: what number a batch has follows from a message alone.

mod published;
mod receipts;
mod received;
mod stamp;

pub(crate) use published::{Batch, Feed, FeedPlan};
pub(crate) use receipts::Receipts;
pub(crate) use received::{Deaf, Received};
pub(crate) use stamp::{SMALLEST, now_nanos};
