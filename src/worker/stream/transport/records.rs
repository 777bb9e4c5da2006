//! A transport of records, for tests. It does what TLS will do, without the cryptography.
//!
//! The client begins with [`HELLO`], and the server answers with [`WELCOME`]. From then on each side sends records: the length of the
//! payload in two bytes, and the payload, each byte of which is changed by the number of the record. An empty record ends the stream. The
//! length [`ALERT`] is sent to a peer that has broken these rules.

use std::collections::HashMap;
use std::io::{self, IoSlice};

use super::interface::{ReadState, Received, Sent, Transport, TransportContext};
use crate::base::pool::Pool;
use crate::worker::os::Os;
use crate::worker::table::ConnIndex;
use crate::ws::Buffers;

/// The first byte that a client sends.
pub(in crate::worker) const HELLO: u8 = 0x16;
/// The server's answer to [`HELLO`].
pub(in crate::worker) const WELCOME: u8 = 0x61;
/// The longest payload of a record.
pub(in crate::worker) const MAX_PAYLOAD: usize = 300;
/// An alert: a length that no record has. Its sender has found that the peer broke the rules.
pub(in crate::worker) const ALERT: [u8; 2] = [0xff; 2];
/// The work of encoding or decoding a record.
pub(in crate::worker) const WORK_OF_RECORD: usize = 10_000;
/// Bytes of a record before its payload.
const HEADER: usize = 2;
/// Most bytes received by one system call.
const MAX_RECEIVED: usize = 512;
/// Most bytes of the stream handed out at a time, so that some are kept for the next call.
const MAX_HANDED_OUT: usize = 100;

/// The state of each connection, by its index.
#[derive(Debug, Default)]
pub(in crate::worker) struct Records {
    states: HashMap<ConnIndex, RecordState>,
}

#[derive(Debug, Default)]
struct RecordState {
    phase: Phase,
    /// Numbers of the next records in each direction.
    next_received: u8,
    next_sent: u8,
    /// The received bytes of an incomplete record.
    partial: Vec<u8>,
    /// Bytes of the stream that were received and not handed out.
    decoded: Vec<u8>,
    /// Bytes to be sent.
    out: Vec<u8>,
    /// The work that was done and not charged.
    work: usize,
    is_drained: bool,
    has_sent_end: bool,
    has_reported_failure: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Handshake,
    Open,
    Ended,
    Failed,
}

/// Scrambles the payload of the record with this number, or restores it.
pub(in crate::worker) fn scramble(payload: &mut [u8], number: u8) {
    payload.iter_mut().for_each(|byte| *byte ^= 0x55 ^ number);
}

/// Appends a record to `out`.
pub(in crate::worker) fn encode_record(out: &mut Vec<u8>, payload: &[u8], number: u8) {
    out.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    let start = out.len();
    out.extend_from_slice(payload);
    scramble(&mut out[start..], number);
}

impl RecordState {
    /// Decodes complete records in the received bytes.
    fn decode_records(&mut self) {
        let mut at = 0;
        loop {
            let rest = &self.partial[at..];
            match (self.phase, rest) {
                (Phase::Handshake, [HELLO, ..]) => {
                    self.out.push(WELCOME);
                    self.phase = Phase::Open;
                    at += 1;
                }
                (Phase::Handshake, [_, ..]) => self.fail(),
                (Phase::Open, [high, low, payload @ ..]) => {
                    let len = usize::from(u16::from_be_bytes([*high, *low]));
                    if len > MAX_PAYLOAD {
                        self.fail();
                    } else if len == 0 {
                        self.phase = Phase::Ended;
                    } else if len <= payload.len() {
                        let start = self.decoded.len();
                        self.decoded.extend_from_slice(&payload[..len]);
                        scramble(&mut self.decoded[start..], self.next_received);
                        self.next_received = self.next_received.wrapping_add(1);
                        self.work += WORK_OF_RECORD;
                        at += HEADER + len;
                    } else {
                        break;
                    }
                }
                (Phase::Ended | Phase::Failed, _) => at = self.partial.len(),
                (Phase::Handshake | Phase::Open, _) => break,
            }
            if at == self.partial.len() {
                break;
            }
        }
        self.partial.drain(..at);
    }

    fn fail(&mut self) {
        self.phase = Phase::Failed;
        self.out.extend_from_slice(&ALERT);
    }

    /// Handles received bytes.
    fn handle<O: Os>(&mut self, cx: &mut TransportContext<'_, O>, received: &[u8]) -> io::Result<()> {
        if !cx.pool.reserve(&mut self.partial, received.len()) || !cx.pool.reserve(&mut self.out, HEADER) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.partial.extend_from_slice(received);
        self.decode_records();
        if self.partial.is_empty() {
            give_back(&mut self.partial, cx.pool);
        }
        self.flush(cx).map(|_| ())
    }

    /// Hands out some bytes of the stream.
    fn hand_out(&mut self, message: Option<(&mut Vec<u8>, usize)>, buffer: &mut [u8]) -> Received {
        let len = self.decoded.len().min(MAX_HANDED_OUT).min(buffer.len());
        let mut appended = 0;
        if let Some((message, most)) = message {
            appended = len.min(most);
            message.extend_from_slice(&self.decoded[..appended]);
        }
        buffer[..len - appended].copy_from_slice(&self.decoded[appended..len]);
        self.decoded.drain(..len);
        Received { len, appended, state: self.read_state() }
    }

    fn flush<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> io::Result<bool> {
        while !self.out.is_empty() {
            match cx.os.send(cx.socket, &self.out) {
                Ok(len) => drop(self.out.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        give_back(&mut self.out, cx.pool);
        Ok(true)
    }

    /// Returns what can be received after the bytes that were handed out.
    fn read_state(&mut self) -> ReadState {
        match self.phase {
            _ if !self.decoded.is_empty() => ReadState::MayHaveMore,
            Phase::Ended => ReadState::Ended,
            Phase::Failed if !std::mem::replace(&mut self.has_reported_failure, true) => ReadState::Failed,
            _ if self.is_drained => ReadState::Drained,
            _ => ReadState::MayHaveMore,
        }
    }
}

fn give_back(buffer: &mut Vec<u8>, pool: &mut Pool) {
    if buffer.capacity() > 0 {
        pool.recycle(std::mem::take(buffer));
    }
}

impl Transport for Records {
    fn receive<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received> {
        let state = self.states.entry(cx.index).or_default();
        if state.decoded.is_empty() {
            let mut received = [0; MAX_RECEIVED];
            let len = cx.os.recv(cx.socket, &mut received)?;
            if len == 0 {
                return Ok(Received { len: 0, appended: 0, state: ReadState::Ended });
            }
            state.is_drained = len < MAX_RECEIVED;
            state.handle(cx, &received[..len])?;
        }
        Ok(state.hand_out(message, buffer))
    }

    fn begin_after_preamble<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        received: &mut [u8],
    ) -> io::Result<Received> {
        let state = self.states.entry(cx.index).or_default();
        state.is_drained = true;
        state.handle(cx, received)?;
        Ok(state.hand_out(None, received))
    }

    fn unread<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> usize {
        let decoded = self.states.get(&cx.index).map_or(0, |state| state.decoded.len());
        decoded + cx.os.unread(cx.socket)
    }

    fn send<O: Os>(&mut self, cx: &mut TransportContext<'_, O>, bytes: &[u8]) -> io::Result<Sent> {
        let state = self.states.entry(cx.index).or_default();
        if matches!(state.phase, Phase::Handshake | Phase::Failed) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut len = 0;
        while state.flush(cx)? && len < bytes.len() {
            let payload = &bytes[len..bytes.len().min(len + MAX_PAYLOAD)];
            if !cx.pool.reserve(&mut state.out, HEADER + payload.len()) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            encode_record(&mut state.out, payload, state.next_sent);
            state.next_sent = state.next_sent.wrapping_add(1);
            state.work += WORK_OF_RECORD;
            len += payload.len();
        }
        Ok(Sent { len, is_blocked: !state.out.is_empty() })
    }

    fn send_vectored<O: Os>(
        &mut self,
        cx: &mut TransportContext<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(bytes.len(), offered);
        self.send(cx, &bytes)
    }

    fn unsent(&self, index: ConnIndex) -> usize {
        self.states.get(&index).map_or(0, |state| state.out.len())
    }

    fn flush<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> io::Result<bool> {
        self.states.entry(cx.index).or_default().flush(cx)
    }

    fn end_writing<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) -> io::Result<bool> {
        let state = self.states.entry(cx.index).or_default();
        if matches!(state.phase, Phase::Open | Phase::Ended)
            && !std::mem::replace(&mut state.has_sent_end, true)
        {
            if !cx.pool.reserve(&mut state.out, HEADER) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            state.out.extend_from_slice(&[0; HEADER]);
        }
        Ok(state.flush(cx)? && cx.os.shutdown_write(cx.socket).is_ok())
    }

    fn take_work(&mut self) -> usize {
        self.states.values_mut().map(|state| std::mem::take(&mut state.work)).sum()
    }

    fn refusal<'a>(&self, _: &'a [u8]) -> &'a [u8] {
        &ALERT
    }

    fn close<O: Os>(&mut self, cx: &mut TransportContext<'_, O>) {
        let Some(state) = self.states.remove(&cx.index) else { return };
        if matches!(state.phase, Phase::Open | Phase::Ended) && state.out.is_empty() && !state.has_sent_end {
            let _ = cx.os.send(cx.socket, &[0; HEADER]);
        }
        for mut buffer in [state.partial, state.out] {
            give_back(&mut buffer, cx.pool);
        }
    }
}
