//! Topics listed by the beginning of their names, a part of them at a time.

use std::collections::BTreeSet;

use crate::hub::answer_sender::AnswerSender;
use crate::hub::name::Name;
use crate::hub::outcome::TopicInfo;

/// A list in the making.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(super) prefix: Box<str>,
    pub(super) limit: usize,
    pub(super) reply: AnswerSender<Vec<TopicInfo>>,
    /// Places below have been looked at.
    pub(super) next: usize,
    /// The first names so far.
    pub(super) found: BTreeSet<Name>,
}

impl Listing {
    pub(crate) const fn new(prefix: Box<str>, limit: usize, reply: AnswerSender<Vec<TopicInfo>>) -> Self {
        Self { prefix, limit, reply, next: 0, found: BTreeSet::new() }
    }
}
