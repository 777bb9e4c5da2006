//! Takes every message and says nothing.

use throng::http::{Refusal, Request};
use throng::{Accept, Conn, Handler, Message};

/// The server of the million-connection benchmark: it holds connections and answers only on the protocol's own account.
#[derive(Debug)]
pub(crate) struct Sink;

impl Handler for Sink {
    type Data = ();

    fn upgrade(&mut self, _: &Request<'_>) -> Result<Accept<()>, Refusal> {
        Ok(Accept::new(()))
    }

    fn message(&mut self, _: &mut Conn<'_, ()>, _: Message<'_>) {}
}
