//! Numbers of what is in tables, each of a type of its own, so that one is never taken for another.

macro_rules! index {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl $name {
            pub(crate) const fn new(number: u32) -> Self {
                Self(number)
            }

            /// The index of an entry of a table, which has fewer than 2^28.
            pub(crate) fn of(entry: usize) -> Self {
                Self(u32::try_from(entry).unwrap_or(u32::MAX))
            }

            pub(crate) const fn get(self) -> u32 {
                self.0
            }

            pub(crate) const fn entry(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index! {
    /// A topic with subscribers on a worker, among those.
    TopicIndex
}
index! {
    /// A subscriber of a topic on a worker, among those.
    SubscriberIndex
}
/// What a topic's owner has been asked for a client, among what its worker has asked: it starts again at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubscribeId(u32);

impl SubscribeId {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }
}
