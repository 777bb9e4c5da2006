//! What a connection's record keeps of its subscriptions: eight bytes.

use std::num::NonZeroU32;

use super::dialect::Dialect;
use super::indices::{JoinId, MemberIndex, TopicIndex};

/// One subscription, as its connection knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sub {
    /// The topic's number on this worker.
    pub(crate) topic: TopicIndex,
    pub(crate) place: Place,
}

/// Where in its topic a subscriber is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the members, there.
    At(MemberIndex),
    /// Not yet: the topic's home has been asked.
    Asked(JoinId),
}

/// Numbers under which homes are asked count up to here and start again.
pub(crate) const MAX_JOIN: u32 = PLACES - 1;

/// In the word of the place: whether it is one that was asked for, and the number of the dialect.
const ASKED: u32 = 1 << 31;
const DIALECT: u32 = 28;
/// More than places of members and numbers under which homes are asked.
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
pub struct Seat {
    head: NonZeroU32,
    place: u32,
}

/// The subscriptions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subs {
    None,
    One(Sub),
    /// The number of a set.
    Many(u32),
}

impl Seat {
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

    pub(crate) const fn subs(self) -> Subs {
        let head = self.head.get();
        let number = head & MAX_NUMBER;
        if head & ONE != 0 {
            Subs::One(Sub { topic: TopicIndex::new(number), place: Place::unpack(self.place) })
        } else if head & MANY != 0 {
            Subs::Many(number)
        } else {
            Subs::None
        }
    }

    pub(crate) const fn set(&mut self, subs: Subs) {
        let kept = self.place & 7 << DIALECT;
        *self = match subs {
            Subs::None => Self::pack(0, kept),
            Subs::One(sub) => Self::pack(ONE | (sub.topic.get() & MAX_NUMBER), kept | sub.place.pack()),
            Subs::Many(set) => Self::pack(MANY | (set & MAX_NUMBER), kept),
        };
    }
}

impl Place {
    const fn pack(self) -> u32 {
        match self {
            Self::At(place) => place.get(),
            Self::Asked(join) => ASKED | join.get(),
        }
    }

    const fn unpack(place: u32) -> Self {
        let number = place & (PLACES - 1);
        if place & ASKED == 0 { Self::At(MemberIndex::new(number)) } else { Self::Asked(JoinId::new(number)) }
    }
}

const _: () = assert!(size_of::<Option<Seat>>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        for dialect in Dialect::ALL {
            let mut seat = Seat::new(dialect);
            assert_eq!((seat.dialect(), seat.subs()), (dialect, Subs::None));
            for subs in [
                Subs::One(Sub { topic: TopicIndex::new(0), place: Place::At(MemberIndex::new(0)) }),
                Subs::One(Sub {
                    topic: TopicIndex::new(MAX_NUMBER),
                    place: Place::At(MemberIndex::new(MAX_JOIN)),
                }),
                Subs::One(Sub { topic: TopicIndex::new(5), place: Place::Asked(JoinId::new(0)) }),
                Subs::One(Sub { topic: TopicIndex::new(5), place: Place::Asked(JoinId::new(MAX_JOIN)) }),
                Subs::Many(0),
                Subs::Many(MAX_NUMBER),
                Subs::None,
            ] {
                seat.set(subs);
                assert_eq!((seat.dialect(), seat.subs()), (dialect, subs));
            }
        }
    }
}
