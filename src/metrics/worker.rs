//! The metrics of a worker. Only the worker writes them, and any thread reads them, without locks.

use super::table::metrics;

metrics! {
    /// The counters of one worker, on cache lines of their own.
    #[derive(Debug, Default)]
    #[repr(align(128))]
    pub(crate) struct Counters;

    /// The metrics of a worker, or of a whole server, since its start. A histogram is a list of pairs: a bucket's highest value in
    /// microseconds, and the bucket's count.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
    pub struct Stats, "throng_";

    /// WebSockets open now: upgraded, and not yet closed or lost.
    open: gauge;
    /// Sockets of connections held now, in any state.
    sockets: gauge;
    /// Connections accepted from the kernel.
    accepted: counter;
    /// Connections upgraded to WebSockets.
    opened: counter;
    /// Requests refused with 503 because a limit of connections was reached or the server is going down.
    refused_at_limit: counter;
    /// Requests refused because of their content, with a status other than 503.
    refused_requests: counter;
    /// Plain HTTP requests that the application answered, refusals not included.
    responses: counter;
    /// Requests that wait now for the application's decision.
    decisions_pending: gauge;
    /// Requests answered with 503 because the application did not decide on them in time.
    decisions_timed_out: counter;
    /// Requests answered with 503 because the application dropped them without a decision.
    decisions_dropped: counter;
    /// Requests answered with 503 because too many others waited for a decision.
    decisions_refused: counter;
    /// Connections closed because they did not begin with the preamble that their listener requires.
    preamble_errors: counter;
    /// Connections ended because the peer violated the rules of the transport. WebSockets among them also count as lost.
    transport_errors: counter;
    /// Connections dropped without an answer because a limit of connections was reached and the room for refusals was used up as well.
    dropped_at_limit: counter;
    /// Times that accepting a connection failed, most often because descriptors or kernel memory were used up.
    accept_exhausted: counter;
    /// Times that a worker stopped taking new connections because it was full while other workers had room.
    left_group: counter;
    /// WebSockets closed by the peer with a Close frame.
    closed_by_peer: counter;
    /// WebSockets closed by the application, or because the server ended.
    closed_by_us: counter;
    /// WebSockets closed because the peer violated the protocol.
    protocol_errors: counter;
    /// WebSockets closed because a message to them did not fit in the outbox.
    outbox_overflows: counter;
    /// WebSockets closed because the worker's buffer memory was used up.
    buffer_exhausted: counter;
    /// Connections lost: reset, or ended without a Close frame.
    lost: counter;
    /// Connections dropped because the request did not arrive in time.
    handshake_timeouts: counter;
    /// WebSockets dropped because a Ping was not answered in time.
    pong_timeouts: counter;
    /// WebSockets closed because a message that had begun did not arrive completely in time.
    message_timeouts: counter;
    /// Connections dropped because the peer did not finish closing in time.
    close_timeouts: counter;
    /// Pings sent.
    pings_sent: counter;
    /// Times that a Ping was postponed because the worker was late.
    pings_put_off: counter;
    /// Pongs received that answer a Ping of the server.
    pongs_received: counter;
    /// Pings received. Each was answered with a Pong.
    pings_received: counter;
    /// Messages received.
    messages_in: counter;
    /// Messages sent, including those handed over by other threads.
    messages_out: counter;
    /// Messages handed over by other threads for connections that no longer existed.
    messages_to_nobody: counter;
    /// Bytes of messages from other threads that wait now for a worker to handle them.
    mail_bytes: gauge(bytes) in mailbox;
    /// Times that a message or command of another thread was refused because too many waited already.
    mail_refused: counter in mailbox;
    /// Messages received that were compressed.
    compressed_in: counter;
    /// Messages sent compressed.
    compressed_out: counter;
    /// Bytes read from sockets.
    bytes_in: counter(bytes) as "received_bytes";
    /// Bytes written to sockets.
    bytes_out: counter(bytes) as "sent_bytes";
    /// Calls of recv(2).
    reads: counter;
    /// Calls of send(2) and sendmsg(2).
    writes: counter;
    /// Waits for readiness, epoll_wait(2).
    waits: counter;
    /// Bytes of pooled buffers in use now, for incomplete input and queued output.
    buffered_bytes: gauge(bytes);
    /// Bytes of messages to many clients that wait in outboxes now, with the cost of the references. Each message counts once for each
    /// outbox.
    backlog_bytes: gauge(bytes);
    /// Bytes of compression windows kept now: earlier data that later compressed messages may refer to.
    context_bytes: gauge(bytes);
    /// Bugs in this program that it survived. Please report any value but zero: the log names the first bug.
    bugs: counter;
    /// Time from a Ping to its Pong.
    ping_rtt_us: histogram(seconds) as "ping_rtt_seconds";
    /// Time of one iteration of the event loop, from the end of one wait for readiness to the beginning of the next: a socket that becomes
    /// ready may have to wait that long.
    loop_us: histogram(seconds) as "loop_seconds";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_counts_and_buckets() {
        let counters = Counters::default();
        counters.open.add(2);
        counters.ping_rtt_us.record(5);
        let mut total = counters.snapshot();
        counters.ping_rtt_us.record(100);
        total.merge(&counters.snapshot());
        assert_eq!((total.open, &total.ping_rtt_us[..]), (4, &[(5, 2), (103, 1)][..]));
    }
}
