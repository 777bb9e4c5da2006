//! What the hub counts.

use crate::base::counter::Counter;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters of one worker's hub, written by it alone.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct HubCounters {
            $(pub(crate) $name: Counter,)+
        }

        impl HubCounters {
            pub(crate) fn snapshot(&self) -> HubStats {
                HubStats { $($name: self.$name.get(),)+ }
            }
        }

        /// What the hubs of all workers have counted since the start. Each message that a subscriber should have got is counted once:
        /// as delivered, or with the reason why not.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
        pub struct HubStats {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl HubStats {
            /// Adds another hub's counts to these.
            pub const fn merge(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

counters! {
    /// Topics there are now.
    topics,
    /// Topics of which a worker has subscribers now, each counted for each such worker.
    local_topics,
    /// Subscriptions there are now.
    subscriptions,
    /// Messages that topics have taken.
    published,
    /// Messages of clients that their topics' rules forbade.
    publish_forbidden,
    /// Messages of clients that were refused because more was published than went out.
    publish_busy,
    /// Messages of clients that were no requests.
    bad_requests,
    /// Messages handed to the kernel for a subscriber, or put into its outbox.
    delivered,
    /// Messages not sent to a subscriber that reads too slowly, by the policy `drop-newest`, or because nothing else was left to drop.
    dropped_newest,
    /// Messages taken out of an outbox again to make room for later ones, by the policies `drop-oldest` and `conflate`. They have been
    /// counted as delivered before.
    displaced,
    /// Messages whose subscriber was lost, or closed for reading too slowly, while they were sent.
    undelivered,
    /// Missed messages delivered to subscribers that came back; counted as delivered, too.
    replayed,
    /// Subscribers that came back and could be given all they had missed.
    recovered,
    /// Subscribers that came back too late for that.
    gaps,
    /// Messages kept in histories now.
    history_messages,
    /// Bytes of their payloads.
    history_bytes,
    /// Bytes that are set aside for what was made of them for those who come back.
    history_forms_bytes,
    /// Messages on workers now whose fan-out has not come to its end.
    waiting,
    /// Messages and announcements that are under way now: published, and not yet handed to the outboxes of all that are to get them.
    /// These three are not a worker's, but of all together.
    queued_messages,
    /// Their bytes, with 512 for each message and those of other forms that were made of it.
    queued_bytes,
    /// Messages and announcements of the operator's that were refused because more was published than went out.
    refused_busy,
    /// Subscriptions refused because of a limit of topics or subscriptions.
    refused_at_limit,
}
