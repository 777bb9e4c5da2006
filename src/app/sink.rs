//! The application that receives every message and sends none.

use throng::{Accept, Conn, Connecting, Handler, Message, Verdict};

/// The server of the million-connection benchmark. It holds connections; the only frames it sends are those that the protocol demands.
#[derive(Debug)]
pub(crate) struct Sink;

impl Handler for Sink {
    type Data = ();

    fn upgrade(&mut self, _: &mut Connecting<'_>) -> Verdict<()> {
        Accept::new(()).into()
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {}
}
