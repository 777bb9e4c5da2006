//! What clients ask for, in their URLs and in `throng.v1`.

use super::dialect::Told;
use super::dialect::v1::{self, Bad, Code, Id, Incoming};
use super::hub::HubHandler;
use super::mail::{Asker, Join, Joiner, Request};
use super::name::{MAX_TOPIC, Name, check_name};
use super::outcome::PublishError;
use super::position::Position;
use super::roster::Begun;
use super::seat::Seat;
use super::telling::tell;
use crate::budget::{WORK_OF_REQUEST, WORK_PER_PARSED};
use crate::worker::{Conn, ConnId, PreparedMessage};
use crate::ws::{CloseCode, Message};

impl HubHandler {
    /// Begins a subscription, about which the client is told.
    pub(super) fn subscribe(
        &mut self,
        conn: &mut Conn<'_, Seat>,
        topic: Name,
        since: Option<Position>,
        id: Id,
    ) {
        let hash = self.exchange.hash(&topic);
        // Where all answers to a URL with many topics do not fit at once, the home gives them one by one.
        let is_crowded = conn.data().dialect().has_requests() && conn.buffered() > conn.outbox_limit() / 2;
        let from_home = since.is_some() || is_crowded;
        let (begun, topic) =
            self.roster.begin(topic, hash, conn.id().index(), conn.data_mut(), from_home, self.exchange.run);
        match begun {
            Begun::At(position) => {
                tell(conn, &Told::Subscribed { topic: &topic, from: position, recovered: None, id: &id });
            }
            Begun::Asked(join_id) => {
                self.asking.add(conn.id());
                let who = Joiner { conn: conn.id(), join: join_id, id };
                let join = Join { topic, hash, who, since, goes_on: false };
                self.posts.request(hash, Request::Join(join));
            }
        }
    }

    /// Does what a message of `throng.v1` says.
    pub(super) fn take_v1(&mut self, conn: &mut Conn<'_, Seat>, text: &str) {
        conn.charge(WORK_OF_REQUEST + WORK_PER_PARSED * text.len());
        let index = conn.id().index();
        let request = match v1::parse(text) {
            Ok(request) => request,
            Err(Bad { id, why }) => {
                self.ends.counters.bad_requests.add(1);
                tell(conn, &Told::Refused { code: Code::BadRequest, why: &why, topic: None, id: &id });
                if self.faults.add(index) {
                    conn.close(CloseCode::POLICY_VIOLATION, "too many messages in a row are no requests");
                }
                return;
            }
        };
        self.faults.forgive(index);
        match request {
            (id, Incoming::Ping) => tell(conn, &Told::Pong { id: &id }),
            (id, Incoming::Subscribe { topic, since }) => {
                match self.may_subscribe(conn.id(), *conn.data(), &topic) {
                    Ok(()) => self.subscribe(conn, topic.into(), since, id),
                    Err((code, why)) => {
                        tell(conn, &Told::Refused { code, why, topic: named(&topic), id: &id })
                    }
                }
            }
            (id, Incoming::Unsubscribe { topic }) => self.unsubscribe(conn, &topic, &id),
            (id, Incoming::Publish { topic, data }) => {
                if let Err((code, why)) = self.publish(conn, &topic, data.as_message(), id.clone()) {
                    tell(conn, &Told::Refused { code, why, topic: named(&topic), id: &id });
                }
            }
        }
    }

    fn may_subscribe(&self, client: ConnId, seat: Seat, topic: &str) -> Result<(), (Code, &'static str)> {
        check_name(topic).map_err(|error| (Code::BadTopic, error.describe()))?;
        let config = &self.exchange.config;
        if !config.rules.of(topic).subscribe.allows_clients() {
            return Err((Code::Forbidden, "no client may subscribe to this topic"));
        }
        let found = self.roster.find(topic, self.exchange.hash(topic));
        if found.is_some_and(|at| self.roster.sub(seat, at).is_some()) {
            return Err((Code::AlreadySubscribed, "there is a subscription to this topic"));
        }
        if self.roster.count(seat) >= config.max_subscriptions {
            self.ends.counters.refused_at_limit.add(1);
            return Err((Code::TooManySubscriptions, "a client may have no more subscriptions"));
        }
        if !self.asking.may_ask(client, config.max_subscriptions.max(config.sizes.asked)) {
            let why =
                "too many of this client's subscriptions are being begun: wait for answers, and try again";
            return Err((Code::Busy, why));
        }
        // The other half is for those who connect with topics in their URLs, who cannot be told to try again on the same connection.
        if self.posts.held_requests() >= config.sizes.held.div_ceil(2) {
            return Err((Code::Busy, "too much is asked for at the moment: try again later"));
        }
        Ok(())
    }

    fn unsubscribe(&mut self, conn: &mut Conn<'_, Seat>, topic: &str, id: &Id) {
        let found = self.roster.find(topic, self.exchange.hash(topic));
        let sub = found.and_then(|at| self.roster.sub(*conn.data(), at));
        let Some(sub) = sub else {
            let why = "there is no subscription to this topic";
            return tell(conn, &Told::Refused { code: Code::NotSubscribed, why, topic: named(topic), id });
        };
        self.leave(conn.data_mut(), sub);
        tell(conn, &Told::Unsubscribed { topic, id });
    }

    fn publish(
        &mut self,
        conn: &Conn<'_, Seat>,
        topic: &str,
        message: Message<'_>,
        id: Id,
    ) -> Result<(), (Code, &'static str)> {
        check_name(topic).map_err(|error| (Code::BadTopic, error.describe()))?;
        let counters = &self.ends.counters;
        if !self.exchange.config.rules.of(topic).publish.allows_clients() {
            counters.publish_forbidden.add(1);
            return Err((Code::Forbidden, "no client may publish to this topic"));
        }
        if message.as_bytes().len() > self.max_message {
            return Err((Code::TooLarge, "the payload is longer than the server's max-message"));
        }
        let (message, asker) = (PreparedMessage::new(message), Asker::Client(conn.id(), id));
        let home = self.exchange.publish(topic, message, asker).map_err(|_| {
            counters.publish_busy.add(1);
            (Code::Busy, "more is published than goes out: try again later")
        })?;
        self.exchange.wake(home);
        Ok(())
    }
}

/// What an error about a topic calls it: what is too long for any says the client's own words back.
fn named(topic: &str) -> Option<&str> {
    Some(topic).filter(|topic| topic.len() <= MAX_TOPIC)
}

impl Code {
    pub(super) const fn of(error: PublishError) -> Self {
        match error {
            PublishError::Name(_) => Self::BadTopic,
            PublishError::TooLarge => Self::TooLarge,
            PublishError::TooManyTopics | PublishError::TooManyFounded => Self::TooManyTopics,
            PublishError::Busy | PublishError::NotRunning => Self::Busy,
        }
    }
}
