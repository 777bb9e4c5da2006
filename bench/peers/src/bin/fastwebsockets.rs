//! fastwebsockets. As documented it writes every frame by itself: small ones copied behind their header, those of more than 1 KiB by
//! `writev`. With --batched the socket has a buffer before it, which is flushed when no more can be read.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::io::Cursor;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, Role, WebSocketError, WebSocketWrite,
    after_handshake_split, upgrade,
};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peers::{Arguments, Feed, MAX_MESSAGE, Service, ping_timer, serve, serve_http};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, BufWriter};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::unconstrained;
use tokio::time::Interval;

const BATCHED: &str = "--batched";
/// Small beside the 8 KiB that it reads with, so that a batch of small replies is one write and an idle connection not much larger.
const WRITE_BUFFER: usize = 4096;

fn main() {
    let arguments = Arguments::from_command_line(&[BATCHED]).no_compression("fastwebsockets");
    let batched = arguments.has(BATCHED);
    let feed = Feed::default();
    serve(arguments.port, |stream| {
        let feed = feed.clone();
        serve_http(stream, move |request| accept(request, batched, feed.clone(), arguments.ping_interval))
    })
}

fn accept(
    mut request: Request<Incoming>,
    batched: bool,
    feed: Feed<Bytes>,
    ping_interval: Option<Duration>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let service = Service::at(request.uri().path());
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::spawn(async move {
        let Ok(socket) = upgraded.await else { return };
        if !batched && service == Service::Echo && ping_interval.is_none() {
            tokio::spawn(unconstrained(echo(FragmentCollector::new(socket))));
            return;
        }
        let Ok(parts) = socket.into_inner().into_inner().downcast::<TokioIo<TcpStream>>() else {
            unreachable!("serve_http was given a TcpStream");
        };
        let (reader, writer) = parts.io.into_inner().into_split();
        // A copy, most often of nothing: `read_buf` keeps all that hyper read the request with.
        let reader = Cursor::new(Bytes::copy_from_slice(&parts.read_buf)).chain(reader);
        drop(parts.read_buf);
        if batched {
            start(reader, BufWriter::with_capacity(WRITE_BUFFER, writer), service, feed, ping_interval);
        } else {
            start(reader, writer, service, feed, ping_interval);
        }
    });
    Ok(response)
}

/// The loop of its example.
async fn echo(mut socket: FragmentCollector<TokioIo<Upgraded>>) -> Result<(), WebSocketError> {
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

/// What `peers::start` does, for a library whose sockets are neither streams nor sinks.
fn start<R, W>(reader: R, writer: W, service: Service, feed: Feed<Bytes>, ping_interval: Option<Duration>)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (mut reader, mut writer) = after_handshake_split(reader, writer, Role::Server);
    // Both answers are written below: a read that is left pending while something else is written must not write itself.
    reader.set_auto_pong(false);
    reader.set_auto_close(false);
    reader.set_max_message_size(MAX_MESSAGE + 1);
    let mut reader = FragmentCollectorRead::new(reader);
    let mut subscription = (service == Service::Subscribe).then(|| feed.subscribe());
    let mut pings = ping_interval.map(|every| Box::new(ping_timer(every)));
    tokio::spawn(unconstrained(async move {
        // How a connection ends is the client's affair.
        let _ = run(&mut reader, &mut writer, service, &feed, &mut subscription, &mut pings).await;
    }));
}

async fn run<R, W>(
    reader: &mut FragmentCollectorRead<R>,
    writer: &mut WebSocketWrite<W>,
    service: Service,
    feed: &Feed<Bytes>,
    subscription: &mut Option<UnboundedReceiver<Bytes>>,
    pings: &mut Option<Box<Interval>>,
) -> Result<(), WebSocketError>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin,
{
    let mut queued = false;
    loop {
        let mut no_answer = |_: Frame<'_>| -> Ready<Result<(), Infallible>> { ready(Ok(())) };
        let mut reading = pin!(reader.read_frame(&mut no_answer));
        let frame = loop {
            let event = poll_fn(|cx| {
                if let Some(subscription) = subscription {
                    if let Poll::Ready(Some(message)) = subscription.poll_recv(cx) {
                        return Poll::Ready(Event::Published(message));
                    }
                    if queued && let Poll::Ready(flushed) = pin!(writer.flush()).poll(cx) {
                        queued = false;
                        if let Err(error) = flushed {
                            return Poll::Ready(Event::Received(Err(error)));
                        }
                    }
                }
                if let Poll::Ready(frame) = reading.as_mut().poll(cx) {
                    return Poll::Ready(Event::Received(frame));
                }
                if let Some(pings) = pings
                    && pings.poll_tick(cx).is_ready()
                {
                    return Poll::Ready(Event::PingDue);
                }
                if queued && let Poll::Ready(flushed) = pin!(writer.flush()).poll(cx) {
                    queued = false;
                    if let Err(error) = flushed {
                        return Poll::Ready(Event::Received(Err(error)));
                    }
                }
                Poll::Pending
            });
            match event.await {
                Event::Received(frame) => break frame?,
                Event::Published(message) => {
                    writer.write_frame(Frame::text(Payload::Borrowed(&message))).await?;
                    queued = true;
                }
                Event::PingDue => {
                    writer.write_frame(Frame::new(true, OpCode::Ping, None, Payload::Borrowed(b""))).await?;
                    queued = true;
                }
            }
        };
        match (frame.opcode, service) {
            (OpCode::Text | OpCode::Binary, Service::Echo) => {
                writer.write_frame(frame).await?;
                queued = true;
            }
            (OpCode::Text | OpCode::Binary, Service::Publish) if frame.is_utf8() => {
                feed.publish(&Bytes::from(Vec::from(frame.payload)));
            }
            (OpCode::Ping, _) => {
                writer.write_frame(Frame::pong(frame.payload)).await?;
                queued = true;
            }
            (OpCode::Close, _) => {
                writer.write_frame(Frame::close_raw(frame.payload)).await?;
                return writer.flush().await;
            }
            _ => {}
        }
    }
}

enum Event<'f> {
    Received(Result<Frame<'f>, WebSocketError>),
    Published(Bytes),
    PingDue,
}
