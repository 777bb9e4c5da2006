//! What a connection's record keeps of its subscriptions: eight bytes.

use std::num::NonZeroU32;

/// One subscription, as its connection knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sub {
    /// The topic's number on this worker.
    pub(crate) topic: u32,
    pub(crate) place: Place,
}

/// Where in its topic a subscriber is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the members, there.
    At(u32),
    /// Not yet: the topic's home has been asked, under this number.
    Asked(u32),
}

/// Numbers under which homes are asked count up to here and start again.
pub(crate) const MAX_TICKET: u32 = ASKED - 1;

const ASKED: u32 = 1 << 31;
const ONE: u32 = 1 << 31;
const MANY: u32 = 1 << 30;
const V1: u32 = 1 << 29;
/// Always set, so that there is a value for a record without one.
const TAKEN: u32 = 1 << 28;
/// The most topics of a worker, and sets of subscriptions.
pub(crate) const MAX_NUMBER: u32 = TAKEN - 1;

/// The data of a connection: whether it speaks `throng.v1`, and its subscription where it has one. Those of a connection with
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
    pub(crate) const fn new(is_v1: bool) -> Self {
        Self::pack(if is_v1 { V1 } else { 0 }, 0)
    }

    const fn pack(head: u32, place: u32) -> Self {
        match NonZeroU32::new(head | TAKEN) {
            Some(head) => Self { head, place },
            None => unreachable!(),
        }
    }

    pub(crate) const fn is_v1(self) -> bool {
        self.head.get() & V1 != 0
    }

    pub(crate) const fn subs(self) -> Subs {
        let head = self.head.get();
        let number = head & MAX_NUMBER;
        if head & ONE != 0 {
            Subs::One(Sub { topic: number, place: Place::unpack(self.place) })
        } else if head & MANY != 0 {
            Subs::Many(number)
        } else {
            Subs::None
        }
    }

    pub(crate) const fn set(&mut self, subs: Subs) {
        let kept = self.head.get() & V1;
        *self = match subs {
            Subs::None => Self::pack(kept, 0),
            Subs::One(sub) => Self::pack(kept | ONE | (sub.topic & MAX_NUMBER), sub.place.pack()),
            Subs::Many(set) => Self::pack(kept | MANY | (set & MAX_NUMBER), 0),
        };
    }
}

impl Place {
    const fn pack(self) -> u32 {
        match self {
            Self::At(place) => place,
            Self::Asked(ticket) => ASKED | ticket,
        }
    }

    const fn unpack(place: u32) -> Self {
        if place & ASKED == 0 { Self::At(place) } else { Self::Asked(place & !ASKED) }
    }
}

const _: () = assert!(size_of::<Option<Seat>>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        for is_v1 in [false, true] {
            let mut seat = Seat::new(is_v1);
            assert_eq!((seat.is_v1(), seat.subs()), (is_v1, Subs::None));
            for subs in [
                Subs::One(Sub { topic: 0, place: Place::At(0) }),
                Subs::One(Sub { topic: MAX_NUMBER, place: Place::At(MAX_TICKET) }),
                Subs::One(Sub { topic: 5, place: Place::Asked(0) }),
                Subs::One(Sub { topic: 5, place: Place::Asked(MAX_TICKET) }),
                Subs::Many(0),
                Subs::Many(MAX_NUMBER),
                Subs::None,
            ] {
                seat.set(subs);
                assert_eq!((seat.is_v1(), seat.subs()), (is_v1, subs));
            }
        }
    }
}
