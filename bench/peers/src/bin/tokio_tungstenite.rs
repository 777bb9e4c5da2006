//! tokio-tungstenite, with the buffers it comes with (128 KiB to read, 128 KiB before it writes unasked) or with 4 KiB each.

use peers::{Arguments, Feed, Library, MAX_MESSAGE, Service, serve, start};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

const SMALL_BUFFERS: &str = "--small-buffers";
const SMALL: usize = 4096;

struct TokioTungstenite;

impl Library for TokioTungstenite {
    type Message = Message;
    type Error = Error;

    fn is_data(message: &Message) -> bool {
        message.is_text() || message.is_binary()
    }

    fn into_text(message: Message) -> Option<Message> {
        message.into_text().ok().map(Message::Text)
    }

    fn ping() -> Message {
        Message::Ping(Bytes::new())
    }
}

#[expect(clippy::result_large_err, reason = "the handshake's callback is as the library has it")]
fn main() {
    let arguments = Arguments::from_command_line(&[SMALL_BUFFERS]).no_compression("tokio-tungstenite");
    let mut config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    if arguments.has(SMALL_BUFFERS) {
        config = config.read_buffer_size(SMALL).write_buffer_size(SMALL);
    }
    let feed = Feed::default();
    serve(arguments.port, |stream| {
        let feed = feed.clone();
        async move {
            let mut service = Service::Echo;
            let look = |request: &Request, response: Response| {
                service = Service::at(request.uri().path());
                Ok(response)
            };
            if let Ok(socket) = accept_hdr_async_with_config(stream, look, Some(config)).await {
                start::<TokioTungstenite, _>(socket, service, feed, arguments.ping_interval);
            }
        }
    })
}
