//! yawc: replies are copied into one buffer and written at once; small writes are never held back for it is told so.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::{Request, Response};
use peers::{Arguments, Feed, Library, MAX_MESSAGE, Service, serve, serve_http, start};
use yawc::{Frame, OpCode, Options, Result, WebSocket, WebSocketError};

/// What its authors measure with: bytes queued before a flush is forced.
const BACKPRESSURE_BOUNDARY: usize = 64 * 1024;

struct Yawc;

impl Library for Yawc {
    type Message = Frame;
    type Error = WebSocketError;

    fn is_data(frame: &Frame) -> bool {
        matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
    }

    fn into_text(frame: Frame) -> Option<Frame> {
        frame.is_utf8().then(|| Frame::text(frame.into_payload()))
    }

    fn ping() -> Frame {
        Frame::ping(Bytes::new())
    }
}

fn main() {
    let arguments = Arguments::from_command_line(&[]);
    let mut options = Options::default()
        .without_compression()
        .with_utf8()
        .with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE)
        .with_backpressure_boundary(BACKPRESSURE_BOUNDARY);
    if arguments.compression {
        options = options
            .with_balanced_compression()
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(yawc::DeflatePool::new(1));
    }
    let feed = Feed::default();
    serve(arguments.port, |stream| {
        let (feed, options) = (feed.clone(), options.clone());
        serve_http(stream, move |request| {
            upgrade(request, options.clone(), feed.clone(), arguments.ping_interval)
        })
    })
}

fn upgrade(
    request: Request<Incoming>,
    options: Options,
    feed: Feed<Frame>,
    ping_interval: Option<Duration>,
) -> Result<Response<Empty<Bytes>>> {
    let service = Service::at(request.uri().path());
    let (response, upgraded) = WebSocket::upgrade_with_options(request, options)?;
    tokio::spawn(async move {
        if let Ok(socket) = upgraded.await {
            // Its stream ends where another's has an error.
            start::<Yawc, _>(socket.map(Ok), service, feed, ping_interval);
        }
    });
    Ok(response)
}
