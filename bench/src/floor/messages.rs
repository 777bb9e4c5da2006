//! What connections send and are sent: what that costs in system calls, with as little work around them as there can be.
//!
//! It is no WebSocket code: nothing is checked, and fragments go back as they came. The frames of one read are unmasked and leave
//! in one send; what is incomplete is kept until the rest has come. A connection of which the kernel has not taken all that it is
//! sent is not read from.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use super::args::Mode;
use super::replies::{CLOSE, Head, KEY, PIECES, RESPONSE, Replies, take};

/// Bytes read at once.
const INPUT: usize = 512 * 1024;
/// A frame with more bytes than this is received where it is kept, instead of being copied there and back with every read.
const LARGE: usize = INPUT / 4;
// Straight to the kernel: libc's own calls are points at which a thread may be cancelled, and where there are several threads each
// costs locked instructions.
/// A lost peer is an error, never a signal.
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// Buffers of large frames that are kept for the next ones.
const SPARES: usize = 64;

/// What is told of connections while they are read.
pub(super) trait Told {
    /// Its request has been answered.
    fn opened(&mut self, at: usize, request: &[u8]);
    /// The Ping that was sent at this time in microseconds has been answered.
    fn ponged(&mut self, sent: u64);
}

/// The connections of a worker.
#[derive(Debug)]
pub(super) struct Messages {
    mode: Mode,
    /// Where reads go, and where what is sent of them is put together; both as long.
    input: Vec<u8>,
    output: Vec<u8>,
    replies: Replies,
    /// By descriptor, whether the handshake has been answered.
    open: Vec<bool>,
    unfinished: HashMap<usize, Unfinished>,
    spares: Vec<Vec<u8>>,
}

/// What a connection has begun and not finished.
#[derive(Debug, Default)]
struct Unfinished {
    /// The beginning of a frame. A large one's buffer is as long as the frame will be.
    part: Vec<u8>,
    /// Bytes of it that have come.
    come: usize,
    /// Answers of which the kernel has taken the first `sent` bytes. Empty when it has taken all.
    unsent: Vec<u8>,
    sent: usize,
}

impl Messages {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            input: vec![0; INPUT],
            output: vec![0; INPUT],
            replies: Replies::default(),
            open: Vec::new(),
            unfinished: HashMap::new(),
            spares: Vec::new(),
        }
    }

    /// Sends bytes behind those that wait, and keeps what the kernel does not take.
    pub(super) fn send(
        &mut self,
        registry: &Registry,
        fd: &OwnedFd,
        at: usize,
        bytes: &[u8],
    ) -> io::Result<()> {
        if let Some(unfinished) = self.unfinished.get_mut(&at).filter(|of| !of.unsent.is_empty()) {
            unfinished.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = send_some(fd, bytes)?;
        if sent < bytes.len() { self.wait(registry, fd, at, bytes[sent..].to_vec(), 0) } else { Ok(()) }
    }

    /// Sends what waits and then reads what is there, as far as the kernel goes along.
    pub(super) fn serve(
        &mut self,
        registry: &Registry,
        fd: &OwnedFd,
        at: usize,
        ended: bool,
        told: &mut impl Told,
    ) -> io::Result<()> {
        loop {
            if !self.flush(registry, fd, at)? {
                return Ok(());
            }
            let begun = self.unfinished.get_mut(&at);
            let (room, before) = match begun {
                Some(Unfinished { part, come, .. }) if part.len() > LARGE => (&mut part[*come..], None),
                Some(Unfinished { part, come, .. }) => {
                    self.input[..*come].copy_from_slice(&part[..*come]);
                    (&mut self.input[*come..], Some(*come))
                }
                None => (&mut self.input[..], Some(0)),
            };
            let asked = room.len();
            let read = match recv(fd, room, RecvFlags::empty()).map_err(io::Error::from) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((_, read)) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match before {
                None => self.go_on(registry, fd, at, read)?,
                Some(before) => self.answer(registry, fd, at, before + read, told)?,
            }
            // Fewer bytes than asked for were all there were (epoll(7)).
            if read < asked && !ended {
                return Ok(());
            }
        }
    }

    /// Forgets a connection that has gone.
    pub(super) fn forget(&mut self, at: usize) {
        self.unfinished.remove(&at);
        if let Some(open) = self.open.get_mut(at) {
            *open = false;
        }
    }

    /// Sends what waits. `true` when nothing does any more.
    fn flush(&mut self, registry: &Registry, fd: &OwnedFd, at: usize) -> io::Result<bool> {
        let Some(unfinished) = self.unfinished.get_mut(&at).filter(|of| !of.unsent.is_empty()) else {
            return Ok(true);
        };
        unfinished.sent += send_some(fd, &unfinished.unsent[unfinished.sent..])?;
        if unfinished.sent < unfinished.unsent.len() {
            return Ok(false);
        }
        let emptied = std::mem::take(&mut unfinished.unsent);
        if unfinished.come == 0 {
            self.unfinished.remove(&at);
        }
        self.spare(emptied);
        watch(registry, fd, at, Interest::READABLE)?;
        Ok(true)
    }

    /// Answers what is whole of the first `len` bytes of the input, and keeps the rest.
    fn answer(
        &mut self,
        registry: &Registry,
        fd: &OwnedFd,
        at: usize,
        len: usize,
        told: &mut impl Told,
    ) -> io::Result<()> {
        match self.mode {
            Mode::Accept => return Ok(()),
            Mode::Echo => {
                let sent = send_some(fd, &self.input[..len])?;
                return if sent < len {
                    self.wait(registry, fd, at, self.input[sent..len].to_vec(), 0)
                } else {
                    Ok(())
                };
            }
            Mode::Ping | Mode::Frames | Mode::Broadcast => {}
        }
        if self.open.len() <= at {
            self.open.resize(at + 1, false);
        }
        if !self.open[at] {
            // A request comes in one piece from clients that are well; the answer fits into an empty socket.
            send(fd, RESPONSE, FLAGS)?;
            self.open[at] = true;
            told.opened(at, &self.input[..len]);
            return Ok(());
        }
        let mut from = 0;
        loop {
            take(&mut self.input[from..len], &mut self.output, &mut self.replies);
            if self.replies.taken == 0 {
                break;
            }
            self.send_replies(registry, fd, at, from)?;
            from += self.replies.taken;
            if let Some(sent) = self.replies.sent.take() {
                told.ponged(sent);
            }
            if std::mem::take(&mut self.replies.closes) {
                return close(fd);
            }
        }
        self.keep(at, from..len);
        Ok(())
    }

    /// Sends answers to what stands in the input from `from` on, behind those that wait.
    fn send_replies(&mut self, registry: &Registry, fd: &OwnedFd, at: usize, from: usize) -> io::Result<()> {
        let input = &self.input[from..];
        let pieces = self.replies.pieces.iter().map(|&(from, to)| &input[from..to]);
        let gathered = &self.output[..self.replies.gathered];
        let unsent = match self.unfinished.get_mut(&at) {
            Some(unfinished) if !unfinished.unsent.is_empty() => {
                unfinished.unsent.extend_from_slice(gathered);
                pieces.for_each(|piece| unfinished.unsent.extend_from_slice(piece));
                return Ok(());
            }
            _ if self.replies.pieces.is_empty() && gathered.is_empty() => return Ok(()),
            _ if self.replies.pieces.is_empty() => gathered[send_some(fd, gathered)?..].to_vec(),
            _ => {
                let mut slices = [IoSlice::new(&[]); PIECES];
                slices.iter_mut().zip(pieces.clone()).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
                let mut sent = send_all(fd, &slices[..self.replies.pieces.len()])?;
                let mut unsent = Vec::new();
                for piece in pieces {
                    let gone = sent.min(piece.len());
                    unsent.extend_from_slice(&piece[gone..]);
                    sent -= gone;
                }
                unsent
            }
        };
        if unsent.is_empty() { Ok(()) } else { self.wait(registry, fd, at, unsent, 0) }
    }

    /// Keeps a stretch of the input: the beginning of a frame.
    fn keep(&mut self, at: usize, rest: std::ops::Range<usize>) {
        if rest.is_empty() {
            if let Some(unfinished) = self.unfinished.get_mut(&at) {
                unfinished.come = 0;
                if unfinished.unsent.is_empty() {
                    self.unfinished.remove(&at);
                }
            }
            return;
        }
        let rest = &self.input[rest];
        let unfinished = self.unfinished.entry(at).or_default();
        unfinished.come = rest.len();
        match Head::of(rest) {
            Some(head) if head.whole() > LARGE => {
                unfinished.part = self.spares.pop().unwrap_or_default();
                unfinished.part.resize(head.whole(), 0);
                unfinished.part[..rest.len()].copy_from_slice(rest);
            }
            _ => {
                unfinished.part.clear();
                unfinished.part.extend_from_slice(rest);
            }
        }
    }

    /// So many bytes more of a large frame have come where it is kept.
    fn go_on(&mut self, registry: &Registry, fd: &OwnedFd, at: usize, read: usize) -> io::Result<()> {
        let Some(unfinished) = self.unfinished.get_mut(&at) else { return Ok(()) };
        unfinished.come += read;
        if unfinished.come < unfinished.part.len() {
            return Ok(());
        }
        let mut frame = std::mem::take(&mut unfinished.part);
        self.unfinished.remove(&at);
        let Some(head) = Head::of(&frame) else { return Ok(()) };
        head.answer_in_place(&mut frame);
        let sent = KEY + send_some(fd, &frame[KEY..])?;
        if sent < frame.len() {
            return self.wait(registry, fd, at, frame, sent);
        }
        self.spare(frame);
        Ok(())
    }

    /// Has answers wait for room, of which the first `sent` bytes have gone.
    fn wait(
        &mut self,
        registry: &Registry,
        fd: &OwnedFd,
        at: usize,
        unsent: Vec<u8>,
        sent: usize,
    ) -> io::Result<()> {
        let unfinished = self.unfinished.entry(at).or_default();
        (unfinished.unsent, unfinished.sent) = (unsent, sent);
        watch(registry, fd, at, Interest::READABLE | Interest::WRITABLE)
    }

    fn spare(&mut self, buffer: Vec<u8>) {
        if buffer.len() > LARGE && self.spares.len() < SPARES {
            self.spares.push(buffer);
        }
    }
}

fn watch(registry: &Registry, fd: &OwnedFd, at: usize, interest: Interest) -> io::Result<()> {
    registry.reregister(&mut SourceFd(&fd.as_raw_fd()), Token(at), interest)
}

/// As [`send_some`], from several places.
fn send_all(fd: &OwnedFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match sendmsg(fd, slices, &mut SendAncillaryBuffer::default(), FLAGS).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        sent => sent,
    }
}

/// Sends what the kernel takes; a full socket takes nothing.
fn send_some(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match send(fd, bytes, FLAGS).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        sent => sent,
    }
}

fn close(fd: &OwnedFd) -> io::Result<()> {
    send(fd, &CLOSE, FLAGS)?;
    Err(io::ErrorKind::ConnectionAborted.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use mio::{Events, Poll};
    use throng::ws::{Opcode, encode};

    use super::super::replies::ping;
    use super::*;

    const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    impl Told for Vec<u64> {
        fn opened(&mut self, at: usize, request: &[u8]) {
            assert!(at == 3 && request.starts_with(b"GET "));
        }

        fn ponged(&mut self, sent: u64) {
            self.push(sent);
        }
    }

    /// A client that writes pieces of any size and reads late, over a socket that takes less than a message.
    #[test]
    fn pieces_and_full_sockets_change_nothing() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for end in [&ours, &theirs] {
            end.set_nonblocking(true).unwrap();
        }
        let (mut poll, ours) = (Poll::new().unwrap(), OwnedFd::from(ours));
        poll.registry().register(&mut SourceFd(&ours.as_raw_fd()), Token(3), Interest::READABLE).unwrap();
        let (mut input, mut expected) = (b"GET / HTTP/1.1\r\n\r\n".to_vec(), RESPONSE.to_vec());
        theirs.write_all(&input).unwrap();
        input.clear();
        for len in [5, 2_000_000, 300, LARGE, 70_000, LARGE - 14, LARGE - 13, 1_048_576, 0, 4_000_000] {
            encode::frame(&mut input, Opcode::Binary, &bytes(len), MASK);
            encode::frame(&mut expected, Opcode::Binary, &bytes(len), None);
        }
        encode::frame(&mut input, Opcode::Pong, &ping(77)[2..], MASK);
        let (mut messages, mut received, mut written) = (Messages::new(Mode::Frames), Vec::new(), 0);
        let mut pongs = Vec::new();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut events = Events::with_capacity(8);
        let mut waited = false;
        while received.len() < expected.len() || written < input.len() || pongs.is_empty() {
            if received.len() >= RESPONSE.len() && written < input.len() {
                let piece = rng.usize(1..200_000).min(input.len() - written);
                written += theirs.write(&input[written..written + piece]).unwrap_or(0);
            }
            poll.poll(&mut events, Some(Duration::from_millis(1))).unwrap();
            if !events.is_empty() {
                messages.serve(poll.registry(), &ours, 3, false, &mut pongs).unwrap();
            }
            waited |= messages.unfinished.get(&3).is_some_and(|of| !of.unsent.is_empty());
            let mut buffer = vec![0; rng.usize(1..100_000)];
            let read = theirs.read(&mut buffer).unwrap_or(0);
            received.extend_from_slice(&buffer[..read]);
        }
        assert!(received == expected && messages.unfinished.is_empty());
        assert!(waited, "the socket took it all: the test needs more bytes");
        drop(theirs);
        assert!(messages.serve(poll.registry(), &ours, 3, true, &mut pongs).is_err(), "it has ended");
        assert_eq!(pongs, [77]);
    }

    #[test]
    fn what_does_not_fit_goes_out_in_order_later() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (poll, ours) = (Poll::new().unwrap(), OwnedFd::from(ours));
        poll.registry().register(&mut SourceFd(&ours.as_raw_fd()), Token(3), Interest::READABLE).unwrap();
        let mut messages = Messages::new(Mode::Broadcast);
        let bytes = bytes(2_000_000);
        let (first, second) = bytes.split_at(1_500_000);
        messages.send(poll.registry(), &ours, 3, first).unwrap();
        assert!(!messages.unfinished.is_empty(), "the socket takes it all: the test needs more bytes");
        messages.send(poll.registry(), &ours, 3, second).unwrap();
        let mut received = Vec::new();
        while received.len() < bytes.len() {
            let mut buffer = vec![0; 65_536];
            let read = theirs.read(&mut buffer).unwrap();
            received.extend_from_slice(&buffer[..read]);
            messages.serve(poll.registry(), &ours, 3, false, &mut Vec::new()).unwrap();
        }
        assert!(received == bytes && messages.unfinished.is_empty());
    }
}
