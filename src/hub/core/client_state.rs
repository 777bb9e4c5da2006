//! What a connection's record keeps of its subscriptions: eight bytes.

use std::num::NonZeroU32;

use crate::hub::dialect::Dialect;
use crate::hub::indices::{SubscribeId, SubscriberIndex, TopicIndex};

/// One subscription, as its connection knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The topic's number on this worker.
    pub(crate) topic: TopicIndex,
    pub(crate) stage: Stage,
}

/// Where in its topic a subscriber is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Among the subscribers, there.
    Active(SubscriberIndex),
    /// Not yet: the topic's owner has been asked.
    Pending(SubscribeId),
}

/// Numbers under which owners are asked count up to here and start again.
pub(crate) const MAX_SUBSCRIBE_ID: u32 = PLACES - 1;

/// In the word of the place: whether it is one that was asked for, and the number of the dialect.
const ASKED: u32 = 1 << 31;
const DIALECT: u32 = 28;
/// More than places of subscribers and numbers under which owners are asked.
const PLACES: u32 = 1 << DIALECT;
const ONE: u32 = 1 << 31;
const MANY: u32 = 1 << 30;
/// Always set, so that there is a value for a record without one.
const TAKEN: u32 = 1 << 28;
/// The most topics of a worker, and sets of subscriptions.
pub(crate) const MAX_NUMBER: u32 = TAKEN - 1;

/// The data of a connection: what it speaks, and its subscription where it has one. Those of a connection with
/// several are in a table, of which it has the number.
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
    /// The number of a set.
    Many(u32),
}

impl ClientState {
    /// Of a connection without subscriptions.
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
        // Three bits.
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
