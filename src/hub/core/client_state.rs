//! The subscriptions in a connection's record: eight bytes.

use std::num::NonZeroU32;

use crate::hub::dialect::Dialect;
use crate::hub::indices::{SetIndex, SubscribeId, SubscriberIndex, TopicIndex};

/// A subscription in a connection's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The topic's index on this worker.
    pub(crate) topic: TopicIndex,
    pub(crate) stage: SubscriptionStage,
}

/// The stage of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscriptionStage {
    /// The connection is a subscriber, at this place of the topic's list.
    Active(SubscriberIndex),
    /// The topic's owner has not answered yet.
    Pending(SubscribeId),
}

// The layout of `ClientState::place`, from the highest bit: `PENDING_FLAG`, three bits of the dialect's number, and 28 bits of the place
// of an active subscription, or of the id of a pending one.
const PENDING_FLAG: u32 = 1 << 31;
const DIALECT_SHIFT: u32 = 28;
const DIALECT_MASK: u32 = 7 << DIALECT_SHIFT;
const PLACE_MASK: u32 = (1 << DIALECT_SHIFT) - 1;
/// The highest id of a pending subscription; the next id is 0.
pub(crate) const MAX_SUBSCRIBE_ID: u32 = PLACE_MASK;

// The layout of `ClientState::head`: a flag of one subscription, a flag of several, `NON_ZERO_FLAG`, and 28 bits of the index of the
// topic or of the set of subscriptions. `NON_ZERO_FLAG` is always set, so that `Option<ClientState>` takes eight bytes as well.
const ONE_FLAG: u32 = 1 << 31;
const SET_FLAG: u32 = 1 << 30;
const NON_ZERO_FLAG: u32 = 1 << 28;
/// The highest index of a topic, or of a set of subscriptions, on a worker.
pub(crate) const MAX_INDEX: u32 = NON_ZERO_FLAG - 1;

/// The data that a [`HubHandler`](crate::hub::HubHandler) keeps for each connection, in eight bytes of plain data: the client's dialect
/// (raw messages or `throng.v1`), and its subscriptions.
///
/// A handler that wraps the hub's stores this value in its own `Data` and passes it back to the hub's handler. It has no public methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientState {
    head: NonZeroU32,
    /// If the client has one subscription, its topic is in `head` and its place is here. If it has several, they are in a table, and
    /// `head` has the index of their set.
    place: u32,
}

/// The subscriptions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientSubscriptions {
    None,
    One(Subscription),
    /// The set is in the worker's table of subscriptions.
    Set(SetIndex),
}

impl ClientState {
    /// Makes the state of a connection without subscriptions.
    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self::pack(0, (dialect.number() as u32) << DIALECT_SHIFT)
    }

    const fn pack(head: u32, place: u32) -> Self {
        match NonZeroU32::new(head | NON_ZERO_FLAG) {
            Some(head) => Self { head, place },
            None => unreachable!(),
        }
    }

    pub(crate) const fn dialect(self) -> Dialect {
        Dialect::of_number(((self.place & DIALECT_MASK) >> DIALECT_SHIFT) as u8)
    }

    pub(crate) const fn subscriptions(self) -> ClientSubscriptions {
        let head = self.head.get();
        let number = head & MAX_INDEX;
        if head & ONE_FLAG != 0 {
            ClientSubscriptions::One(Subscription {
                topic: TopicIndex::new(number),
                stage: SubscriptionStage::unpack(self.place),
            })
        } else if head & SET_FLAG != 0 {
            ClientSubscriptions::Set(SetIndex::new(number))
        } else {
            ClientSubscriptions::None
        }
    }

    pub(crate) const fn set(&mut self, subs: ClientSubscriptions) {
        let dialect = self.place & DIALECT_MASK;
        *self = match subs {
            ClientSubscriptions::None => Self::pack(0, dialect),
            ClientSubscriptions::One(subscription) => Self::pack(
                ONE_FLAG | (subscription.topic.get() & MAX_INDEX),
                dialect | subscription.stage.pack(),
            ),
            ClientSubscriptions::Set(set) => Self::pack(SET_FLAG | (set.get() & MAX_INDEX), dialect),
        };
    }
}

impl SubscriptionStage {
    const fn pack(self) -> u32 {
        match self {
            Self::Active(place) => place.get(),
            Self::Pending(subscribe_id) => PENDING_FLAG | subscribe_id.get(),
        }
    }

    const fn unpack(place: u32) -> Self {
        let number = place & PLACE_MASK;
        if place & PENDING_FLAG == 0 {
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
    fn a_state_has_the_subscriptions_that_were_set() {
        for dialect in Dialect::ALL {
            let mut state = ClientState::new(dialect);
            assert_eq!((state.dialect(), state.subscriptions()), (dialect, ClientSubscriptions::None));
            for subs in [
                ClientSubscriptions::One(Subscription {
                    topic: TopicIndex::new(0),
                    stage: SubscriptionStage::Active(SubscriberIndex::new(0)),
                }),
                ClientSubscriptions::One(Subscription {
                    topic: TopicIndex::new(MAX_INDEX),
                    stage: SubscriptionStage::Active(SubscriberIndex::new(MAX_SUBSCRIBE_ID)),
                }),
                ClientSubscriptions::One(Subscription {
                    topic: TopicIndex::new(5),
                    stage: SubscriptionStage::Pending(SubscribeId::new(0)),
                }),
                ClientSubscriptions::One(Subscription {
                    topic: TopicIndex::new(5),
                    stage: SubscriptionStage::Pending(SubscribeId::new(MAX_SUBSCRIBE_ID)),
                }),
                ClientSubscriptions::Set(SetIndex::new(0)),
                ClientSubscriptions::Set(SetIndex::new(MAX_INDEX)),
                ClientSubscriptions::None,
            ] {
                state.set(subs);
                assert_eq!((state.dialect(), state.subscriptions()), (dialect, subs));
            }
        }
    }
}
