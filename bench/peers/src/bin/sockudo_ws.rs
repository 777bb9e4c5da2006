//! sockudo-ws: replies of less than 8 KiB are copied into one buffer, larger ones are sent from where they were read, and one
//! `writev` sends all before the next read.

use std::time::Duration;

use bytes::BytesMut;
use peers::{Arguments, Feed, Library, MAX_MESSAGE, Service, serve, start};
use sockudo_ws::deflate::negotiate_server_deflate;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request, server_handshake};
use sockudo_ws::{
    CompressedWebSocketStream, Compression, Config, DeflateConfig, Error, Message, Role, WebSocketStream,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a connection begins with; it grows with what is queued. The 16 KiB it comes with are no faster, and cost two pages more.
const WRITE_BUFFER: usize = 1024;

struct SockudoWs;

impl Library for SockudoWs {
    type Message = Message;
    type Error = Error;

    fn is_data(message: &Message) -> bool {
        message.is_text() || message.is_binary()
    }

    fn into_text(message: Message) -> Option<Message> {
        // Its own `into_text` is for text alone.
        std::str::from_utf8(message.as_bytes()).is_ok().then(|| Message::Text(message.into_bytes()))
    }

    fn ping() -> Message {
        Message::ping("")
    }
}

fn main() {
    let arguments = Arguments::from_command_line(&[]);
    let config = Config::builder()
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .write_buffer_size(WRITE_BUFFER)
        .idle_timeout(0)
        // Its own pings are for connections that have been silent; ours are for all.
        .auto_ping(false)
        .build();
    let deflate = arguments.compression.then(|| Compression::Shared.to_deflate_config()).flatten();
    let feed = Feed::default();
    serve(arguments.port, |stream| {
        let (config, deflate, feed) = (config.clone(), deflate.clone(), feed.clone());
        async move {
            // A handshake that fails is the client's affair.
            let _ = match deflate {
                Some(deflate) => compressed(stream, config, &deflate, feed, arguments.ping_interval).await,
                None => plain(stream, config, feed, arguments.ping_interval).await,
            };
        }
    })
}

async fn plain(
    mut stream: TcpStream,
    config: Config,
    feed: Feed<Message>,
    ping_interval: Option<Duration>,
) -> Result<(), Error> {
    let request = server_handshake(&mut stream).await?;
    let socket = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, request.leftover);
    start::<SockudoWs, _>(socket, Service::at(&request.path), feed, ping_interval);
    Ok(())
}

/// `server_handshake` does not negotiate extensions, so this takes the handshake apart.
async fn compressed(
    mut stream: TcpStream,
    config: Config,
    deflate: &DeflateConfig,
    feed: Feed<Message>,
    ping_interval: Option<Duration>,
) -> Result<(), Error> {
    let mut head = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        let Some((request, length)) = parse_request(&head)? else { continue };
        let service = Service::at(&request.path);
        let negotiated = request.extensions.and_then(|offers| negotiate_server_deflate(offers, deflate));
        let extensions = negotiated.as_ref().map(|negotiated| negotiated.to_response_header());
        let key = generate_accept_key(request.key);
        stream.write_all(&build_response(&key, None, extensions.as_deref())).await?;
        let rest = Some(head.split_off(length).freeze());
        match negotiated {
            Some(negotiated) => {
                let deflate = negotiated.config;
                let socket = CompressedWebSocketStream::server_with_leftover(stream, config, deflate, rest);
                start::<SockudoWs, _>(socket, service, feed, ping_interval);
            }
            None => {
                let socket = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, rest);
                start::<SockudoWs, _>(socket, service, feed, ping_interval);
            }
        }
        return Ok(());
    }
}
