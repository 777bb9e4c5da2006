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

    /// WebSockets open now: upgraded, and neither closed nor lost.
    open: gauge;
    /// Sockets held now, whatever their state.
    sockets: gauge;
    /// Connections accepted from the kernel.
    accepted: counter;
    /// Connections upgraded to WebSockets.
    opened: counter;
    /// Requests refused with 503 because a limit of connections was reached or the server is going down.
    refused_at_limit: counter;
    /// Requests refused for what they say, with another status than 503.
    refused_requests: counter;
    /// Plain requests that the application has answered, and not refused.
    responses: counter;
    /// Requests that wait for a decision of the application's now.
    decisions_pending: gauge;
    /// Requests answered with 503 because the application did not decide on them in time.
    decisions_timed_out: counter;
    /// Requests answered with 503 because the application gave up deciding on them.
    decisions_dropped: counter;
    /// Requests answered with 503 because too many waited for a decision already.
    decisions_refused: counter;
    /// Connections closed because they did not begin with the preamble that their listener demands.
    preamble_errors: counter;
    /// Connections dropped unanswered because even the allowance for refusals was used up.
    dropped_at_limit: counter;
    /// Times that accepting failed for want of descriptors or kernel memory.
    accept_exhausted: counter;
    /// Times that the worker left the group of listeners because it was full while others had room.
    left_group: counter;
    /// WebSockets closed by the peer with a Close frame.
    closed_by_peer: counter;
    /// WebSockets closed by the application or by the end of the server.
    closed_by_us: counter;
    /// WebSockets failed because the peer broke the protocol.
    protocol_errors: counter;
    /// WebSockets closed because a message to them did not fit their outbox.
    outbox_overflows: counter;
    /// WebSockets closed because the worker's buffer memory was used up.
    buffer_exhausted: counter;
    /// Connections lost: reset, or ended without a Close frame.
    lost: counter;
    /// Connections dropped because their request did not come in time.
    handshake_timeouts: counter;
    /// WebSockets dropped because a Ping was not answered in time.
    pong_timeouts: counter;
    /// WebSockets closed because a message that had begun did not end in time.
    message_timeouts: counter;
    /// Connections dropped because the peer did not finish closing in time.
    close_timeouts: counter;
    /// Pings sent.
    pings_sent: counter;
    /// Times that a Ping was put off because the worker was late.
    pings_put_off: counter;
    /// Pongs received that answer a Ping of ours.
    pongs_received: counter;
    /// Pings received, each of which was answered.
    pings_received: counter;
    /// Messages received.
    messages_in: counter;
    /// Messages sent, those handed over by other threads included.
    messages_out: counter;
    /// Messages handed over by other threads for connections that were gone.
    messages_to_nobody: counter;
    /// Bytes of messages that other threads have handed over and that wait to be dealt with now.
    mail_bytes: gauge(bytes);
    /// Times that other threads were refused because too much waited already.
    mail_refused: counter;
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
    /// Waits for readiness.
    waits: counter;
    /// Bytes in pooled buffers now: incomplete input and queued output.
    buffered_bytes: gauge(bytes);
    /// Bytes of shared frames that wait in outboxes now, each counted for each outbox it is in, with what keeping them costs.
    backlog_bytes: gauge(bytes);
    /// Bytes kept now of what has passed compressed, for later messages to refer to.
    context_bytes: gauge(bytes);
    /// Bugs of this program that were survived. Anything but zero is worth a report: the log names the first.
    bugs: counter;
    /// Times from Ping to Pong.
    ping_rtt_us: histogram(seconds) as "ping_rtt_seconds";
    /// Times from the end of one wait for readiness to the beginning of the next: how long a socket that becomes ready may have to wait.
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
