//! The model of the topics: the published messages, their positions, and the messages that are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::setup::Setup;
use crate::hub::journal::{JournalEntry, OwnerDecision, SubscribedOffsets};
use crate::hub::{Epoch, Position, PublishError};
use crate::simulation::run::Violation;
use crate::ws::{Message, Opcode};

/// The source of a message. The messages of one source to a topic keep their order. 0 stands for the threads with a publisher, other
/// numbers for clients.
pub(crate) type Source = usize;

/// The possible states of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishState {
    /// The message is on its way, and may be refused or lost with its client.
    Pending,
    /// A queue has accepted the message: it gets a position unless there are too many topics.
    Queued,
    Refused,
    Placed(Position),
}

/// A message that a source has published, or tried to publish.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) subject: usize,
    pub(crate) opcode: Opcode,
    pub(crate) payload: Vec<u8>,
    source: Source,
    pub(crate) state: PublishState,
}

/// A topic from its creation to its removal.
#[derive(Debug)]
pub(crate) struct EpochLog {
    pub(crate) epoch: Epoch,
    /// The numbers of the topic's messages: the first has offset 1.
    pub(crate) messages: Vec<usize>,
    /// The kept messages, each with its offset, its bytes and its time.
    kept: VecDeque<(u64, usize, Duration)>,
}

/// The model's whole state.
#[derive(Debug, Default)]
pub(crate) struct HubModel {
    pub(crate) sent: Vec<Sent>,
    /// The logs of each topic, in the order of their epochs.
    logs: Vec<Vec<EpochLog>>,
    /// The last message of each source that has a position, by topic.
    latest: BTreeMap<(Source, usize), usize>,
    pub(crate) placed: u64,
    /// Messages that a queue has accepted and that have no position yet, and the bytes of their payloads.
    taken: [usize; 2],
}

impl EpochLog {
    pub(crate) const fn offset(&self) -> u64 {
        self.messages.len() as u64
    }
}

impl Sent {
    pub(crate) fn message(&self) -> Message<'_> {
        match std::str::from_utf8(&self.payload) {
            Ok(text) if self.opcode == Opcode::Text => Message::Text(text),
            _ => Message::Binary(&self.payload),
        }
    }
}

impl HubModel {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { logs: setup.subjects.iter().map(|_| Vec::new()).collect(), ..Self::default() }
    }

    /// Makes a new message of `len` bytes and a few more, which begins with its number. Returns the number.
    pub(crate) fn compose(&mut self, subject: usize, len: usize, is_binary: bool, source: Source) -> usize {
        let number = self.sent.len();
        let mut payload = format!("p{number}:").into_bytes();
        // Some payloads shrink by compression, some do not, and JSON makes some six times as long.
        payload.extend((0..len).map(|at| match number % 5 {
            0 | 1 => b'x',
            2 | 3 => b'!' + scramble(number, at) % 90,
            _ => 1,
        }));
        if is_binary {
            payload.push(0xff);
        }
        let opcode = if is_binary { Opcode::Binary } else { Opcode::Text };
        self.sent.push(Sent { subject, opcode, payload, source, state: PublishState::Pending });
        number
    }

    /// Counts a message that a queue may have accepted. Returns an error if the messages without a position exceed the limit of bytes.
    pub(crate) fn note_taken(&mut self, number: usize, setup: &Setup) -> Result<(), Violation> {
        let sent = &self.sent[number];
        if sent.state != PublishState::Queued {
            return Ok(());
        }
        self.taken = [self.taken[0] + 1, self.taken[1] + sent.payload.len()];
        let ([messages, bytes], most) = (self.taken, setup.config.queue_limit);
        if messages <= 1 || bytes <= most {
            return Ok(());
        }
        Err(format!("{messages} messages of {bytes} bytes wait for their places, of at most {most}"))
    }

    /// Returns the number of the message with this payload.
    pub(crate) fn number_of_payload(&self, opcode: Opcode, payload: &[u8]) -> Result<usize, Violation> {
        let number = number_of(payload, b'p')
            .ok_or_else(|| format!("no publication has the payload {}", payload.escape_ascii()))?;
        match self.sent.get(number) {
            Some(sent) if sent.opcode == opcode && sent.payload == payload => Ok(number),
            _ => {
                Err(format!("message {number} came as {opcode:?} {:.80}", payload.escape_ascii().to_string()))
            }
        }
    }

    /// Returns the current log of the topic, or its last one.
    pub(crate) fn current(&self, subject: usize) -> Option<&EpochLog> {
        self.logs[subject].last()
    }

    /// Returns the topic's log of this epoch.
    pub(crate) fn log(&self, subject: usize, epoch: Epoch) -> Option<&EpochLog> {
        self.logs[subject].iter().rev().find(|log| log.epoch == epoch)
    }

    /// Checks a decision of an owner and applies it to the model.
    pub(crate) fn take(&mut self, entry: &JournalEntry, setup: &Setup) -> Result<(), Violation> {
        let subject = setup.subject(&entry.topic).ok_or_else(|| format!("a topic {:?}", entry.topic))?;
        match &entry.decision {
            OwnerDecision::Published { message, result } => {
                let opcode = if message.is_text() { Opcode::Text } else { Opcode::Binary };
                let number = self.number_of_payload(opcode, message.payload())?;
                if self.sent[number].state == PublishState::Queued {
                    self.taken = [self.taken[0] - 1, self.taken[1] - self.sent[number].payload.len()];
                }
                match *result {
                    Ok((position, _)) => self.place(number, subject, position, entry.now, setup),
                    Err(error) => {
                        self.sent[number].state = PublishState::Refused;
                        may_be_refused(error, setup)
                    }
                }
            }
            OwnerDecision::Subscribed { since, result, .. } => match result {
                Ok(subscribed) => self.check_subscribed(subject, *since, subscribed, entry.now, setup),
                Err(error) => may_be_refused(*error, setup),
            },
        }
    }

    fn place(
        &mut self,
        number: usize,
        subject: usize,
        position: Position,
        now: Duration,
        setup: &Setup,
    ) -> Result<(), Violation> {
        self.enter(subject, position.epoch, now, setup)?;
        let sent = &mut self.sent[number];
        let log = self.logs[subject].last_mut().ok_or("a topic without a log")?;
        if sent.subject != subject || !matches!(sent.state, PublishState::Pending | PublishState::Queued) {
            return Err(format!(
                "message {number} of topic {}, {:?}, is published to {subject}",
                sent.subject, sent.state
            ));
        }
        if position.offset != log.offset() + 1 {
            return Err(format!("message {number} is at {position:?}, behind {}", log.offset()));
        }
        let before = self.latest.insert((sent.source, subject), number);
        if before.is_some_and(|before| before > number) {
            return Err(format!("message {number} comes behind {before:?} of the same source"));
        }
        sent.state = PublishState::Placed(position);
        log.messages.push(number);
        self.placed += 1;
        let (rule, bytes) = (setup.subjects[subject].rule.history, sent.payload.len());
        if rule.is_off() || bytes > rule.bytes {
            log.kept.clear();
            return Ok(());
        }
        while log.kept.len() >= rule.messages as usize || log.bytes() + bytes > rule.bytes {
            log.kept.pop_front();
        }
        log.kept.push_back((position.offset, bytes, now));
        Ok(())
    }

    /// Begins a new epoch of the topic unless it has this one.
    fn enter(&mut self, subject: usize, epoch: Epoch, now: Duration, setup: &Setup) -> Result<(), Violation> {
        let rule = setup.subjects[subject].rule.history;
        let logs = &mut self.logs[subject];
        if let Some(last) = logs.last_mut() {
            if last.epoch == epoch {
                return Ok(());
            }
            last.expire(now, rule.age);
            if !last.kept.is_empty() && !setup.has_little_history {
                return Err(format!(
                    "topic {subject} went with {} messages that are to be kept",
                    last.kept.len()
                ));
            }
        }
        if logs.iter().any(|log| log.epoch == epoch) {
            return Err(format!("topic {subject} has the epoch {epoch} again"));
        }
        logs.push(EpochLog { epoch, messages: Vec::new(), kept: VecDeque::new() });
        Ok(())
    }

    fn check_subscribed(
        &mut self,
        subject: usize,
        since: Option<Position>,
        subscribed: &SubscribedOffsets,
        now: Duration,
        setup: &Setup,
    ) -> Result<(), Violation> {
        let epoch = subscribed.from.epoch;
        self.enter(subject, epoch, now, setup)?;
        let log = self.logs[subject].last_mut().ok_or("a topic without a log")?;
        let (latest, from) = (log.offset(), subscribed.from.offset);
        let expected = since.map(|since| {
            log.expire(now, setup.subjects[subject].rule.history.age);
            let seen = (since.epoch == epoch && since.offset <= latest).then_some(since.offset);
            let first = log.kept.front().map_or(latest + 1, |(offset, ..)| *offset);
            let from = seen.unwrap_or(0).max(first - 1);
            (from, seen == Some(from), seen)
        });
        let is_right = subscribed.latest == latest
            && match expected {
                None => {
                    from == latest
                        && subscribed.recovered.is_none()
                        && subscribed.missed.is_empty()
                        && !subscribed.has_more
                }
                // The owner may keep less than the rule says.
                Some((first, _, seen)) if setup.has_little_history => {
                    (first..=latest).contains(&from) && subscribed.recovered == Some(seen == Some(from))
                }
                Some((first, recovered, _)) => from == first && subscribed.recovered == Some(recovered),
            };
        let missed = &subscribed.missed;
        let last = from + missed.len() as u64;
        let is_whole = since.is_none()
            || (missed.iter().copied().eq(from + 1..=last)
                && subscribed.has_more == (last < latest)
                && (last == latest || !missed.is_empty())
                && missed.len() <= setup.config.sizes.recovery_messages);
        if is_right && is_whole {
            return Ok(());
        }
        Err(format!(
            "topic {subject} at {latest}: since {since:?} gave {subscribed:?}, expected {expected:?}"
        ))
    }

    /// Checks that every accepted message has a position.
    pub(crate) fn check_idle(&self) -> Result<(), Violation> {
        match self.sent.iter().position(|sent| sent.state == PublishState::Queued) {
            Some(number) => Err(format!("message {number} was taken and has no place")),
            None => Ok(()),
        }
    }
}

impl EpochLog {
    fn bytes(&self) -> usize {
        self.kept.iter().map(|(_, bytes, _)| bytes).sum()
    }

    fn expire(&mut self, now: Duration, age: Duration) {
        while self.kept.front().is_some_and(|(_, _, time)| now - *time > age) {
            self.kept.pop_front();
        }
    }
}

fn may_be_refused(error: PublishError, setup: &Setup) -> Result<(), Violation> {
    match error {
        PublishError::TooManyTopics if setup.has_few_topics => Ok(()),
        PublishError::TooManyCreated if setup.may_lack_topics() => Ok(()),
        _ => Err(format!("an owner refused: {error}")),
    }
}

/// Returns the number after a letter at the start of a payload.
pub(crate) fn number_of(payload: &[u8], letter: u8) -> Option<usize> {
    let rest = payload.strip_prefix(&[letter])?;
    let end = rest.iter().position(|&byte| byte == b':')?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

#[expect(clippy::cast_possible_truncation, reason = "a few bits of a hash")]
const fn scramble(number: usize, at: usize) -> u8 {
    let mixed =
        (number as u64).wrapping_mul(0x9e37_79b9).wrapping_add(at as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as u8
}
