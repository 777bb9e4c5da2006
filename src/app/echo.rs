//! Sends every message back.

use throng::{Accept, CloseReason, Conn, Connecting, Handler, Message, Verdict};

/// The echo server of tests and benchmarks. It closes a client with a full outbox with 1008. Echoes alone cannot fill an outbox, because
/// the worker stops reading from a client that does not read.
#[derive(Debug)]
pub(crate) struct Echo;

impl Handler for Echo {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    #[inline]
    fn message(&mut self, conn: &mut Conn<'_, ()>, message: Message<'_>) {
        if conn.send(message).is_err() {
            conn.close(CloseReason::Policy, "echoes are read too slowly");
        }
    }
}
