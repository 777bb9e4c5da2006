//! The closing handshake: which side has sent its Close frame.

/// Which Close frames have passed on a connection (RFC 6455, sections 5.5.1 and 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Closing {
    /// None: messages may pass both ways.
    #[default]
    Open,
    /// Ours: nothing more may be sent; the peer's is awaited.
    Sent,
    /// The peer's: what arrives after it is ignored; ours is owed.
    Received,
    /// Both: the server ends the TCP connection.
    Done,
}

impl Closing {
    /// Notes that a Close frame is about to be sent. `false` when one was sent before: then this one must not be
    /// (section 5.5.1: nothing may follow a Close frame).
    pub(super) fn send(&mut self) -> bool {
        match self {
            Self::Open => *self = Self::Sent,
            Self::Received => *self = Self::Done,
            Self::Sent | Self::Done => return false,
        }
        true
    }

    /// Notes that a Close frame arrived. `true` when ours is still owed in answer.
    pub(super) fn receive(&mut self) -> bool {
        match self {
            Self::Open | Self::Received => {
                *self = Self::Received;
                true
            }
            Self::Sent | Self::Done => {
                *self = Self::Done;
                false
            }
        }
    }

    /// Whether both Close frames have passed.
    pub(super) const fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_closes_once_in_every_order() {
        use Closing::{Done, Open, Received, Sent};
        // (state, after sending, whether we may send, after receiving, whether we owe an answer)
        for (state, sent, may_send, received, owed) in [
            (Open, Sent, true, Received, true),
            (Sent, Sent, false, Done, false),
            (Received, Done, true, Received, true),
            (Done, Done, false, Done, false),
        ] {
            let mut closing = state;
            assert_eq!((closing.send(), closing), (may_send, sent), "{state:?} sends");
            let mut closing = state;
            assert_eq!((closing.receive(), closing), (owed, received), "{state:?} receives");
            assert_eq!(state.is_done(), state == Done);
        }
    }
}
