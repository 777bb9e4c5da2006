//! The fixed limits of a server. [`Config`](crate::Config) has those that can be set.

// All fixed limits are here, with the relations between them, which other sums rely on. Names with `_PER_` are budgets: the most of
// something in that span. Names that begin with `WORK_` count work in units of about a nanosecond, the time that a byte takes to be
// decompressed.

use std::time::Duration;

use crate::ws::{LARGE_MESSAGE, MAX_HEADER};

// --- What a server has ---------------------------------------------------------------------------------------------------

/// The most workers of a server: a [`ConnId`](crate::ConnId) has ten bits for the worker's number.
pub const MAX_WORKERS: usize = 1 << 10;
/// The most connections of a worker: a [`ConnId`](crate::ConnId) has 26 bits for the connection's index.
pub const MAX_CONNECTIONS_PER_WORKER: usize = 1 << 26;
/// The most addresses that a server listens on: a connection's record has four bits for the number of its listener.
pub const MAX_LISTENERS: usize = 1 << 4;
/// A server is warned at start that the limit of descriptors leaves it fewer connections than this.
pub(crate) const SMALL_SERVER: usize = 4096;
/// Records in one page of a connection table: 4,096 of 32 bytes are 128 KiB.
pub(crate) const RECORDS_PER_PAGE: usize = 4096;
/// Descriptors of each table that a server does not use for connections: they are for the standard streams, the admin port, and the files of
/// the application.
pub const DESCRIPTOR_RESERVE: usize = 128;
/// Descriptors that a worker has of its own beside its listeners: epoll, waker, the one in reserve, and one to open a listener again.
pub(crate) const WORKER_DESCRIPTORS: usize = 4;
/// Time that a starting server waits for another server that starts on the same port, or with a Unix socket in the same directory. After
/// that time it tries to listen, and the kernel lets one of the two.
pub const CLAIM_PATIENCE: Duration = Duration::from_secs(2);

// --- Accepting -----------------------------------------------------------------------------------------------------------

/// Length of the queue of connections that the kernel has completed and no worker has accepted; `net.core.somaxconn` caps it (listen(2)).
pub(crate) const LISTEN_BACKLOG: u16 = u16::MAX;
/// For how long the kernel keeps a connection that has not sent anything (`TCP_DEFER_ACCEPT`, tcp(7)): the request comes with the
/// connection then, and needs no wake-up of its own. The deadline of the handshake begins afterwards.
pub(crate) const DEFER_ACCEPT: Duration = Duration::from_secs(1);
/// Connections accepted per iteration, so that a storm of them does not starve those that are open.
pub(crate) const ACCEPTS_PER_ITERATION: usize = 64;
/// Pause after accepting has failed for want of descriptors or memory.
pub(crate) const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// Connections held above the limit so that each can be answered with 503, or a sixteenth of the table's room where that is less. Those
/// above that are dropped.
pub(crate) const REFUSALS: usize = 128;
/// Time that a peer has to read a refusal and to close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// Pause between two lines in the log which say that the server is full.
pub(crate) const FULL_NOTICE_INTERVAL: Duration = Duration::from_secs(10);

// --- Request heads -------------------------------------------------------------------------------------------------------

/// The most that `max-head` may be, in bytes: a longer head would cost as much as a connection's whole outbox.
pub(crate) const MOST_HEAD: usize = 64 * 1024;

// --- Reading -------------------------------------------------------------------------------------------------------------

/// Bytes read by one call of recv(2). A worker has one buffer for this, with room for replies in front. Only its used part takes memory.
pub(crate) const READ_BUFFER: usize = 256 * 1024;
/// Bytes read by one call while a connection sends large messages: the first bytes of a message are then the only ones that have to move
/// to the message's own buffer.
pub(crate) const READ_BEFORE_LARGE: usize = MAX_HEADER + LARGE_MESSAGE;
/// Bytes read by one call where messages are compressed, or took more work than a visit has: what is left over waits in a buffer of the
/// connection.
pub(crate) const READ_COSTLY: usize = 64 * 1024;
/// Bytes of what is left over that a visit takes at a time.
pub(crate) const UNHANDLED_SLICE: usize = 16 * 1024;
/// Calls of recv(2) for one connection before the others get their turn.
pub(crate) const READS_PER_VISIT: usize = 2;
/// Bytes of the receive buffer that stay mapped while more are not needed.
pub(crate) const RECEIVE_KEEP: usize = 64 * 1024;
/// Bytes read, per iteration, of connections whose deadline has passed and whose input is looked at before the verdict. The timers that
/// are left wait for the next iteration. A visit may go beyond.
pub(crate) const LOOKED_AT_PER_ITERATION: u64 = 4 * 1024 * 1024;
/// Visits in a row to a connection that the end of a drain is about to cut: they read more than the kernel keeps for it, unless
/// `net.ipv4.tcp_rmem` allows more than 8 MiB.
pub(crate) const VISITS_AT_THE_END: usize = 16;

// --- Writing -------------------------------------------------------------------------------------------------------------

/// The least value of [`Config::outbox_limit`](crate::Config::outbox_limit), in bytes.
pub const LEAST_OUTBOX: usize = 64 * 1024;
/// Slices handed to one sendmsg(2): well below `IOV_MAX`.
pub(crate) const SLICES_PER_WRITE: usize = 64;
/// Bytes of replies after which they are written although the visit is not over.
pub(crate) const REPLY_FLUSH: usize = 256 * 1024;
/// The least bytes of replies after which they are written before a visit is over, where outboxes are small.
pub(crate) const REPLY_FLUSH_LEAST: usize = 64 * 1024;
/// Bytes of capacity that the reply buffer keeps between visits.
pub(crate) const REPLY_KEEP: usize = 256 * 1024;
/// Connections whose replies are gathered before any is written.
pub(crate) const DEFERRED_MOST: usize = 16;
/// The most bytes of a reply that is gathered with others: longer ones gain nothing.
pub(crate) const DEFERRED_EACH: usize = 4096;
/// The most bytes of replies in the receive buffer when a connection is read from: those that are gathered, and what the connection's own
/// reply may come to without being written.
pub(crate) const REPLIES_IN_RECEIVE_BUFFER: usize = DEFERRED_MOST * DEFERRED_EACH + REPLY_FLUSH_LEAST;
/// Bytes that the kernel takes of a connection before the peer's window admits them (`TCP_NOTSENT_LOWAT`, tcp(7)). More waits in the
/// outbox, whose limits and policies hold. A fast connection sends about as much while the loop does other things.
pub(crate) const UNSENT_IN_KERNEL: u32 = 128 * 1024;
/// Bytes that the kernel takes so while a longer piece of output is written: with less, a large message is a wake-up for each 128 KiB.
pub(crate) const UNSENT_OF_LARGE: u32 = 1024 * 1024;
/// The least bytes a second that a peer must take, from one look to the next, when its Pong is late because output is in front of its
/// Ping: slower than any network that a browser is used on, and fast enough that what the kernel and an outbox hold comes to an end.
pub(crate) const SLOWEST_READER: u64 = 1024;

/// The most bytes that may wait in an outbox of `limit` bytes when a message of `needed` bytes is added, with that message.
///
/// A message of more than half the limit finds room for itself, for one as long before it, and for half an outbox of others. A peer that
/// reads at once so gets each message that may be published, in every encoding.
pub(crate) const fn outbox_for(limit: usize, needed: usize) -> usize {
    if needed > limit / 2 { needed.saturating_mul(2).saturating_add(limit / 2) } else { limit }
}

// --- An iteration of the loop --------------------------------------------------------------------------------------------

/// Readiness events taken from the kernel at a time.
pub(crate) const EVENTS_PER_WAIT: usize = 1024;
/// Mailbox entries handled per iteration.
pub(crate) const MAILS_PER_ITERATION: usize = 1024;
/// Connections that a broadcast, or the closing of all, visits per iteration.
pub(crate) const SLICE_PER_ITERATION: u32 = 4096;
/// Timers expired per iteration.
pub(crate) const EXPIRIES_PER_ITERATION: usize = 4096;
/// Pings sent per iteration.
pub(crate) const PINGS_PER_ITERATION: u64 = 256;
/// A worker is late when it deals with what is due so much later, time after time. Fifty threads that share two processors and are not
/// overloaded are late by 150 ms.
pub(crate) const LATE: Duration = Duration::from_millis(200);
/// How long a worker is late before Pings give way, and how long more before they give way further.
pub(crate) const THROTTLE_STEP: Duration = Duration::from_secs(1);
/// How many times longer than the interval of Pings the time between two can get when they give way.
pub(crate) const MAX_PING_STRETCH: u32 = 4;
/// How often a worker looks after its memory.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_secs(1);

// --- Work ----------------------------------------------------------------------------------------------------------------

/// Work done for one connection before the others get their turn. The last message may go beyond.
pub(crate) const WORK_PER_VISIT: usize = 256 * 1024;
/// Work done for a connection that has just become ready: enough for a read full of large messages, or for some hundred small ones.
pub(crate) const WORK_PER_FIRST: usize = 64 * 1024;
/// Work done for all connections in an iteration: some milliseconds.
pub(crate) const WORK_PER_ITERATION: usize = 4 * 1024 * 1024;
/// Work of a call of recv(2) and a look at a connection.
pub(crate) const WORK_OF_READ: usize = 1024;
/// Work of a frame or message beside its bytes, with a handler that does next to nothing.
pub(crate) const WORK_OF_MESSAGE: usize = 64;
/// Bytes received, or unmasked and checked, that are one unit of work.
pub(crate) const BYTES_PER_WORK: usize = 16;
/// Work of judging a request.
pub(crate) const WORK_OF_HANDSHAKE: usize = 8 * 1024;
/// Bytes of a request head that are one unit of work, each time that they are parsed.
pub(crate) const HEAD_PER_WORK: usize = 2;
/// Work of looking at a side record.
pub(crate) const WORK_OF_SEARCH: usize = 16;
/// Work of compressing a message beside its bytes.
pub(crate) const WORK_OF_DEFLATING: usize = 4 * 1024;
/// Work of compressing a byte at level 0. Each level is one more.
pub(crate) const WORK_PER_DEFLATED: usize = 3;
/// Work of a request of a hub's client beside its bytes: with its subscriptions, and with the topic's owner.
#[cfg(feature = "hub")]
pub(crate) const WORK_OF_REQUEST: usize = 2 * 1024;
/// Work of parsing a byte of such a request, which is JSON.
#[cfg(feature = "hub")]
pub(crate) const WORK_PER_PARSED: usize = 4;

// --- Queues between threads ----------------------------------------------------------------------------------------------

/// Most decisions of a worker that are under way: from the call of [`Connecting::later`](crate::Connecting::later) until the worker has
/// taken the result.
pub const DECISIONS: usize = 4096;
/// Entries of a worker's mailbox. A full one refuses the sender.
pub(crate) const MAILBOX: usize = 1024;
/// Bytes of the messages in a worker's mailbox. A longer message goes alone.
pub(crate) const MAILBOX_BYTES: usize = 16 * 1024 * 1024;
/// Lines for the log that may wait to be written. More are lost and counted.
pub(crate) const NOTICES: usize = 1024;

// --- Memory --------------------------------------------------------------------------------------------------------------

/// What `buffer-limit` is unless it is set or the workers need more, in bytes.
pub(crate) const DEFAULT_BUFFERS: usize = 512 << 20;
/// What `backlog-limit` is unless it is set or the workers need more, in bytes.
pub(crate) const DEFAULT_BACKLOG: usize = 2 << 30;
/// Entries of capacity that an empty list or map of a worker keeps.
pub(crate) const LIST_KEEP: usize = 1024;
/// Entries of capacity that an empty list keeps where a worker has very many: one for each topic, or for each other worker.
#[cfg(feature = "hub")]
pub(crate) const SMALL_LIST_KEEP: usize = 64;
/// Unused bytes that the pools of all workers may keep together in small buffers, until a whole second has not needed them.
pub(crate) const POOL_KEEP: usize = 1024 * 1024;
/// Unused bytes that the pool of each worker may keep at least.
pub(crate) const POOL_KEEP_LEAST: usize = 64 * 1024;
/// Bytes from which on the program `throng` gives a block of memory a mapping of its own (`M_MMAP_THRESHOLD`, mallopt(3)), so that the
/// kernel gets the memory back when the block is freed.
pub const MAPPED_BLOCK: usize = 64 * 1024;
/// Side records looked at, when buffer memory is used up, for unfinished messages that have to give way.
pub(crate) const EVICTION_SEARCH: usize = 4096;
/// The most messages that give way at a time.
pub(crate) const MAX_EVICTIONS: usize = 64;
/// Messages give way until one part in so many of all buffer memory is free.
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
/// Part of the bytes of histories that encodings made for clients which come back may take: one in so many.
#[cfg(feature = "hub")]
pub(crate) const HISTORY_ENCODINGS_DIVISOR: usize = 4;
/// Topics looked at, when there are as many as there may be, for one that may go.
#[cfg(feature = "hub")]
pub(crate) const EVICTION_CHECKS: usize = 64;

const _: () = assert!(MAX_CONNECTIONS_PER_WORKER.is_multiple_of(RECORDS_PER_PAGE));
const _: () = assert!(MOST_HEAD <= READ_BUFFER, "a request head fits one read");
const _: () = assert!(READ_COSTLY <= READ_BUFFER && READ_BEFORE_LARGE <= READ_BUFFER);
const _: () = assert!(REPLY_FLUSH <= REPLY_KEEP);
const _: () = assert!(REPLY_FLUSH_LEAST <= LEAST_OUTBOX);
const _: () = assert!(SLICES_PER_WRITE <= 1024, "IOV_MAX");
