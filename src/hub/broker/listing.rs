//! Lists of topics by prefix, made a part at a time.

use std::collections::BTreeSet;

use crate::hub::answer_sender::AnswerSender;
use crate::hub::name::TopicName;
use crate::hub::outcome::TopicInfo;

/// A list that is being made.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(super) prefix: Box<str>,
    pub(super) limit: usize,
    pub(super) reply: AnswerSender<Vec<TopicInfo>>,
    /// The places below this one have been checked.
    pub(super) next: usize,
    /// The first names that were found so far, at most `limit`.
    pub(super) found: BTreeSet<TopicName>,
}

impl Listing {
    pub(crate) const fn new(prefix: Box<str>, limit: usize, reply: AnswerSender<Vec<TopicInfo>>) -> Self {
        Self { prefix, limit, reply, next: 0, found: BTreeSet::new() }
    }
}
