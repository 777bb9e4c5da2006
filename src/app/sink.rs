//! Takes every message and says nothing.

use throng::{Accept, Conn, Connecting, Handler, Message, Verdict};

/// The server of the million-connection benchmark: it holds connections and answers only on the protocol's own account.
#[derive(Debug)]
pub(crate) struct Sink;

impl Handler for Sink {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {}
}
