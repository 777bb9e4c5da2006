//! The requests of a `throng.v1` client, and the answers that it must receive: one for each request.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::model::{HubModel, PublishState, Source};
use super::setup::Setup;
use crate::hub::{Access, Position};
use crate::simulation::choices::Choices;
use crate::simulation::run::Violation;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RequestKind {
    Subscribe(usize, Option<Position>),
    Unsubscribe(usize),
    /// Publishes the message with this number.
    Publish(usize),
    Ping,
    Nonsense,
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Question {
    kind: RequestKind,
    /// The code of the error that the request must receive, if any.
    error: Option<&'static str>,
    /// Whether a later request has cancelled this one, which may then be answered with `cancelled`.
    is_cancelled: bool,
}

/// All requests of a client.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    open: BTreeMap<u64, Question>,
    /// Topics in the URL that the client is not subscribed to yet, and whether it must be.
    by_url: BTreeMap<usize, bool>,
    /// The topics that the client is subscribed to once the server has handled all requests.
    wanted: BTreeSet<usize>,
    /// Topics whose replay may still be in progress.
    replays: BTreeSet<usize>,
    next: u64,
    /// Refused messages that the model has not taken note of.
    pub(crate) refused: Vec<usize>,
}

impl Requests {
    pub(crate) fn new(by_url: &[usize]) -> Self {
        let wanted = by_url.iter().copied().collect();
        Self { wanted, by_url: by_url.iter().map(|&subject| (subject, true)).collect(), ..Self::default() }
    }

    fn ask(&mut self, kind: RequestKind, error: Option<&'static str>) -> Value {
        self.next += 1;
        self.open.insert(self.next, Question { kind, error, is_cancelled: false });
        if self.next.is_multiple_of(3) { json!(self.next.to_string()) } else { json!(self.next) }
    }

    /// Makes a request to subscribe.
    pub(crate) fn subscribe(&mut self, subject: usize, since: Option<Position>, setup: &Setup) -> String {
        let error = if setup.subjects[subject].rule.subscribe == Access::Nobody {
            Some("forbidden")
        } else if self.wanted.contains(&subject) {
            Some("already-subscribed")
        } else if self.wanted.len() >= setup.config.max_subscriptions {
            Some("too-many-subscriptions")
        } else {
            self.wanted.insert(subject);
            None
        };
        let id = self.ask(RequestKind::Subscribe(subject, since), error);
        let topic = &*setup.subjects[subject].name;
        match since {
            None => json!({"type": "subscribe", "topic": topic, "id": id}).to_string(),
            Some(Position { offset, epoch }) => {
                let since = json!({"offset": offset, "epoch": epoch.to_string()});
                json!({"type": "subscribe", "topic": topic, "id": id, "since": since}).to_string()
            }
        }
    }

    /// Makes a request to unsubscribe.
    pub(crate) fn unsubscribe(&mut self, subject: usize, setup: &Setup) -> String {
        let error = if self.wanted.remove(&subject) { None } else { Some("not-subscribed") };
        if error.is_none() || setup.is_unpredictable() {
            self.by_url.entry(subject).and_modify(|must| *must = false);
            let asks = |question: &&mut Question| matches!(question.kind, RequestKind::Subscribe(other, _) if other == subject);
            let open = self
                .open
                .values_mut()
                .filter(asks)
                .filter(|question| question.error.is_none() || setup.is_unpredictable());
            open.for_each(|question| question.is_cancelled = true);
        }
        let id = self.ask(RequestKind::Unsubscribe(subject), error);
        json!({"type": "unsubscribe", "topic": &*setup.subjects[subject].name, "id": id}).to_string()
    }

    /// Makes a request to publish a message.
    pub(crate) fn publish(
        &mut self,
        subject: usize,
        source: Source,
        model: &mut HubModel,
        setup: &Setup,
        choices: &Choices,
    ) -> String {
        let is_forbidden = setup.subjects[subject].rule.publish == Access::Nobody;
        let is_binary = choices.one_in(4);
        let number = model.compose(subject, choices.pick(&[0, 20, 100, 1_000]), is_binary, source);
        if is_forbidden {
            model.sent[number].state = PublishState::Refused;
        }
        let id = self.ask(RequestKind::Publish(number), is_forbidden.then_some("forbidden"));
        let topic = &*setup.subjects[subject].name;
        let payload = &model.sent[number].payload;
        let mut request = json!({"type": "publish", "topic": topic, "id": id});
        if is_binary {
            use base64::Engine;
            request["base64"] = json!(base64::engine::general_purpose::STANDARD.encode(payload));
        } else {
            request["data"] = json!(String::from_utf8_lossy(payload));
        }
        request.to_string()
    }

    /// Makes another request: a ping, or an invalid one.
    pub(crate) fn other(&mut self, choices: &Choices) -> String {
        if choices.one_in(2) {
            let id = self.ask(RequestKind::Ping, None);
            return json!({"type": "ping", "id": id}).to_string();
        }
        let id = self.ask(RequestKind::Nonsense, Some("bad-request"));
        json!({"type": "dance", "id": id}).to_string()
    }

    /// Removes the request that an event answers, and returns it.
    fn close(&mut self, event: &Value) -> Result<Question, Violation> {
        let id = event["id"].as_u64().or_else(|| event["id"].as_str()?.parse().ok());
        id.and_then(|id| self.open.remove(&id)).ok_or_else(|| format!("{event} was not asked for"))
    }

    /// Checks an event that begins a subscription. Returns the position that the client had asked for.
    pub(crate) fn subscribed(
        &mut self,
        event: &Value,
        subject: usize,
    ) -> Result<Option<Position>, Violation> {
        if event["id"].is_null() {
            return if self.by_url.remove(&subject).is_some() {
                Ok(None)
            } else {
                Err(format!("{event} was not asked for"))
            };
        }
        match self.close(event)? {
            Question { kind: RequestKind::Subscribe(other, since), .. } if other == subject => {
                if since.is_some() {
                    self.replays.insert(subject);
                }
                Ok(since)
            }
            other => Err(format!("{event} to {other:?}")),
        }
    }

    /// Returns whether a replay may be in progress, in which gaps are legal.
    pub(crate) fn is_replaying(&self, subject: usize) -> bool {
        self.replays.contains(&subject)
    }

    /// Checks an event that ends a subscription.
    pub(crate) fn answer(&mut self, event: &Value, subject: usize, setup: &Setup) -> Result<(), Violation> {
        let question = self.close(event)?;
        let is_right = question.kind == RequestKind::Unsubscribe(subject);
        self.replays.remove(&subject);
        if is_right && (question.error.is_none() || setup.is_unpredictable()) {
            Ok(())
        } else {
            Err(format!("{event} to {question:?}"))
        }
    }

    /// Checks an event that a message was published.
    pub(crate) fn published(
        &mut self,
        event: &Value,
        subject: usize,
        model: &HubModel,
    ) -> Result<(), Violation> {
        let question = self.close(event)?;
        let RequestKind::Publish(number) = question.kind else {
            return Err(format!("{event} to {question:?}"));
        };
        let sent = &model.sent[number];
        let place = match sent.state {
            PublishState::Placed(position) => position,
            state => return Err(format!("{event}, but message {number} is {state:?}")),
        };
        let is_right = sent.subject == subject
            && event["offset"] == json!(place.offset)
            && event["epoch"] == json!(place.epoch.to_string())
            && event["subscribers"].is_u64();
        if is_right { Ok(()) } else { Err(format!("{event}, but message {number} is at {place:?}")) }
    }

    pub(crate) fn pong(&mut self, event: &Value) -> Result<(), Violation> {
        let question = self.close(event)?;
        if question.kind == RequestKind::Ping { Ok(()) } else { Err(format!("{event} to {question:?}")) }
    }

    /// Checks an error event.
    pub(crate) fn refused(
        &mut self,
        event: &Value,
        subject: Option<usize>,
        setup: &Setup,
    ) -> Result<(), Violation> {
        let code = event["code"].as_str().unwrap_or("");
        if event["id"].is_null() {
            let known = subject.is_some_and(|subject| self.by_url.remove(&subject).is_some());
            let may_be = code == "too-many-topics" && setup.has_few_topics;
            return if known && may_be { Ok(()) } else { Err(format!("{event} was not asked for")) };
        }
        let question = self.close(event)?;
        if let RequestKind::Publish(number) = question.kind {
            self.refused.push(number);
        }
        let is_unpredictable = setup.is_unpredictable();
        let is_right = question.error == Some(code)
            || match question.kind {
                RequestKind::Publish(_) => {
                    question.error.is_none()
                        && (code == "busy" || (code == "too-many-topics" && setup.may_lack_topics()))
                }
                RequestKind::Subscribe(..) if question.is_cancelled && code == "cancelled" => true,
                RequestKind::Subscribe(..) if is_unpredictable && question.error != Some("forbidden") => {
                    matches!(
                        code,
                        "busy" | "too-many-topics" | "already-subscribed" | "too-many-subscriptions"
                    )
                }
                RequestKind::Unsubscribe(_) => is_unpredictable && code == "not-subscribed",
                _ => false,
            };
        if is_right { Ok(()) } else { Err(format!("{event} to {question:?}")) }
    }

    /// Checks that every request has its answer, and that the client is subscribed to the topics that it has asked for.
    pub(crate) fn check_idle(
        &mut self,
        subscriptions: &BTreeSet<usize>,
        setup: &Setup,
    ) -> Result<(), Violation> {
        self.replays.clear();
        if let Some((id, question)) = self.open.first_key_value() {
            return Err(format!("request {id} has no answer: {question:?}"));
        }
        self.by_url.retain(|_, must| *must);
        if let Some((subject, _)) = self.by_url.first_key_value() {
            return Err(format!("topic {subject} of the URL has no answer"));
        }
        if setup.is_unpredictable() {
            self.wanted = subscriptions.clone();
        }
        if self.wanted == *subscriptions {
            Ok(())
        } else {
            Err(format!("subscribed to {subscriptions:?}, not {:?}", self.wanted))
        }
    }
}
