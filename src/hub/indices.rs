//! Index types of tables, a separate type for each table, so that the compiler tells them apart.

macro_rules! index {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u32);

        impl $name {
            pub(crate) const fn new(number: u32) -> Self {
                Self(number)
            }

            /// Makes the index of a table's entry. A table has fewer than 2^28 entries.
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
    /// Index of a topic among the topics with subscribers on a worker.
    TopicIndex
}
index! {
    /// Index of a subscriber's place in its topic's list on a worker.
    SubscriberIndex
}
index! {
    /// Index of a set of subscriptions among the sets of a worker.
    SetIndex
}
/// Identifies a pending subscription among those that a worker has sent to owners. The numbers wrap around to 0.
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
