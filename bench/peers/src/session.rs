use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::Feed;

/// What the loop has to know of a library.
pub trait Library {
    type Message: Clone + Send + 'static;
    type Error;
    /// Whether reading sends first what is queued, in a write of its own: then replies wait until nothing more can be read.
    const READING_FLUSHES: bool = false;

    /// Neither a control frame nor something else of the library's own.
    fn is_data(message: &Self::Message) -> bool;
    /// The same payload as a text message, if it is text.
    fn into_text(message: Self::Message) -> Option<Self::Message>;
    fn ping() -> Self::Message;
}

/// What a connection is for, by the path of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Echo,
    Subscribe,
    Publish,
}

impl Service {
    pub fn at(path: &str) -> Service {
        match path {
            "/feed" => Service::Subscribe,
            "/publish" => Service::Publish,
            _ => Service::Echo,
        }
    }
}

/// Most replies that wait for a flush while more can be read.
const BATCH: usize = 64;

/// Serves a connection to its end. Whatever waits, messages read or published, is queued; one flush follows when nothing does.
pub async fn session<L, W>(
    mut socket: W,
    service: Service,
    feed: Feed<L::Message>,
    ping_interval: Option<Duration>,
) -> Result<(), L::Error>
where
    L: Library,
    W: Stream<Item = Result<L::Message, L::Error>> + Sink<L::Message, Error = L::Error> + Unpin,
{
    let mut subscription = (service == Service::Subscribe).then(|| feed.subscribe());
    let mut pings = ping_interval.map(ping_timer);
    let mut queued = false;
    let mut replies = Vec::new();
    loop {
        let event = poll_fn(|cx| match poll_event(&mut socket, &mut subscription, &mut pings, cx) {
            Poll::Pending if queued => Poll::Ready(Event::Drained),
            event => event,
        });
        match if replies.len() < BATCH { event.await } else { Event::Drained } {
            Event::Received(message) => {
                let message = message?;
                if !L::is_data(&message) {
                    continue;
                }
                match service {
                    Service::Echo => {
                        queued = true;
                        if L::READING_FLUSHES {
                            replies.push(message);
                        } else {
                            socket.feed(message).await?;
                        }
                    }
                    Service::Publish => {
                        if let Some(text) = L::into_text(message) {
                            feed.publish(&text);
                        }
                    }
                    Service::Subscribe => {}
                }
            }
            Event::Published(message) => {
                socket.feed(message).await?;
                queued = true;
            }
            Event::PingDue => {
                socket.feed(L::ping()).await?;
                queued = true;
            }
            Event::Drained => {
                // Nothing of it stays with a connection that is idle.
                for reply in std::mem::take(&mut replies) {
                    socket.feed(reply).await?;
                }
                socket.flush().await?;
                queued = false;
            }
            Event::End => return Ok(()),
        }
    }
}

enum Event<M, E> {
    Received(Result<M, E>),
    Published(M),
    PingDue,
    /// Nothing waits, but something is queued.
    Drained,
    End,
}

fn poll_event<W, M, E>(
    socket: &mut W,
    subscription: &mut Option<UnboundedReceiver<M>>,
    pings: &mut Option<Interval>,
    cx: &mut Context<'_>,
) -> Poll<Event<M, E>>
where
    W: Stream<Item = Result<M, E>> + Unpin,
{
    if let Poll::Ready(message) = socket.poll_next_unpin(cx) {
        return Poll::Ready(message.map_or(Event::End, Event::Received));
    }
    if let Some(subscription) = subscription
        && let Poll::Ready(Some(message)) = subscription.poll_recv(cx)
    {
        return Poll::Ready(Event::Published(message));
    }
    if let Some(pings) = pings {
        ready!(pings.poll_tick(cx));
        return Poll::Ready(Event::PingDue);
    }
    Poll::Pending
}

/// Ticks for the first time after one interval.
pub fn ping_timer(every: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + every, every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
