//! Sends every message back.

use throng::{Accept, CloseCode, Conn, Connecting, Handler, Message, Verdict};

/// The echo server of tests and benchmarks. A client whose outbox is full is closed with 1008; that cannot come of
/// sending alone, because a client that does not read is not read from.
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
            conn.close(CloseCode::POLICY_VIOLATION, "echoes are read too slowly");
        }
    }
}
