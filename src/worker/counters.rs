//! What a worker counts: written by it alone, read by anyone, no locks.

use crate::base::counter::Counter;
use crate::base::histogram::Histogram;

fn add_buckets(buckets: &mut Vec<(u64, u64)>, others: &[(u64, u64)]) {
    for &(highest, count) in others {
        match buckets.binary_search_by_key(&highest, |bucket| bucket.0) {
            Ok(at) => buckets[at].1 += count,
            Err(at) => buckets.insert(at, (highest, count)),
        }
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters of one worker, on cache lines of their own.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
            pub(crate) ping_rtt: Histogram,
            pub(crate) loop_time: Histogram,
        }

        impl Counters {
            /// The counters as they are now. They are read one by one: sums over several may be off by what happened meanwhile.
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get(),)+ ping_rtt_us: self.ping_rtt.snapshot(), loop_us: self.loop_time.snapshot() }
            }
        }

        /// What a worker, or a whole server, has counted since its start.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
        pub struct Stats {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Times from Ping to Pong as pairs of a bucket's highest value in microseconds and its count.
            pub ping_rtt_us: Vec<(u64, u64)>,
            /// Times from the end of one wait for readiness to the beginning of the next, in the same form: how long whatever becomes
            /// ready may have to wait.
            pub loop_us: Vec<(u64, u64)>,
        }

        impl Stats {
            /// Adds another worker's counts to these.
            pub fn merge(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
                add_buckets(&mut self.ping_rtt_us, &other.ping_rtt_us);
                add_buckets(&mut self.loop_us, &other.loop_us);
            }
        }
    };
}

counters! {
    /// WebSockets open now: upgraded, and neither closed nor lost.
    open,
    /// Sockets held now, whatever their state.
    sockets,
    /// Connections accepted from the kernel.
    accepted,
    /// Connections upgraded to WebSockets.
    opened,
    /// Requests refused with 503 because a limit of connections was reached or the server is going down.
    refused_at_limit,
    /// Requests refused for what they say, with another status than 503.
    refused_requests,
    /// Connections dropped unanswered because even the allowance for refusals was used up.
    dropped_at_limit,
    /// Times that accepting failed for want of descriptors or kernel memory.
    accept_exhausted,
    /// Times that the worker left the group of listeners because it was full while others had room.
    left_group,
    /// WebSockets closed by the peer with a Close frame.
    closed_by_peer,
    /// WebSockets closed by the application or by the end of the server.
    closed_by_us,
    /// WebSockets failed because the peer broke the protocol.
    protocol_errors,
    /// WebSockets closed because a message to them did not fit their outbox.
    outbox_overflows,
    /// WebSockets closed because the worker's buffer memory was used up.
    buffer_exhausted,
    /// Connections lost: reset, or ended without a Close frame.
    lost,
    /// Connections dropped because their request did not come in time.
    handshake_timeouts,
    /// WebSockets dropped because a Ping was not answered in time.
    pong_timeouts,
    /// WebSockets closed because a message that had begun did not end in time.
    message_timeouts,
    /// Connections dropped because the peer did not finish closing in time.
    close_timeouts,
    /// Pings sent.
    pings_sent,
    /// Times that a Ping was put off because the worker was late.
    pings_put_off,
    /// Pongs received that answer a Ping of ours.
    pongs_received,
    /// Pings received, each of which was answered.
    pings_received,
    /// Messages received.
    messages_in,
    /// Messages sent, those handed over by other threads included.
    messages_out,
    /// Messages handed over by other threads for connections that were gone.
    messages_to_nobody,
    /// Bytes of messages that other threads have handed over and that wait to be dealt with now.
    mail_bytes,
    /// Times that other threads were refused because too much waited already.
    mail_refused,
    /// Messages received that were compressed.
    compressed_in,
    /// Messages sent compressed.
    compressed_out,
    /// Bytes read from sockets.
    bytes_in,
    /// Bytes written to sockets.
    bytes_out,
    /// Calls of recv(2).
    reads,
    /// Calls of send(2) and sendmsg(2).
    writes,
    /// Waits for readiness.
    waits,
    /// Bytes in pooled buffers now: incomplete input and queued output.
    buffered_bytes,
    /// Bytes of shared frames that wait in outboxes now, each counted for each outbox it is in, with what keeping them costs.
    backlog_bytes,
    /// Bytes kept now of what has passed compressed, for later messages to refer to.
    context_bytes,
    /// Bugs of ours that were survived. Anything but zero is worth a report.
    bugs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_counts_and_buckets() {
        let counters = Counters::default();
        counters.open.add(2);
        counters.ping_rtt.record(5);
        let mut total = counters.snapshot();
        counters.ping_rtt.record(100);
        total.merge(&counters.snapshot());
        assert_eq!((total.open, &total.ping_rtt_us[..]), (4, &[(5, 2), (103, 1)][..]));
    }
}
