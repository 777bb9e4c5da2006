use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::unconstrained;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::Feed;

/// What the loop has to know of a library.
pub trait Library {
    type Message: Clone + Send + Sync + 'static;
    type Error: Send;
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

/// Most replies that wait while more can be read, where reading flushes.
const BATCH: usize = 64;

/// Serves a connection to its end, in a task of its own: the one of its handshake is larger. Whatever waits, messages read or
/// published, is queued; one flush follows when nothing does.
pub fn start<L, W>(socket: W, service: Service, feed: Feed<L::Message>, ping_interval: Option<Duration>)
where
    L: Library + 'static,
    W: Stream<Item = Result<L::Message, L::Error>>
        + Sink<L::Message, Error = L::Error>
        + Unpin
        + Send
        + 'static,
{
    let mut session = Session::<L, W> {
        socket,
        subscription: (service == Service::Subscribe).then(|| feed.subscribe()),
        pings: ping_interval.map(|every| Box::new(ping_timer(every))),
        replies: VecDeque::new(),
        queued: false,
    };
    tokio::spawn(unconstrained(async move {
        // How a connection ends is the client's affair.
        let _ = session.run(service, &feed).await;
    }));
}

struct Session<L: Library, W> {
    socket: W,
    subscription: Option<UnboundedReceiver<L::Message>>,
    pings: Option<Box<Interval>>,
    /// Where reading flushes, what is not with the library yet.
    replies: VecDeque<L::Message>,
    /// Something waits for a flush.
    queued: bool,
}

enum Event<M> {
    Received(M),
    Published(M),
    PingDue,
    End,
}

impl<L, W> Session<L, W>
where
    L: Library,
    W: Stream<Item = Result<L::Message, L::Error>> + Sink<L::Message, Error = L::Error> + Unpin,
{
    async fn run(&mut self, service: Service, feed: &Feed<L::Message>) -> Result<(), L::Error> {
        loop {
            match poll_fn(|cx| self.poll_event(cx)).await? {
                Event::Received(message) if !L::is_data(&message) => {}
                Event::Received(message) => match service {
                    Service::Echo => self.reply(message).await?,
                    Service::Publish => L::into_text(message).iter().for_each(|text| feed.publish(text)),
                    Service::Subscribe => {}
                },
                Event::Published(message) => self.queue(message).await?,
                Event::PingDue => self.queue(L::ping()).await?,
                Event::End => return Ok(()),
            }
        }
    }

    async fn reply(&mut self, message: L::Message) -> Result<(), L::Error> {
        if !L::READING_FLUSHES {
            return self.queue(message).await;
        }
        self.queued = true;
        self.replies.push_back(message);
        if self.replies.len() == BATCH { poll_fn(|cx| self.poll_flush(cx)).await } else { Ok(()) }
    }

    async fn queue(&mut self, message: L::Message) -> Result<(), L::Error> {
        self.queued = true;
        self.socket.feed(message).await
    }

    /// What is next. The socket is polled once before the task waits, not again after a flush: for some libraries a read that
    /// finds nothing is dear.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event<L::Message>, L::Error>> {
        if let Some(subscription) = &mut self.subscription {
            if let Poll::Ready(Some(message)) = subscription.poll_recv(cx) {
                return Poll::Ready(Ok(Event::Published(message)));
            }
            if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
        }
        if let Poll::Ready(message) = self.socket.poll_next_unpin(cx) {
            return Poll::Ready(message.map_or(Ok(Event::End), |message| message.map(Event::Received)));
        }
        if let Some(pings) = &mut self.pings
            && pings.poll_tick(cx).is_ready()
        {
            return Poll::Ready(Ok(Event::PingDue));
        }
        ready!(self.poll_flush(cx))?;
        Poll::Pending
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), L::Error>> {
        if self.queued {
            while !self.replies.is_empty() {
                ready!(self.socket.poll_ready_unpin(cx))?;
                if let Some(reply) = self.replies.pop_front() {
                    self.socket.start_send_unpin(reply)?;
                }
            }
            ready!(self.socket.poll_flush_unpin(cx))?;
            // Nothing stays with a connection that is idle.
            self.replies = VecDeque::new();
            self.queued = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// Ticks for the first time after one interval.
pub fn ping_timer(every: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + every, every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
