//! One worker's hub: a handler whose connections are subscribers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::announcing::Announcing;
use super::asking::Asking;
use super::dialect::{Dialect, Told, v1};
use super::exchange::{Ends, Exchange};
use super::faults::Faults;
use super::home::Home;
use super::indices::TopicIndex;
use super::mail::{Delivery, Request};
use super::name::Name;
use super::posts::Posts;
use super::question::Questions;
use super::replays::Replays;
use super::responder::Responder;
use super::roster::Roster;
use super::seat::Seat;
use super::telling::tell;
use super::url::topics_of;
use crate::budget::WORK_OF_REQUEST;
use crate::http::{Refusal, Request as HttpRequest, Status};
use crate::worker::{Accept, Closed, Conn, ConnId, Connections, Context, Handler, Turn};
use crate::ws::{CloseCode, Message};

/// When what a full queue did not take is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// The handler of a [`Hub`](super::Hub)'s worker.
pub struct HubHandler {
    pub(super) exchange: Arc<Exchange>,
    pub(super) ends: Ends,
    questions: Questions,
    pub(super) posts: Posts,
    /// Apart, since a worker moves its handler out of the way and back for each turn.
    pub(super) home: Box<Home>,
    pub(super) roster: Roster,
    /// Topics with something to do here.
    pub(super) active: VecDeque<TopicIndex>,
    /// Topics that clients have left who are gone, as often as that was.
    pub(super) left: VecDeque<TopicIndex>,
    /// Messages whose rounds have not come to their end.
    pub(super) waiting: usize,
    pub(super) replays: Replays,
    pub(super) announcing: Announcing,
    pub(super) connections: u64,
    pub(super) faults: Faults,
    pub(super) asking: Asking,
    /// Most bytes of a payload.
    pub(super) max_message: usize,
    /// What the connection that is being upgraded has asked for in its URL.
    asked: Vec<Name>,
}

impl HubHandler {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        ends: Ends,
        questions: Questions,
        context: &Context<'_>,
    ) -> Self {
        Self {
            posts: Posts::new(Arc::clone(&exchange), context.handle().workers()),
            home: Box::new(Home::new(Arc::clone(&exchange), &ends)),
            exchange,
            ends,
            questions,
            roster: Roster::default(),
            active: VecDeque::new(),
            left: VecDeque::new(),
            waiting: 0,
            replays: Replays::default(),
            announcing: Announcing::default(),
            connections: 0,
            faults: Faults::default(),
            asking: Asking::default(),
            max_message: context.max_message(),
            asked: Vec::new(),
        }
    }

    /// Takes in what has come from topics' homes.
    fn take_deliveries(&mut self, connections: &mut Connections<'_, Seat>) -> bool {
        let mut budget = self.exchange.config.sizes.pushes_per_turn;
        for _ in 0..self.exchange.config.sizes.mails_per_turn {
            if self.waiting >= self.exchange.config.sizes.waiting || budget == 0 {
                return true;
            }
            match self.ends.next_delivery() {
                None => return false,
                Some(Delivery::Item(item)) => {
                    // Between large messages sockets have their turn, in which their readers may make room.
                    budget = budget.saturating_sub(self.take_item(item, connections));
                }
                Some(Delivery::Joined(joined)) => {
                    budget = budget.saturating_sub(self.take_joined(joined, connections));
                }
                Some(Delivery::Published(note)) => self.tell_published(&note, connections),
            }
        }
        true
    }

    /// Takes in what is asked of the topics at home here: the operator's first, which goes on where what comes of it has to wait.
    fn take_requests(&mut self, now: Duration) -> bool {
        let sizes = self.exchange.config.sizes;
        let most = sizes.mails_per_turn;
        if self.posts.held_deliveries() > 0 {
            // One of clients' as well, so that those come to their turn however much the operator's is.
            let more = self.take_some(Ends::next_request, 1, sizes.queue, now);
            return self.take_some(Ends::next_published, most, sizes.queue, now) || more;
        }
        let more = self.take_some(Ends::next_published, most, sizes.queue, now);
        self.take_some(Ends::next_request, most, 1, now) || more
    }

    /// Takes so many requests, fewer where what is asked for takes long, while fewer than `held` deliveries are held back; `true` where
    /// there may be more.
    fn take_some(
        &mut self,
        next: impl Fn(&Ends) -> Option<Box<Request>>,
        most: usize,
        held: usize,
        now: Duration,
    ) -> bool {
        let mut budget = self.exchange.config.sizes.pushes_per_turn;
        for _ in 0..most {
            if self.posts.held_deliveries() >= held || budget == 0 {
                return true;
            }
            let Some(request) = next(&self.ends) else { return false };
            budget = budget.saturating_sub(self.take_request(*request, now));
        }
        true
    }

    /// Returns what it took beside what every request takes, in small messages.
    fn take_request(&mut self, request: Request, now: Duration) -> usize {
        match request {
            Request::Publish { topic, hash, message, freight, asker } => {
                self.home.publish(topic, hash, message, freight, asker, now, &mut self.posts);
            }
            Request::Join(join) => return self.home.join(join, now, &mut self.posts),
            Request::Count { worker, topic, hash, count } => self.home.count(worker, &topic, hash, count),
            Request::Leave { worker, topic, hash } => self.home.leave(worker, &topic, hash, now),
        }
        0
    }

    /// Answers questions of other threads; `true` where there may be more.
    fn answer_questions(&mut self, connections: &Connections<'_, Seat>) -> bool {
        for _ in 0..self.exchange.config.sizes.mails_per_turn {
            let Ok(question) = self.questions.try_recv() else { return false };
            question.answer(&mut Responder {
                connections,
                open: self.connections,
                home: &mut self.home,
                announcing: &mut self.announcing,
            });
        }
        true
    }

    /// Tells the homes how many subscribers there are where that has changed.
    fn report_changes(&mut self) {
        // As long as a home's queue has no room, later changes take the place of earlier ones.
        while self.posts.held_requests() < self.exchange.config.sizes.queue
            && let Some((topic, count)) = self.roster.take_change()
        {
            let hash = self.exchange.hash(&topic);
            let worker = self.ends.worker;
            self.posts.request(hash, Request::Count { worker, topic, hash, count });
        }
    }

    /// Forgets a topic that nobody here wants any more, and tells its home.
    pub(super) fn tidy(&mut self, topic: TopicIndex) {
        let Self { roster, exchange, .. } = self;
        if let Some((topic, hash, waiting)) = roster.tidy(topic, |name| exchange.hash(name)) {
            self.waiting -= waiting;
            let worker = self.ends.worker;
            self.posts.request(hash, Request::Leave { worker, topic, hash });
        }
    }

    fn count(&self) {
        let counters = &self.ends.counters;
        counters.local_topics.set(self.roster.topics() as u64);
        counters.subscriptions.set(self.roster.subscriptions());
        counters.waiting.set(self.waiting as u64);
    }
}

impl Handler for HubHandler {
    type Data = Seat;

    const ENVELOPES: bool = true;

    fn upgrade(&mut self, request: &HttpRequest<'_>) -> Result<Accept<Seat>, Refusal> {
        let config = &self.exchange.config;
        let dialect = Dialect::of_request(request);
        let (path, query) = (request.path(), request.query());
        self.asked = topics_of(path, query, &config.topics_path, dialect, config.max_subscriptions)?;
        let may_subscribe = |topic: &Name| config.rules.of(topic).subscribe.allows_clients();
        if !self.asked.iter().all(may_subscribe) {
            return Err(Refusal::new(Status::FORBIDDEN, "no client may subscribe to this topic"));
        }
        if !dialect.has_requests() && self.asked.is_empty() {
            let detail = "name a topic, as in /?topic=NAME, or speak the subprotocol throng.v1";
            return Err(Refusal::new(Status::BAD_REQUEST, detail));
        }
        // Who asks for nothing yet adds nothing to it.
        if !self.asked.is_empty() && self.posts.held_requests() >= config.sizes.held {
            return Err(Refusal::new(Status::SERVICE_UNAVAILABLE, "too much is asked for at the moment"));
        }
        let accept = Accept::new(Seat::new(dialect));
        Ok(match dialect.subprotocol() {
            Some(name) => accept.subprotocol(name).enveloped(),
            None => accept,
        })
    }

    fn open(&mut self, conn: &mut Conn<'_, Seat>, _: &HttpRequest<'_>) {
        self.connections += 1;
        tell(conn, &Told::Welcome { max_message: self.max_message });
        let asked = std::mem::take(&mut self.asked);
        // Each is what a request of its own would be.
        conn.charge(WORK_OF_REQUEST * asked.len());
        for topic in asked {
            self.subscribe(conn, topic, None, v1::Id::NONE);
        }
    }

    fn message(&mut self, conn: &mut Conn<'_, Seat>, message: Message<'_>) {
        match message {
            Message::Text(text) if conn.data().dialect() == Dialect::ThrongV1 => self.take_v1(conn, text),
            Message::Binary(_) if conn.data().dialect() == Dialect::ThrongV1 => {
                conn.close(CloseCode::UNSUPPORTED_DATA, "throng.v1 is spoken in text messages");
            }
            // Some clients keep their connections alive with empty messages.
            empty if empty.as_bytes().is_empty() => {}
            _ => conn.close(
                CloseCode::POLICY_VIOLATION,
                "this connection is for listening: speak throng.v1 to say something",
            ),
        }
    }

    fn farewell(&mut self, conn: &mut Conn<'_, Seat>) {
        let told = Told::Reconnect { within: self.exchange.config.reconnect_within };
        if let Some(text) = conn.data().dialect().say(&told) {
            // Who has no room for it reads too slowly to be told when to come back, and takes its own time.
            let _ = conn.send(Message::Text(&text));
        }
    }

    fn close(&mut self, id: ConnId, seat: Seat, _: Closed<'_>) {
        self.connections -= 1;
        self.faults.forgive(id.index());
        self.leave_all(seat);
    }

    fn turn(&mut self, connections: &mut Connections<'_, Seat>) -> Turn {
        let now = connections.now();
        self.home.limit_replays(connections.outbox_limit());
        self.posts.retry();
        let mut more = self.take_deliveries(connections);
        more |= self.take_requests(now);
        more |= self.answer_questions(connections);
        self.posts.wake();
        more |= self.home.go_on_listing();
        let mut budget = self.exchange.config.sizes.pushes_per_turn;
        // What is for everybody has a share of its own, so that topics in constant use do not hold it up.
        let mut share = budget.div_ceil(4);
        budget -= share;
        self.announcing.go_on(connections, &mut share, &self.ends.counters);
        budget += share;
        self.fan_out(connections, &mut budget);
        self.announcing.go_on(connections, &mut budget, &self.ends.counters);
        let replaying = self.go_on_replaying(connections);
        self.go_on_leaving();
        self.report_changes();
        self.home.sweep(now);
        self.count();
        let held = self.posts.held_requests() + self.posts.held_deliveries() > 0;
        more |= !self.left.is_empty();
        if !self.active.is_empty() || !self.announcing.is_empty() || (more && !held) {
            return Turn::Again;
        }
        let waits = [held.then_some(RETRY), replaying, self.home.keeping.step()];
        waits.into_iter().flatten().min().map_or(Turn::Idle, Turn::Within)
    }
}

impl fmt::Debug for HubHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubHandler").field("connections", &self.connections).finish_non_exhaustive()
    }
}
