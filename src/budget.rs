//! The fixed limits of a server. [`Config`](crate::Config) has those that can be set.

// All fixed limits are here, with assertions of the relations between them. A name with `_PER_ITERATION` or `_PER_VISIT` is the most of
// something in one iteration of the event loop or one visit to a connection. A name that begins with `WORK_` is an amount of work, in units
// of about a nanosecond, the time that decompressing a byte takes.

use std::time::Duration;

use crate::ws::{LARGE_MESSAGE, MAX_HEADER};

// --- A server ------------------------------------------------------------------------------------------------------------

/// The most workers of a server: a [`ConnId`](crate::ConnId) has ten bits for the worker's number.
pub const MAX_WORKERS: usize = 1 << 10;
/// The most connections of a worker: a [`ConnId`](crate::ConnId) has 26 bits for the connection's index.
pub const MAX_CONNECTIONS_PER_WORKER: usize = 1 << 26;
/// The most addresses that a server listens on: a connection's record has four bits for the number of its listener.
pub const MAX_LISTENERS: usize = 1 << 4;
/// A server logs a warning at its start if the limit of descriptors leaves it fewer connections than this.
pub(crate) const SMALL_SERVER: usize = 4096;
/// Records in one page of a connection table: 4,096 of 32 bytes are 128 KiB.
pub(crate) const RECORDS_PER_PAGE: usize = 4096;
/// Descriptors of each table that a server does not use for connections: they are for the standard streams, the admin port, and the files of
/// the application.
pub const DESCRIPTOR_RESERVE: usize = 128;
/// Descriptors of a worker beside its listeners: its epoll instance, its waker, the one in reserve, and one to open a listener again.
pub(crate) const WORKER_DESCRIPTORS: usize = 4;
/// Time that a starting server waits for another server that starts on the same port, or with a Unix socket in the same directory. After
/// that time both try to listen, and the kernel lets one of them.
pub const CLAIM_PATIENCE: Duration = Duration::from_secs(2);

// --- Accepting -----------------------------------------------------------------------------------------------------------

/// Length of the queue of connections that the kernel has completed and no worker has accepted; `net.core.somaxconn` caps it (listen(2)).
pub(crate) const LISTEN_BACKLOG: u16 = u16::MAX;
/// Time for which the kernel does not report a new connection that has sent nothing (`TCP_DEFER_ACCEPT`, tcp(7)). The request usually
/// arrives in this time and then needs no wake-up of its own. The deadline of the handshake begins afterwards.
pub(crate) const DEFER_ACCEPT: Duration = Duration::from_secs(1);
/// Connections accepted per iteration, so that many new connections do not delay the open ones.
pub(crate) const ACCEPTS_PER_ITERATION: usize = 64;
/// Pause after accept(2) has failed because descriptors or memory were used up.
pub(crate) const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// Connections that a worker keeps beyond the connection limit to answer each with 503, or a sixteenth of the room of its descriptor table if
/// that is less. Further connections are dropped.
pub(crate) const REFUSALS: usize = 128;
/// Time that a peer has to read the last response and to close its half of the connection.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// Least time between two log lines which say that the server is full.
pub(crate) const FULL_NOTICE_INTERVAL: Duration = Duration::from_secs(10);

// --- Request heads -------------------------------------------------------------------------------------------------------

/// The most that `max-head` may be, in bytes: a longer head would cost as much as a connection's whole outbox.
pub(crate) const MOST_HEAD: usize = 64 * 1024;

// --- Reading -------------------------------------------------------------------------------------------------------------

/// Most bytes read by one call of recv(2). They are read into the worker's receive buffer, behind the replies at its start. Only the used
/// part of that buffer takes memory.
pub(crate) const READ_BUFFER: usize = 256 * 1024;
/// Most bytes read by one call while large messages are expected: only the first bytes of each have to be copied to the message's buffer.
pub(crate) const READ_BEFORE_LARGE: usize = MAX_HEADER + LARGE_MESSAGE;
/// Most bytes read by one call if messages are compressed, or if the last input took more work than a visit may do: unhandled input has to
/// be kept in a buffer of the connection.
pub(crate) const READ_COSTLY: usize = 64 * 1024;
/// Bytes of unhandled input from earlier visits that a visit handles at a time.
pub(crate) const UNHANDLED_SLICE: usize = 16 * 1024;
/// Most calls of recv(2) in a visit.
pub(crate) const READS_PER_VISIT: usize = 2;
/// Bytes of the receive buffer that keep their memory while more are not needed.
pub(crate) const RECEIVE_KEEP: usize = 64 * 1024;
/// Bytes read in final reads of one iteration, after which the remaining due timers wait for the next one. The last visit may exceed it.
pub(crate) const FINAL_READ_BYTES_PER_ITERATION: u64 = 4 * 1024 * 1024;
/// Most visits to a connection before the end of a drain drops it. They read all bytes that the kernel can hold for it, unless
/// `net.ipv4.tcp_rmem` allows more than 8 MiB.
pub(crate) const MAX_FINAL_VISITS: usize = 16;

// --- Writing -------------------------------------------------------------------------------------------------------------

/// The least value of [`Config::outbox_limit`](crate::Config::outbox_limit), in bytes.
pub const LEAST_OUTBOX: usize = 64 * 1024;
/// Most slices passed to one sendmsg(2), less than `IOV_MAX`.
pub(crate) const SLICES_PER_WRITE: usize = 64;
/// Bytes of replies at which they are written before the end of a visit.
pub(crate) const REPLY_FLUSH: usize = 256 * 1024;
/// Bytes of replies at which they are written before the end of a visit, if outboxes are small.
pub(crate) const REPLY_FLUSH_LEAST: usize = 64 * 1024;
/// Bytes of capacity that the reply buffer keeps between visits.
pub(crate) const REPLY_KEEP: usize = 256 * 1024;
/// Most deferred replies of a worker. At this number all of them are written.
pub(crate) const MAX_DEFERRED: usize = 16;
/// Most bytes of a reply that is deferred: deferring a longer one saves no time.
pub(crate) const MAX_DEFERRED_LEN: usize = 4096;
/// Most bytes of replies in the receive buffer when a connection is read from: deferred replies, and the unwritten reply to this
/// connection.
pub(crate) const REPLIES_IN_RECEIVE_BUFFER: usize = MAX_DEFERRED * MAX_DEFERRED_LEN + REPLY_FLUSH_LEAST;
/// Bytes of a connection that the kernel accepts beyond those that the peer's window admits (`TCP_NOTSENT_LOWAT`, tcp(7)). Further output
/// waits in the outbox, whose limits and policies apply. A fast connection sends about as much while the worker serves others.
pub(crate) const UNSENT_IN_KERNEL: u32 = 128 * 1024;
/// The value of [`UNSENT_IN_KERNEL`] while a longer piece of output is written. Otherwise a large message would take one wake-up for each
/// 128 KiB.
pub(crate) const UNSENT_OF_LARGE: u32 = 1024 * 1024;
/// Bytes a second that a peer must acknowledge, from one check to the next, while its Pong is late because output precedes its Ping. This is
/// slower than networks that browsers are used on, and fast enough that the output in the kernel and the outbox is written in a bounded
/// time.
pub(crate) const SLOWEST_READER: u64 = 1024;

/// Returns the most bytes that an outbox of `limit` bytes may hold after a message of `needed` bytes is added.
///
/// A message of more than half the limit may be queued behind one other message of its length and half an outbox of others. So a peer that
/// reads at once gets each message that may be published, in every encoding.
pub(crate) const fn outbox_for(limit: usize, needed: usize) -> usize {
    if needed > limit / 2 { needed.saturating_mul(2).saturating_add(limit / 2) } else { limit }
}

// --- An iteration of the loop --------------------------------------------------------------------------------------------

/// Most readiness events that one wait returns.
pub(crate) const EVENTS_PER_WAIT: usize = 1024;
/// Mailbox entries handled per iteration.
pub(crate) const MAILS_PER_ITERATION: usize = 1024;
/// Connections that a broadcast or a drain visits per iteration.
pub(crate) const SLICE_PER_ITERATION: u32 = 4096;
/// Timers expired per iteration.
pub(crate) const EXPIRIES_PER_ITERATION: usize = 4096;
/// Pings sent per iteration.
pub(crate) const PINGS_PER_ITERATION: u64 = 256;
/// The lag of a due timer from which on the worker counts as late. Fifty threads that share two processors and are not overloaded have a lag
/// of 150 ms.
pub(crate) const LATE_FROM: Duration = Duration::from_millis(200);
/// Time for which a worker is late before it stretches the interval of Pings, and between two steps of that.
pub(crate) const THROTTLE_STEP: Duration = Duration::from_secs(1);
/// Most times its configured length that the interval of Pings can get.
pub(crate) const MAX_PING_STRETCH: u32 = 4;
/// Time between two checks of a worker for unused memory.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_secs(1);

// --- Work ----------------------------------------------------------------------------------------------------------------

/// Most work for one connection in a visit. The last message may exceed it.
pub(crate) const WORK_PER_VISIT: usize = 256 * 1024;
/// Most work for a connection in its first visit after it has become ready: enough for a full read of large messages, or for some hundred
/// small ones.
pub(crate) const WORK_PER_FIRST: usize = 64 * 1024;
/// Most work for all connections in an iteration: some milliseconds.
pub(crate) const WORK_PER_ITERATION: usize = 4 * 1024 * 1024;
/// Work of a call of recv(2), with the access to the connection's record.
pub(crate) const WORK_OF_READ: usize = 1024;
/// Work of a frame or message in addition to its bytes, with a handler that does almost nothing.
pub(crate) const WORK_OF_MESSAGE: usize = 64;
/// Bytes received, or unmasked and checked, that are one unit of work.
pub(crate) const BYTES_PER_WORK: usize = 16;
/// Work of a request in addition to its bytes.
pub(crate) const WORK_OF_HANDSHAKE: usize = 8 * 1024;
/// Bytes of a request head that are one unit of work, each time that they are parsed.
pub(crate) const HEAD_PER_WORK: usize = 2;
/// Work of checking a side record in a search for messages to evict.
pub(crate) const WORK_OF_SEARCH: usize = 16;
/// Work of compressing a message in addition to its bytes.
pub(crate) const WORK_OF_DEFLATING: usize = 4 * 1024;
/// Work of compressing a byte at level 0. Each level adds one.
pub(crate) const WORK_PER_DEFLATED: usize = 3;
/// Work of a client's request to the hub in addition to its bytes, on the client's worker and at the topic's owner.
#[cfg(feature = "hub")]
pub(crate) const WORK_OF_REQUEST: usize = 2 * 1024;
/// Work of parsing a byte of a client's request to the hub, which is JSON.
#[cfg(feature = "hub")]
pub(crate) const WORK_PER_PARSED: usize = 4;

// --- Queues between threads ----------------------------------------------------------------------------------------------

/// Most decisions of a worker that are under way: from the call of [`Connecting::later`](crate::Connecting::later) until the worker has
/// taken the result.
pub const DECISIONS: usize = 4096;
/// Entries of a worker's mailbox. A full mailbox refuses further entries.
pub(crate) const MAILBOX: usize = 1024;
/// Most bytes of the messages in a worker's mailbox. A longer message is accepted when it is the only one.
pub(crate) const MAILBOX_BYTES: usize = 16 * 1024 * 1024;
/// Most notices that wait to be written to the log. Further ones are lost and counted.
pub(crate) const NOTICES: usize = 1024;

// --- Memory --------------------------------------------------------------------------------------------------------------

/// Default of `buffer-limit`, in bytes. It is higher if the workers need more.
pub(crate) const DEFAULT_BUFFERS: usize = 512 << 20;
/// Default of `backlog-limit`, in bytes. It is higher if the workers need more.
pub(crate) const DEFAULT_BACKLOG: usize = 2 << 30;
/// Entries of capacity that an empty list or map of a worker keeps.
pub(crate) const LIST_KEEP: usize = 1024;
/// Entries of capacity that an empty list keeps if a worker has very many such lists: one for each topic, or for each other worker.
#[cfg(feature = "hub")]
pub(crate) const SMALL_LIST_KEEP: usize = 64;
/// Most unused bytes that the pools of all workers keep together in small buffers, until they were not needed for a second.
pub(crate) const POOL_KEEP: usize = 1024 * 1024;
/// The least share of [`POOL_KEEP`] that the pool of each worker has.
pub(crate) const POOL_KEEP_LEAST: usize = 64 * 1024;
/// Bytes from which on a block of memory has a mapping of its own in the program `throng` (`M_MMAP_THRESHOLD`, mallopt(3)), so that freeing the
/// block returns its memory to the kernel.
pub const MAPPED_BLOCK: usize = 64 * 1024;
/// Most side records that one search for incomplete messages to evict checks, when buffer memory is used up.
pub(crate) const EVICTION_SEARCH: usize = 4096;
/// Most messages evicted at a time.
pub(crate) const MAX_EVICTIONS: usize = 64;
/// Messages are evicted until one part in this many of the buffer memory is free.
pub(crate) const EVICTION_SPARE: usize = 64;

// --- The hub -------------------------------------------------------------------------------------------------------------

/// The number of invalid `throng.v1` requests in a row after which the hub closes a client with 1008. The error response to such a request
/// may be longer than the request.
pub const MAX_BAD_REQUESTS: u32 = 100;
/// Most bytes that one byte of a payload takes in an [enveloped](crate::Accept::enveloped) message: JSON writes a control character as six
/// bytes, such as `\u0001`. Base64 takes fewer.
pub const ENVELOPED_BYTE: usize = 6;
/// Most bytes of an [enveloped](crate::Accept::enveloped) message beside its payload. In `throng.v1`, a topic of 255 bytes and an `id` of 64
/// bytes, both of control characters, take half of them together with the names of all members.
pub const ENVELOPE: usize = 4096;

/// Returns the most bytes of an [enveloped](crate::Accept::enveloped) message whose payload has `payload` bytes.
#[must_use]
pub const fn enveloped(payload: usize) -> usize {
    payload.saturating_mul(ENVELOPED_BYTE).saturating_add(ENVELOPE)
}

/// The part of a hub's topics that is reserved for messages of the operator: one topic in this many.
pub const OPERATOR_TOPICS_DIVISOR: usize = 16;
/// The part of the limit of histories that cached encodings of their messages may take: one byte in this many.
#[cfg(feature = "hub")]
pub(crate) const HISTORY_ENCODINGS_DIVISOR: usize = 4;
/// Most topics that one search for a topic to remove checks, when the number of topics has reached its limit.
#[cfg(feature = "hub")]
pub(crate) const EVICTION_CHECKS: usize = 64;

const _: () = assert!(MAX_CONNECTIONS_PER_WORKER.is_multiple_of(RECORDS_PER_PAGE));
const _: () = assert!(MOST_HEAD <= READ_BUFFER, "a request head fits one read");
const _: () = assert!(READ_COSTLY <= READ_BUFFER && READ_BEFORE_LARGE <= READ_BUFFER);
const _: () = assert!(REPLY_FLUSH <= REPLY_KEEP);
const _: () = assert!(REPLY_FLUSH_LEAST <= LEAST_OUTBOX);
const _: () = assert!(SLICES_PER_WRITE <= 1024, "IOV_MAX");
