//! The view of a client, checked against the model: it receives each message once and in order, or an explicit gap.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::model::{HubModel, PublishState, number_of};
use super::requests::Requests;
use super::setup::Setup;
use crate::hub::{Epoch, Position};
use crate::simulation::run::Violation;
use crate::worker::SlowPolicy;
use crate::ws::Opcode;

/// A subscription as its client knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    /// The last position that the client has received; `None` for a subscription by URL without a message so far.
    pub(crate) seen: Option<Position>,
}

/// The state of a client, from the messages that it has received.
#[derive(Debug)]
pub(crate) struct ClientView {
    pub(crate) is_v1: bool,
    /// The subscriptions, by the number of the topic.
    pub(crate) subscriptions: BTreeMap<usize, Subscription>,
    pub(crate) requests: Requests,
    /// Announcements that the client must receive; `last_announced` is the last one that it has received.
    pub(crate) due: BTreeSet<usize>,
    last_announced: Option<usize>,
    /// The last position in each topic, with which the client may return.
    pub(crate) positions: BTreeMap<usize, Position>,
    /// Messages of topics and announcements that the client has received.
    pub(crate) received: u64,
    /// The number of skipped offsets.
    pub(crate) skipped: u64,
    /// Whether other offsets may have been skipped as well.
    pub(crate) is_inexact: bool,
    pub(crate) recovered: u64,
    pub(crate) gaps: u64,
    has_welcome: bool,
    /// Whether the client has received the time to reconnect, after which it receives nothing more.
    pub(crate) has_reconnect: bool,
}

impl ClientView {
    /// Makes the view of a client with these topics in its URL.
    pub(crate) fn new(is_v1: bool, asked: &[usize]) -> Self {
        let subscription = |subject: &usize| (*subject, Subscription { seen: None });
        Self {
            is_v1,
            subscriptions: if is_v1 { BTreeMap::new() } else { asked.iter().map(subscription).collect() },
            requests: Requests::new(if is_v1 { asked } else { &[] }),
            due: BTreeSet::new(),
            last_announced: None,
            positions: BTreeMap::new(),
            received: 0,
            skipped: 0,
            is_inexact: false,
            recovered: 0,
            gaps: 0,
            has_welcome: false,
            has_reconnect: false,
        }
    }

    /// Checks a message that the client has received.
    pub(crate) fn receive(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        model: &HubModel,
        setup: &Setup,
    ) -> Result<(), Violation> {
        if self.is_v1 {
            let event: Value = match opcode {
                Opcode::Text => serde_json::from_slice(payload).map_err(|error| error.to_string())?,
                _ => return Err(format!("throng.v1 in a message of {opcode:?}")),
            };
            return self.receive_v1(&event, model, setup);
        }
        if number_of(payload, b'b').is_some() {
            return self.receive_announcement(opcode, payload);
        }
        let number = model.number_of_payload(opcode, payload)?;
        let sent = &model.sent[number];
        let PublishState::Placed(position) = sent.state else {
            return Err(format!("message {number} has no place"));
        };
        self.advance(sent.subject, position, setup)
    }

    fn receive_v1(&mut self, event: &Value, model: &HubModel, setup: &Setup) -> Result<(), Violation> {
        let subject = event["topic"].as_str().and_then(|name| setup.subject(name));
        let is_welcome =
            *event == json!({"type": "welcome", "max_message": setup.limits.decoder.max_message});
        if std::mem::replace(&mut self.has_welcome, true) == is_welcome || self.has_reconnect {
            return Err(format!("{event} where a welcome, or nothing, was to come"));
        }
        if is_welcome {
            return Ok(());
        }
        let within = u64::try_from(setup.config.reconnect_within.as_millis()).unwrap_or(u64::MAX);
        self.has_reconnect = *event == json!({"type": "reconnect", "within": within});
        if self.has_reconnect {
            return Ok(());
        }
        match (event["type"].as_str().unwrap_or(""), subject) {
            ("message", Some(subject)) => {
                let offset = event["offset"].as_u64().ok_or("a message without an offset")?;
                let seen = self.subscriptions.get(&subject).and_then(|subscription| subscription.seen);
                let seen = seen.ok_or_else(|| format!("{event} without a subscription"))?;
                let (opcode, payload) = payload_of(event)?;
                let number = model.number_of_payload(opcode, &payload)?;
                let log = model.log(subject, seen.epoch);
                if log.and_then(|log| log.messages.get(usize::try_from(offset).ok()? - 1)) != Some(&number) {
                    return Err(format!("{offset} of topic {subject} is not message {number}"));
                }
                self.advance(subject, Position { offset, epoch: seen.epoch }, setup)
            }
            ("broadcast", None) => {
                let (opcode, payload) = payload_of(event)?;
                self.receive_announcement(opcode, &payload)
            }
            ("subscribed", Some(subject)) => self.receive_subscribed(subject, event, model),
            ("unsubscribed", Some(subject)) => {
                self.requests.answer(event, subject, setup)?;
                // The subscription may not have begun. The client cannot know of messages dropped at its end.
                self.subscriptions.remove(&subject);
                self.is_inexact |= setup.subjects[subject].rule.slow != SlowPolicy::Close;
                Ok(())
            }
            ("published", Some(subject)) => self.requests.published(event, subject, model),
            ("error", _) => self.requests.refused(event, subject, setup),
            ("pong", None) => self.requests.pong(event),
            _ => Err(format!("{event}")),
        }
    }

    /// Moves a subscription on to the position of a received message.
    fn advance(&mut self, subject: usize, position: Position, setup: &Setup) -> Result<(), Violation> {
        let subscription = self.subscriptions.get_mut(&subject).ok_or("a message without a subscription")?;
        let policy = setup.subjects[subject].rule.slow;
        if let Some(seen) = subscription.seen.replace(position) {
            let expected = seen.offset + 1;
            let is_next =
                position.offset == expected || (position.offset > expected && policy != SlowPolicy::Close);
            if !is_next || seen.epoch != position.epoch {
                return Err(format!("topic {subject}: {position:?} behind {seen:?} under {policy:?}"));
            }
            self.skipped += position.offset - expected;
        }
        self.positions.insert(subject, position);
        self.received += 1;
        Ok(())
    }

    fn receive_subscribed(
        &mut self,
        subject: usize,
        event: &Value,
        model: &HubModel,
    ) -> Result<(), Violation> {
        let epoch: Option<Epoch> = event["epoch"].as_str().and_then(|epoch| epoch.parse().ok());
        let (Some(epoch), Some(offset)) = (epoch, event["offset"].as_u64()) else {
            return Err(format!("{event} without a position"));
        };
        let (from, recovered) = (Position { offset, epoch }, event["recovered"].as_bool());
        if model.log(subject, epoch).is_none_or(|log| log.offset() < offset) {
            return Err(format!("{event} of a future"));
        }
        if let Some(before) = self.subscriptions.insert(subject, Subscription { seen: Some(from) }) {
            // The replay has met a gap.
            let seen = before.seen.filter(|seen| seen.epoch == epoch);
            let is_gap = recovered == Some(false) && self.requests.is_replaying(subject);
            if !is_gap || seen.is_none_or(|seen| seen.offset >= offset) {
                return Err(format!("{event} again"));
            }
        } else {
            let since = self.requests.subscribed(event, subject)?;
            let is_right = match (since, recovered) {
                (None, None) => true,
                (Some(since), Some(true)) => since == from,
                // The position asked for has another epoch, is too old, or does not exist.
                (Some(since), Some(false)) => since.epoch != epoch || since.offset != offset,
                _ => false,
            };
            if !is_right {
                return Err(format!("{event} to since {since:?}"));
            }
        }
        self.recovered += u64::from(recovered == Some(true));
        self.gaps += u64::from(recovered == Some(false));
        self.positions.insert(subject, from);
        Ok(())
    }

    fn receive_announcement(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), Violation> {
        let number = number_of(payload, b'b').ok_or("an announcement without a number")?;
        if opcode != Opcode::Text || announcement(number).as_bytes() != payload {
            return Err(format!(
                "announcement {number} came as {opcode:?} {:?}",
                payload.escape_ascii().to_string()
            ));
        }
        if self.last_announced.replace(number).is_some_and(|last| last >= number) {
            return Err(format!("announcement {number} again, or too late"));
        }
        self.due.remove(&number);
        self.received += 1;
        Ok(())
    }

    /// Checks that the client has received everything that is due.
    pub(crate) fn check_idle(&mut self, model: &HubModel, setup: &Setup) -> Result<(), Violation> {
        if self.is_v1 {
            self.requests.check_idle(&self.subscriptions.keys().copied().collect(), setup)?;
        }
        if let Some(number) = self.due.first() {
            return Err(format!("announcement {number} has not come"));
        }
        for (&subject, subscription) in &mut self.subscriptions {
            let log = model.current(subject).ok_or_else(|| format!("topic {subject} is nowhere"))?;
            let now = Position { offset: log.offset(), epoch: log.epoch };
            let Some(seen) = subscription.seen.replace(now) else { continue };
            let is_whole = seen == now || setup.subjects[subject].rule.slow != SlowPolicy::Close;
            if !is_whole || seen.epoch != now.epoch {
                return Err(format!("topic {subject} has come to {seen:?} of {now:?}"));
            }
            self.skipped += now.offset - seen.offset;
            self.positions.insert(subject, now);
        }
        Ok(())
    }

    /// Returns the part of the view that a client keeps when it reconnects.
    pub(crate) fn trace(&self) -> Self {
        let positions = self.positions.clone();
        Self { positions, subscriptions: self.subscriptions.clone(), ..Self::new(self.is_v1, &[]) }
    }
}

/// Returns the text of an announcement.
pub(crate) fn announcement(number: usize) -> String {
    format!("b{number}:{}", "z".repeat(number % 300))
}

/// Returns the payload of a `throng.v1` event.
fn payload_of(event: &Value) -> Result<(Opcode, Vec<u8>), Violation> {
    use base64::Engine;
    match (event["data"].as_str(), event["base64"].as_str()) {
        (Some(text), None) => Ok((Opcode::Text, text.into())),
        (None, Some(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
            Ok((Opcode::Binary, bytes.map_err(|error| error.to_string())?))
        }
        _ => Err(format!("{event} without a payload")),
    }
}
