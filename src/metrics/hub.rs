//! The metrics of the hub. Each worker counts its own part. Numbers of what is between threads are kept once for the whole hub.

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
    /// Topics that have subscribers now. A topic counts once for each worker that has subscribers of it.
    local_topics: gauge;
    /// Subscriptions that exist now.
    subscriptions: gauge;
    /// Messages accepted for publication to a topic.
    published: counter;
    /// Messages of clients that were refused because the topic's rules forbid clients to publish.
    publish_forbidden: counter;
    /// Messages of clients that were refused because too many published messages were under way.
    publish_busy: counter;
    /// Messages of `throng.v1` clients that were not valid requests.
    bad_requests: counter;
    /// Messages handed to the kernel for a subscriber, or put into its outbox.
    delivered: counter;
    /// Messages not sent to a subscriber that reads too slowly, by the policy `drop-newest`, or because nothing else was left to drop.
    dropped_newest: counter;
    /// Messages removed from an outbox to make room for later ones, by the policies `drop-oldest` and `conflate`. They were counted as
    /// delivered before.
    displaced: counter;
    /// Messages whose subscriber was lost, or closed for reading too slowly, while they were sent.
    undelivered: counter;
    /// Missed messages delivered to subscribers that resumed. They also count as delivered.
    replayed: counter;
    /// Subscribers that resumed while the history still held all messages that they had missed.
    recovered: counter;
    /// Subscribers that resumed when the history no longer held all messages that they had missed.
    gaps: counter;
    /// Messages kept in histories now.
    history_messages: gauge;
    /// Payload bytes of the messages kept in histories now.
    history_bytes: gauge(bytes);
    /// Bytes reserved now for encoded forms of messages in histories, for subscribers that resume.
    history_forms_bytes: gauge(bytes);
    /// Messages whose fan-out on a worker is not complete now. A message counts once for each such worker.
    waiting: gauge;
    /// Messages and broadcasts under way now: published, but not yet in the outboxes of all receivers.
    queued_messages: gauge in in_flight;
    /// Bytes of the messages and broadcasts under way now, with 512 bytes for each, and with their encoded forms.
    queued_bytes: gauge(bytes) in in_flight;
    /// Messages and broadcasts of the operator that were refused because too many published messages were under way.
    refused_busy: counter in in_flight;
    /// Questions and broadcasts of the operator that a worker did not take because too many of them waited. Each counts once for each such
    /// worker.
    questions_refused: counter in questions;
    /// Subscriptions and messages refused because a limit of topics or subscriptions was reached.
    refused_at_limit: counter;
}
