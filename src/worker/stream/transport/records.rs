//! A transport of records, for tests. It does what TLS will do, without the cryptography.
//!
//! The client begins with [`HELLO`], and the server answers with [`WELCOME`]. From then on each side sends records: the length of the
//! payload in two bytes, and the payload, each byte of which is changed by the number of the record. An empty record ends the stream. The
//! length [`ALERT`] tells the peer that it has broken these rules.

use std::collections::HashMap;
use std::io::{self, IoSlice};

use super::seam::{Link, ReadState, Received, Sent, Transport};
use crate::base::pool::Pool;
use crate::worker::os::Os;
use crate::worker::table::ConnIndex;
use crate::ws::Buffers;

/// The first byte that a client sends.
pub(in crate::worker) const HELLO: u8 = 0x16;
/// The server's answer to [`HELLO`].
pub(in crate::worker) const WELCOME: u8 = 0x61;
/// The longest payload of a record.
pub(in crate::worker) const LONGEST: usize = 300;
/// An alert: a length that no record has. Its sender has found that the peer broke the rules.
pub(in crate::worker) const ALERT: [u8; 2] = [0xff; 2];
/// Bytes of a record before its payload.
const HEADER: usize = 2;
/// Bytes received by one system call.
const AT_A_TIME: usize = 512;
/// Bytes of the stream handed out at a time, so that some are held.
const HANDED_OUT: usize = 100;

/// The state of each connection, by its index.
#[derive(Debug, Default)]
pub(in crate::worker) struct Records {
    states: HashMap<ConnIndex, State>,
}

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    /// Numbers of the next records.
    receives: u8,
    sends: u8,
    /// The received bytes of an incomplete record.
    partial: Vec<u8>,
    /// Bytes of the stream that were received and not handed out.
    held: Vec<u8>,
    /// Bytes to be sent.
    out: Vec<u8>,
    is_drained: bool,
    has_sent_end: bool,
    has_told_failure: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Handshake,
    Open,
    Ended,
    Failed,
}

/// Changes the payload of the record with this number, or changes it back.
pub(in crate::worker) fn change(payload: &mut [u8], number: u8) {
    payload.iter_mut().for_each(|byte| *byte ^= 0x55 ^ number);
}

/// Appends a record to `out`.
pub(in crate::worker) fn seal(out: &mut Vec<u8>, payload: &[u8], number: u8) {
    out.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    let start = out.len();
    out.extend_from_slice(payload);
    change(&mut out[start..], number);
}

impl State {
    /// Decodes complete records in the received bytes.
    fn open(&mut self) {
        let mut at = 0;
        loop {
            let rest = &self.partial[at..];
            match (self.stage, rest) {
                (Stage::Handshake, [HELLO, ..]) => {
                    self.out.push(WELCOME);
                    self.stage = Stage::Open;
                    at += 1;
                }
                (Stage::Handshake, [_, ..]) => self.fail(),
                (Stage::Open, [high, low, payload @ ..]) => {
                    let len = usize::from(u16::from_be_bytes([*high, *low]));
                    if len > LONGEST {
                        self.fail();
                    } else if len == 0 {
                        self.stage = Stage::Ended;
                    } else if len <= payload.len() {
                        let start = self.held.len();
                        self.held.extend_from_slice(&payload[..len]);
                        change(&mut self.held[start..], self.receives);
                        self.receives = self.receives.wrapping_add(1);
                        at += HEADER + len;
                    } else {
                        break;
                    }
                }
                (Stage::Ended | Stage::Failed, _) => at = self.partial.len(),
                (Stage::Handshake | Stage::Open, _) => break,
            }
            if at == self.partial.len() {
                break;
            }
        }
        self.partial.drain(..at);
    }

    fn fail(&mut self) {
        self.stage = Stage::Failed;
        self.out.extend_from_slice(&ALERT);
    }

    /// Handles received bytes.
    fn take<O: Os>(&mut self, link: &mut Link<'_, O>, received: &[u8]) -> io::Result<()> {
        if !link.pool.reserve(&mut self.partial, received.len()) || !link.pool.reserve(&mut self.out, HEADER)
        {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.partial.extend_from_slice(received);
        self.open();
        if self.partial.is_empty() {
            give_back(&mut self.partial, link.pool);
        }
        self.flush(link).map(|_| ())
    }

    /// Hands out some bytes of the stream.
    fn hand_out(&mut self, message: Option<(&mut Vec<u8>, usize)>, buffer: &mut [u8]) -> Received {
        let len = self.held.len().min(HANDED_OUT).min(buffer.len());
        let mut appended = 0;
        if let Some((message, most)) = message {
            appended = len.min(most);
            message.extend_from_slice(&self.held[..appended]);
        }
        buffer[..len - appended].copy_from_slice(&self.held[appended..len]);
        self.held.drain(..len);
        Received { len, appended, state: self.read_state() }
    }

    fn flush<O: Os>(&mut self, link: &mut Link<'_, O>) -> io::Result<bool> {
        while !self.out.is_empty() {
            match link.os.send(link.socket, &self.out) {
                Ok(len) => drop(self.out.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        give_back(&mut self.out, link.pool);
        Ok(true)
    }

    /// Returns what can be received after the bytes that were handed out.
    fn read_state(&mut self) -> ReadState {
        match self.stage {
            _ if !self.held.is_empty() => ReadState::MayHaveMore,
            Stage::Ended => ReadState::Ended,
            Stage::Failed if !std::mem::replace(&mut self.has_told_failure, true) => ReadState::Failed,
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
        link: &mut Link<'_, O>,
        message: Option<(&mut Vec<u8>, usize)>,
        buffer: &mut [u8],
    ) -> io::Result<Received> {
        let state = self.states.entry(link.index).or_default();
        if state.held.is_empty() {
            let mut received = [0; AT_A_TIME];
            let len = link.os.recv(link.socket, &mut received)?;
            if len == 0 {
                return Ok(Received { len: 0, appended: 0, state: ReadState::Ended });
            }
            state.is_drained = len < AT_A_TIME;
            state.take(link, &received[..len])?;
        }
        Ok(state.hand_out(message, buffer))
    }

    fn begin<O: Os>(&mut self, link: &mut Link<'_, O>, received: &mut [u8]) -> io::Result<Received> {
        let state = self.states.entry(link.index).or_default();
        state.is_drained = true;
        state.take(link, received)?;
        Ok(state.hand_out(None, received))
    }

    fn unread<O: Os>(&mut self, link: &mut Link<'_, O>) -> usize {
        let held = self.states.get(&link.index).map_or(0, |state| state.held.len());
        held + link.os.unread(link.socket)
    }

    fn send<O: Os>(&mut self, link: &mut Link<'_, O>, bytes: &[u8]) -> io::Result<Sent> {
        let state = self.states.entry(link.index).or_default();
        if matches!(state.stage, Stage::Handshake | Stage::Failed) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut len = 0;
        while state.flush(link)? && len < bytes.len() {
            let payload = &bytes[len..bytes.len().min(len + LONGEST)];
            if !link.pool.reserve(&mut state.out, HEADER + payload.len()) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            seal(&mut state.out, payload, state.sends);
            state.sends = state.sends.wrapping_add(1);
            len += payload.len();
        }
        Ok(Sent { len, is_blocked: !state.out.is_empty() })
    }

    fn send_vectored<O: Os>(
        &mut self,
        link: &mut Link<'_, O>,
        slices: &[IoSlice<'_>],
        offered: usize,
    ) -> io::Result<Sent> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(bytes.len(), offered);
        self.send(link, &bytes)
    }

    fn unsent(&self, index: ConnIndex) -> usize {
        self.states.get(&index).map_or(0, |state| state.out.len())
    }

    fn flush<O: Os>(&mut self, link: &mut Link<'_, O>) -> io::Result<bool> {
        self.states.entry(link.index).or_default().flush(link)
    }

    fn end_writing<O: Os>(&mut self, link: &mut Link<'_, O>) -> io::Result<bool> {
        let state = self.states.entry(link.index).or_default();
        if matches!(state.stage, Stage::Open | Stage::Ended)
            && !std::mem::replace(&mut state.has_sent_end, true)
        {
            if !link.pool.reserve(&mut state.out, HEADER) {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            state.out.extend_from_slice(&[0; HEADER]);
        }
        Ok(state.flush(link)? && link.os.shutdown_write(link.socket).is_ok())
    }

    fn close<O: Os>(&mut self, link: &mut Link<'_, O>) {
        let Some(state) = self.states.remove(&link.index) else { return };
        if matches!(state.stage, Stage::Open | Stage::Ended) && state.out.is_empty() && !state.has_sent_end {
            let _ = link.os.send(link.socket, &[0; HEADER]);
        }
        for mut buffer in [state.partial, state.out] {
            give_back(&mut buffer, link.pool);
        }
    }
}
