//! tokio-websockets: messages are never split, and a batch of replies goes out in one vectored write.

use peers::{Arguments, Feed, Library, MAX_MESSAGE, Service, serve, start};
use tokio_websockets::{Config, Error, Limits, Message, ServerBuilder};

/// Bytes that may be queued before a flush is forced; with the 8 KiB it comes with, a batch of large replies is many writes.
const FLUSH_THRESHOLD: usize = 256 * 1024;

struct TokioWebsockets;

impl Library for TokioWebsockets {
    type Message = Message;
    type Error = Error;
    const READING_FLUSHES: bool = true;

    fn is_data(message: &Message) -> bool {
        message.is_text() || message.is_binary()
    }

    fn into_text(message: Message) -> Option<Message> {
        std::str::from_utf8(message.as_payload()).is_ok().then(|| Message::text(message.into_payload()))
    }

    fn ping() -> Message {
        Message::ping("")
    }
}

fn main() {
    let arguments = Arguments::from_command_line(&[]).no_compression("tokio-websockets");
    let config = Config::default().frame_size(usize::MAX).flush_threshold(FLUSH_THRESHOLD);
    let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
    let feed = Feed::default();
    serve(arguments.port, |stream| {
        let feed = feed.clone();
        async move {
            let accepted = ServerBuilder::new().config(config).limits(limits).accept(stream).await;
            if let Ok((request, socket)) = accepted {
                let service = Service::at(request.uri().path());
                start::<TokioWebsockets, _>(socket, service, feed, arguments.ping_interval);
            }
        }
    })
}
