//! The closing handshake (RFC 6455, sections 5.5.1 and 7.1).

/// Which Close frames have passed on a connection.
///
/// ```
/// use throng::ws::Closing;
/// let mut closing = Closing::Open;
/// assert!(closing.receive()); // the peer closes: an answer is owed
/// assert!(closing.send()); // and given once
/// assert!(closing.is_done() && !closing.send());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
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
    #[must_use]
    pub fn send(&mut self) -> bool {
        match self {
            Self::Open => *self = Self::Sent,
            Self::Received => *self = Self::Done,
            Self::Sent | Self::Done => return false,
        }
        true
    }

    /// Notes that a Close frame arrived. `true` when ours is still owed in answer.
    #[must_use]
    pub fn receive(&mut self) -> bool {
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
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }
}
