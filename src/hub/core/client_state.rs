//! The subscriptions in a connection's record: eight bytes.

use std::num::NonZeroU32;

use crate::hub::dialect::Dialect;
use crate::hub::indices::{SubscribeId, SubscriberIndex, TopicIndex};

/// A subscription in a connection's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The topic's index on this worker.
    pub(crate) topic: TopicIndex,
    pub(crate) stage: Stage,
}

/// The stage of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The connection is a subscriber, at this place of the topic's list.
    Active(SubscriberIndex),
    /// The topic's owner has not answered yet.
    Pending(SubscribeId),
}

/// The highest number of a pending subscription; the next number is 0.
pub(crate) const MAX_SUBSCRIBE_ID: u32 = PLACES - 1;

/// This bit of `place` marks a pending subscription. `DIALECT` is the position of the lowest bit of the dialect's number in `place`.
const ASKED: u32 = 1 << 31;
const DIALECT: u32 = 28;
/// One more than the highest place of a subscriber and the highest number of a pending subscription.
const PLACES: u32 = 1 << DIALECT;
const ONE: u32 = 1 << 31;
const MANY: u32 = 1 << 30;
/// This bit of `head` is always set, so that `head` is not zero and `Option<ClientState>` takes eight bytes as well.
const TAKEN: u32 = 1 << 28;
/// The highest index of a topic, or of a set of subscriptions, on a worker.
pub(crate) const MAX_NUMBER: u32 = TAKEN - 1;

/// The data of a connection: its dialect, and its subscription if it has one. A connection with several subscriptions has the number of a
/// set in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientState {
    head: NonZeroU32,
    place: u32,
}

/// The subscriptions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscriptions {
    None,
    One(Subscription),
    /// The number of the set.
    Many(u32),
}

impl ClientState {
    /// Makes the state of a connection without subscriptions.
    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self::pack(0, (dialect.number() as u32) << DIALECT)
    }

    const fn pack(head: u32, place: u32) -> Self {
        match NonZeroU32::new(head | TAKEN) {
            Some(head) => Self { head, place },
            None => unreachable!(),
        }
    }

    pub(crate) const fn dialect(self) -> Dialect {
        // The number has three bits.
        Dialect::of_number((self.place >> DIALECT & 7) as u8)
    }

    pub(crate) const fn subscriptions(self) -> Subscriptions {
        let head = self.head.get();
        let number = head & MAX_NUMBER;
        if head & ONE != 0 {
            Subscriptions::One(Subscription {
                topic: TopicIndex::new(number),
                stage: Stage::unpack(self.place),
            })
        } else if head & MANY != 0 {
            Subscriptions::Many(number)
        } else {
            Subscriptions::None
        }
    }

    pub(crate) const fn set(&mut self, subs: Subscriptions) {
        let kept = self.place & 7 << DIALECT;
        *self = match subs {
            Subscriptions::None => Self::pack(0, kept),
            Subscriptions::One(subscription) => {
                Self::pack(ONE | (subscription.topic.get() & MAX_NUMBER), kept | subscription.stage.pack())
            }
            Subscriptions::Many(set) => Self::pack(MANY | (set & MAX_NUMBER), kept),
        };
    }
}

impl Stage {
    const fn pack(self) -> u32 {
        match self {
            Self::Active(place) => place.get(),
            Self::Pending(subscribe_id) => ASKED | subscribe_id.get(),
        }
    }

    const fn unpack(place: u32) -> Self {
        let number = place & (PLACES - 1);
        if place & ASKED == 0 {
            Self::Active(SubscriberIndex::new(number))
        } else {
            Self::Pending(SubscribeId::new(number))
        }
    }
}

const _: () = assert!(size_of::<Option<ClientState>>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        for dialect in Dialect::ALL {
            let mut state = ClientState::new(dialect);
            assert_eq!((state.dialect(), state.subscriptions()), (dialect, Subscriptions::None));
            for subs in [
                Subscriptions::One(Subscription {
                    topic: TopicIndex::new(0),
                    stage: Stage::Active(SubscriberIndex::new(0)),
                }),
                Subscriptions::One(Subscription {
                    topic: TopicIndex::new(MAX_NUMBER),
                    stage: Stage::Active(SubscriberIndex::new(MAX_SUBSCRIBE_ID)),
                }),
                Subscriptions::One(Subscription {
                    topic: TopicIndex::new(5),
                    stage: Stage::Pending(SubscribeId::new(0)),
                }),
                Subscriptions::One(Subscription {
                    topic: TopicIndex::new(5),
                    stage: Stage::Pending(SubscribeId::new(MAX_SUBSCRIBE_ID)),
                }),
                Subscriptions::Many(0),
                Subscriptions::Many(MAX_NUMBER),
                Subscriptions::None,
            ] {
                state.set(subs);
                assert_eq!((state.dialect(), state.subscriptions()), (dialect, subs));
            }
        }
    }
}
