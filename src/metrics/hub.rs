//! The metrics of the hub. Each worker counts those of its own part.

use super::table::metrics;

metrics! {
    /// The counters of one worker's hub, on cache lines of their own.
    #[derive(Debug, Default)]
    #[repr(align(128))]
    pub(crate) struct HubCounters;

    /// The sums of all workers' hub counters since the start of the server. Each message is counted once for each subscriber that should
    /// get it: as delivered, or by the reason why it was not delivered.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
    pub struct HubStats, "throng_hub_";

    /// Topics that exist now.
    topics: gauge;
    /// Topics with subscribers now, each counted for each worker that has some of them.
    local_topics: gauge;
    /// Subscriptions that exist now.
    subscriptions: gauge;
    /// Messages that topics have taken.
    published: counter;
    /// Messages of clients that their topics' rules forbade.
    publish_forbidden: counter;
    /// Messages of clients that were refused because more was published than went out.
    publish_busy: counter;
    /// Messages of clients of `throng.v1` that were no requests.
    bad_requests: counter;
    /// Messages handed to the kernel for a subscriber, or put into its outbox.
    delivered: counter;
    /// Messages not sent to a subscriber that reads too slowly, by the policy `drop-newest`, or because nothing else was left to drop.
    dropped_newest: counter;
    /// Messages taken out of an outbox again to make room for later ones, by the policies `drop-oldest` and `conflate`. They have been
    /// counted as delivered before.
    displaced: counter;
    /// Messages whose subscriber was lost, or closed for reading too slowly, while they were sent.
    undelivered: counter;
    /// Missed messages delivered to subscribers that came back. They are counted as delivered as well.
    replayed: counter;
    /// Subscribers that came back and could be given all they had missed.
    recovered: counter;
    /// Subscribers that came back too late to be given all they had missed.
    gaps: counter;
    /// Messages kept in histories now.
    history_messages: gauge;
    /// Bytes of the payloads of the messages kept in histories now.
    history_bytes: gauge(bytes);
    /// Bytes that are reserved now for encodings made of messages in histories, for subscribers that come back.
    history_forms_bytes: gauge(bytes);
    /// Messages now whose fan-out on a worker has not ended, each counted for each such worker.
    waiting: gauge;
    /// Messages and broadcasts under way now: published, and not yet handed to the outboxes of all clients that are to get them.
    queued_messages: gauge;
    /// Bytes of the messages and broadcasts under way now, with 512 for each, and with the encodings made of them.
    queued_bytes: gauge(bytes);
    /// Messages and broadcasts of the operator that were refused because more was published than went out.
    refused_busy: counter;
    /// Subscriptions refused because of a limit of topics or subscriptions.
    refused_at_limit: counter;
}
