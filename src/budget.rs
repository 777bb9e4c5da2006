//! Every limit in one place, and how they relate.
//!
//! What an operator may want to change is in [`Config`](crate::Config); what stands here is fixed, because other
//! sums rely on it.

use std::time::Duration;

use crate::ws::{LARGE, MAX_HEADER};

/// The most workers of a server: a [`ConnId`](crate::ConnId) has ten bits for them.
pub const MAX_WORKERS: usize = 1 << 10;
/// The most connections of a worker: a [`ConnId`](crate::ConnId) has 26 bits for them.
pub const MAX_CONNECTIONS_PER_WORKER: usize = 1 << 26;

/// The least and the most bytes that a request head may be told to have: browsers send up to 700 B to open a WebSocket, and what fits
/// no common buffer costs as much as a connection's whole outbox.
pub(crate) const LEAST_HEAD: usize = 1024;
pub(crate) const MOST_HEAD: usize = 64 * 1024;
/// The least header fields that a request may be told to have: a WebSocket takes five, and what browsers add is as much again.
pub(crate) const LEAST_HEADERS: usize = 16;

/// Bytes read by one call of recv(2). A worker has one buffer for it, with room for replies before, of which only what is used takes
/// memory.
pub(crate) const READ_BUFFER: usize = 256 * 1024;
/// The same while large messages come: the first bytes of one are the only ones that have to move from there to its own buffer.
pub(crate) const READ_BEFORE_LARGE: usize = MAX_HEADER + LARGE;
/// The same where messages are compressed, or have been more work than one visit does: what is left waits in a buffer of the connection's
/// own.
pub(crate) const READ_COSTLY: usize = 64 * 1024;
/// Bytes of that buffer that are gone on with at a time: what is left of them is looked at again.
pub(crate) const UNREAD_SLICE: usize = 16 * 1024;
/// Side records that are looked at for messages which have to give way when buffer memory is used up, and the most messages that do at a
/// time: until there is as much room as is needed, and this part of all.
pub(crate) const RELIEF_SEARCH: usize = 4096;
pub(crate) const RELIEF_MOST: usize = 64;
pub(crate) const RELIEF_LEAST: usize = 64;
/// Calls of recv(2) for one connection before the others get their turn.
pub(crate) const READS_PER_VISIT: usize = 2;
/// Entries of capacity that a list of connections keeps.
pub(crate) const LIST_KEEP: usize = 4096;
/// Bytes of that buffer that keep their memory while more is not needed.
pub(crate) const LANDING_KEEP: usize = 64 * 1024;
/// The least an outbox may be told to hold.
pub const LEAST_OUTBOX: usize = 64 * 1024;
/// Bytes that may wait for a connection when a message comes that takes `needed` of them, with that: what an outbox may hold. A message of
/// more than half of that finds room for itself, for one as long before it, and for half an outbox of others, so that who reads at once
/// gets each message that may be published, in whichever form.
pub(crate) const fn outbox_for(limit: usize, needed: usize) -> usize {
    if needed > limit / 2 { needed.saturating_mul(2).saturating_add(limit / 2) } else { limit }
}

/// Requests of a client in a row that are none before it is closed with 1008: each is answered with more bytes than it may have.
pub const BAD_REQUESTS: u32 = 100;

/// Bytes that a byte of a payload may become in the text of a subprotocol that wraps it: `\\u0001` in JSON. Base64 makes less.
pub const ENVELOPED_BYTE: usize = 6;
/// Bytes that such a subprotocol may add to the payload: a topic of 255 bytes and an `id` of 64, each byte of them as above, with the
/// names of all members take half of it.
pub const ENVELOPE: usize = 4096;

/// The most bytes that a wrapped payload of `payload` bytes travels in.
#[must_use]
pub const fn enveloped(payload: usize) -> usize {
    payload.saturating_mul(ENVELOPED_BYTE).saturating_add(ENVELOPE)
}

/// Work that is done for one connection before the others get their turn, in bytes decompressed or what takes as long, about a
/// nanosecond; the last message may go beyond.
pub(crate) const WORK_PER_VISIT: usize = 256 * 1024;
/// The same when a connection has just become ready: enough for a read full of large messages, or for some hundred small ones.
pub(crate) const WORK_PER_FIRST: usize = 64 * 1024;
/// The same for all connections of an iteration: some milliseconds.
pub(crate) const WORK_PER_ITERATION: usize = 4 * 1024 * 1024;
/// What a call of recv(2) and a look at a connection count for.
pub(crate) const WORK_OF_READ: usize = 1024;
/// What a frame or message counts for beside its bytes, with a handler that does next to nothing.
pub(crate) const WORK_OF_MESSAGE: usize = 64;
/// Bytes received, and bytes of messages unmasked and checked, that count for one of work.
pub(crate) const BYTES_PER_WORK: usize = 16;
/// What judging a request counts for, and bytes of its head that count for one, each time that they are parsed.
pub(crate) const WORK_OF_HANDSHAKE: usize = 8 * 1024;
pub(crate) const HEAD_PER_WORK: usize = 2;
/// What looking at a side record counts for.
pub(crate) const WORK_OF_SEARCH: usize = 16;
/// What a request of a hub's client counts for: its subscriptions and the topic's home have to do with it; and each of its bytes, which
/// is JSON.
#[cfg(feature = "hub")]
pub(crate) const WORK_OF_REQUEST: usize = 2 * 1024;
#[cfg(feature = "hub")]
pub(crate) const WORK_PER_PARSED: usize = 4;
/// What compressing a message counts for beside its bytes, and what each byte does at level 0; each level is one more.
pub(crate) const WORK_OF_DEFLATING: usize = 4 * 1024;
pub(crate) const WORK_PER_DEFLATED: usize = 3;
/// Readiness events taken from the kernel at a time.
pub(crate) const EVENTS_PER_WAIT: usize = 1024;
/// Connections accepted per iteration, so that a storm of them does not starve those that are open.
pub(crate) const ACCEPTS_PER_ITERATION: usize = 64;
/// Mailbox entries handled per iteration.
pub(crate) const MAILS_PER_ITERATION: usize = 1024;
/// Connections visited by a broadcast or by the closing of all per iteration.
pub(crate) const SWEEP_PER_ITERATION: u32 = 4096;
/// Timers expired per iteration.
pub(crate) const EXPIRIES_PER_ITERATION: usize = 4096;
/// Pings sent per iteration.
pub(crate) const PINGS_PER_ITERATION: u64 = 256;
/// A worker is late when what is due is looked at so much later, time after time. Fifty threads that share two processors and are not
/// overloaded are late by 150 ms.
pub(crate) const LATE: Duration = Duration::from_millis(200);
/// For how long it is late before Pings give way, and for how long more before they give way further.
pub(crate) const LATENESS_STEP: Duration = Duration::from_secs(1);
/// How many times longer than the interval of Pings the time between two can get then.
pub(crate) const MOST_STRETCH: u32 = 4;
/// Visits in a row to a connection that the end of a drain is about to cut: more than the kernel keeps for it, unless it was told to keep
/// more than 8 MiB (`net.ipv4.tcp_rmem`).
pub(crate) const VISITS_AT_THE_END: usize = 16;
/// Bytes read of connections on the way to a verdict, after which the timers that are left wait for the next iteration; a visit may go
/// beyond.
pub(crate) const LOOKED_AT_PER_ITERATION: u64 = 4 * 1024 * 1024;
/// Entries a worker's mailbox holds, and bytes of their messages; a full one refuses the sender. A message longer than all of that goes
/// alone.
pub(crate) const MAILBOX: usize = 1024;
pub(crate) const MAILBOX_BYTES: usize = 16 * 1024 * 1024;
/// Slices handed to one sendmsg(2): well below `IOV_MAX`.
pub(crate) const SLICES_PER_WRITE: usize = 64;
/// Bytes of replies that are gathered before they are written although the visit is not over, and the least where outboxes are so
/// small that so many would be too much.
pub(crate) const REPLY_FLUSH: usize = 256 * 1024;
pub(crate) const REPLY_FLUSH_LEAST: usize = 64 * 1024;
/// Replies of several connections that are held until all are written, and the bytes of each: longer ones gain nothing by it.
pub(crate) const HELD_MOST: usize = 16;
pub(crate) const HELD_EACH: usize = 4096;
/// Replies that may be where input is received when a connection is read from: those that are held, and what its own may come to
/// without being written.
pub(crate) const MOST_LANDED: usize = HELD_MOST * HELD_EACH + REPLY_FLUSH_LEAST;
/// Bytes of capacity that the reply buffer keeps between visits.
pub(crate) const REPLY_KEEP: usize = 256 * 1024;

/// Connections held above the limit so that they can be told 503 in a clean way, or a sixteenth of what a table has room for where that is
/// less; those above that are dropped.
pub(crate) const REFUSALS: usize = 128;
/// Time that a refused connection, or one whose request was in error, has to go.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// Bytes a second that a peer must take at the least, from one look to the next, whose Pong is late because output is in front of its
/// Ping: slower than any network that a browser is used on, and fast enough that what the kernel and an outbox hold comes to an end.
pub(crate) const SLOWEST_READER: u64 = 1024;
/// Lines for the log that may wait to be written; more are lost and counted.
pub(crate) const NOTICES: usize = 1024;
/// How long it is before it is told again that the server is full.
pub(crate) const FULL_AGAIN: Duration = Duration::from_secs(10);
/// Pause after accepting has failed for want of descriptors or memory.
pub(crate) const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that the kernel takes of a connection before the peer's window admits them; more waits in the outbox, whose limits and
/// policies hold. It is about what a fast connection sends while the loop does other things.
pub(crate) const UNSENT_IN_KERNEL: u32 = 128 * 1024;
/// The same while a piece of output is written that is longer than that: with less, a large message is a wake-up for each 128 KiB.
pub(crate) const UNSENT_OF_LARGE: u32 = 1024 * 1024;
/// For how long the kernel keeps a connection to itself that has not sent anything: a request comes with the first of it, and needs no
/// wake-up of its own. The deadline of handshakes begins afterwards.
pub(crate) const DEFER_ACCEPT: Duration = Duration::from_secs(1);
/// The queue of connections that the kernel has completed and nobody has accepted; `net.core.somaxconn` caps it.
pub(crate) const LISTEN_BACKLOG: u16 = u16::MAX;
/// How long a start waits for another server that is about to listen on the same port or in the same directory; then it goes on, and the
/// kernel decides.
pub const CLAIM_PATIENCE: Duration = Duration::from_secs(2);
/// Descriptors of a table that are not for connections: standard streams, epoll, listeners, wakers of all workers, the
/// reserve, and some for the application.
pub const DESCRIPTOR_RESERVE: usize = 128;
/// Descriptors that a worker has of its own beside its listeners: epoll, waker, the one in reserve, and one to open a listener again.
pub(crate) const WORKER_DESCRIPTORS: usize = 4;
/// A server with fewer connections than this, only because the limit of descriptors allows no more, is worth a warning.
pub(crate) const SMALL_SERVER: usize = 4096;
/// What buffers may take together, and what may wait for slow connections, unless somebody has set it or the workers need more.
pub(crate) const DEFAULT_BUFFERS: usize = 512 << 20;
pub(crate) const DEFAULT_BACKLOG: usize = 2 << 30;

/// Which part of a hub's topics is left to the operator's publishers when clients have taken up all others: one in so many.
pub const TOPICS_OF_OPERATOR: usize = 16;
/// Which part of the bytes of histories may be forms that were made of their messages for those who come back: one in so many.
#[cfg(feature = "hub")]
pub(crate) const FORMS_OF_HISTORY: usize = 4;
/// Topics looked at for one that may go, when there are as many as there may be.
#[cfg(feature = "hub")]
pub(crate) const EVICTION_LOOKS: usize = 64;

/// Records in one page of a connection table: 4,096 of 32 bytes are 128 KiB.
pub(crate) const RECORDS_PER_PAGE: usize = 4096;
/// Blocks from this size on get a mapping of their own in the `throng` program, so that freeing them gives them back.
pub const MAPPED_BLOCK: usize = 64 * 1024;

/// Unused buffer memory that the pools of all workers may keep together in small buffers, until a whole second has not needed it.
pub(crate) const POOL_KEEP: usize = 1024 * 1024;
/// What each may keep at least.
pub(crate) const POOL_KEEP_LEAST: usize = 64 * 1024;
/// How often a worker looks after its memory.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_secs(1);

const _: () = assert!(MAX_CONNECTIONS_PER_WORKER.is_multiple_of(RECORDS_PER_PAGE));
const _: () = assert!(MOST_HEAD <= READ_BUFFER, "a request head fits one read");
const _: () = assert!(READ_COSTLY <= READ_BUFFER && READ_BEFORE_LARGE <= READ_BUFFER);
const _: () = assert!(REPLY_FLUSH <= REPLY_KEEP);
const _: () = assert!(REPLY_FLUSH_LEAST <= LEAST_OUTBOX);
const _: () = assert!(SLICES_PER_WRITE <= 1024, "IOV_MAX");
