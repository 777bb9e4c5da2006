//! Messages sent back: what an echo costs in system calls, with as little work around them as there can be.
//!
//! It is no WebSocket code: nothing is checked, and fragments go back as they came. The frames of one read are unmasked and leave
//! in one send; what is incomplete is kept until the rest has come. A connection whose answers the kernel has not taken is not
//! read from.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use mio::{Interest, Registry};
use throng::sys::socket;

use super::frames::{CLOSE, RESPONSE};
use super::unsent::{send_some, watch};

/// Bytes read at once.
const INPUT: usize = 512 * 1024;
/// A frame with more bytes than this is received where it is kept, instead of being copied there and back with every read.
const LARGE: usize = INPUT / 4;
/// Buffers of large frames that are kept for the next ones.
const SPARES: usize = 64;
/// Bytes of a client's masking key: by so much a server's frame is shorter.
const KEY: usize = 4;

/// The connections of a worker whose messages are sent back.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Where reads go, and where what is sent of them is put together; both as long, and empty where nothing is sent back.
    input: Vec<u8>,
    output: Vec<u8>,
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

/// What is to be done with what came.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing: no frame is whole.
    Nothing,
    /// The only frame was unmasked where it came: these bytes of the input go back.
    InPlace { from: usize, to: usize },
    /// The first so many bytes of the output go back.
    Gathered(usize),
}

/// The beginning of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Bytes before the masking key.
    len: usize,
    key: [u8; KEY],
    payload: usize,
}

impl Messages {
    pub(super) fn new() -> Self {
        Self { input: vec![0; INPUT], output: vec![0; INPUT], ..Self::default() }
    }

    /// Sends what waits and then reads what is there, as far as the kernel goes along.
    ///
    /// # Errors
    /// When the connection has ended, or is to: the client closes, or cannot be reached.
    pub(super) fn serve(
        &mut self,
        registry: &Registry,
        fd: &OwnedFd,
        at: usize,
        ended: bool,
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
            let read = match socket::recv(fd.as_fd(), room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match before {
                None => self.go_on(registry, fd, at, read)?,
                Some(before) => self.answer(registry, fd, at, before + read)?,
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
    fn answer(&mut self, registry: &Registry, fd: &OwnedFd, at: usize, len: usize) -> io::Result<()> {
        if self.open.len() <= at {
            self.open.resize(at + 1, false);
        }
        if !self.open[at] {
            // A request comes in one piece from clients that are well; the answer fits into an empty socket.
            socket::send(fd.as_fd(), RESPONSE)?;
            self.open[at] = true;
            return Ok(());
        }
        let (found, taken, closes) = take(&mut self.input[..len], &mut self.output);
        self.keep(at, taken..len);
        let answers = match found {
            Found::Nothing => &[],
            Found::InPlace { from, to } => &self.input[from..to],
            Found::Gathered(to) => &self.output[..to],
        };
        if !answers.is_empty() {
            let sent = send_some(fd, answers)?;
            if sent < answers.len() {
                let unsent = answers[sent..].to_vec();
                self.wait(registry, fd, at, unsent, 0)?;
            }
        }
        if closes { close(fd) } else { Ok(()) }
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

impl Head {
    /// The head of a frame, once all of it has come.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (payload, len) = match (bytes.get(1)? & 0x7f, bytes) {
            (126, [_, _, a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [_, _, a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return None,
            (short, _) => (u64::from(short), 2),
        };
        let key = bytes.get(len..)?.first_chunk().copied()?;
        // No address space has room for what does not fit.
        Some(Self { len, key, payload: usize::try_from(payload).ok()? })
    }

    /// Bytes of the whole frame.
    const fn whole(self) -> usize {
        self.len + KEY + self.payload
    }

    /// Makes a server's frame of the frame, which begins behind the first [`KEY`] bytes then.
    fn answer_in_place(self, frame: &mut [u8]) {
        unmask(&mut frame[self.len + KEY..], self.key);
        frame.copy_within(..self.len, KEY);
        frame[KEY + 1] &= 0x7f;
    }

    /// Puts a server's frame of the frame into the output.
    fn answer_into(self, frame: &[u8], output: &mut [u8]) {
        let (head, payload) = output.split_at_mut(self.len);
        head.copy_from_slice(&frame[..self.len]);
        head[1] &= 0x7f;
        unmask_into(payload, &frame[self.len + KEY..], self.key);
    }
}

/// Unmasks the whole frames of the input. Returns where the answers are, how many bytes of the input they were, and whether the
/// client closes.
fn take(input: &mut [u8], output: &mut [u8]) -> (Found, usize, bool) {
    let (mut taken, mut filled) = (0, 0);
    while let Some(head) = Head::of(&input[taken..]).filter(|head| taken + head.whole() <= input.len()) {
        let frame = taken..taken + head.whole();
        let opcode = input[taken] & 0x0f;
        taken = frame.end;
        match opcode {
            0x8 => return (Found::Gathered(filled), taken, true),
            0x9.. => {}
            _ if frame.len() == input.len() => {
                head.answer_in_place(input);
                return (Found::InPlace { from: KEY, to: input.len() }, taken, false);
            }
            _ => {
                let answer = &mut output[filled..filled + frame.len() - KEY];
                filled += answer.len();
                head.answer_into(&input[frame], answer);
            }
        }
    }
    let found = if filled == 0 { Found::Nothing } else { Found::Gathered(filled) };
    (found, taken, false)
}

fn close(fd: &OwnedFd) -> io::Result<()> {
    socket::send(fd.as_fd(), &CLOSE)?;
    Err(io::ErrorKind::ConnectionAborted.into())
}

fn unmask(bytes: &mut [u8], key: [u8; KEY]) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

fn unmask_into(to: &mut [u8], from: &[u8], key: [u8; KEY]) {
    let ((to_words, to_rest), (words, rest)) = (to.as_chunks_mut::<8>(), from.as_chunks::<8>());
    for (to, word) in to_words.iter_mut().zip(words) {
        *to = (u64::from_ne_bytes(*word) ^ wide(key)).to_ne_bytes();
    }
    for ((to, byte), key) in to_rest.iter_mut().zip(rest).zip(key.iter().cycle()) {
        *to = byte ^ key;
    }
}

/// The key twice.
fn wide([a, b, c, d]: [u8; KEY]) -> u64 {
    u64::from_ne_bytes([a, b, c, d, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Events, Poll, Token};
    use throng::ws::{Opcode, encode};

    use super::*;

    const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn the_frames_of_one_read_are_answered_together() {
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        for len in [0, 1, 7, 8, 125, 126, 65_535, 65_536] {
            encode::frame(&mut input, true, Opcode::Binary, &bytes(len), MASK);
            encode::frame(&mut input, true, Opcode::Pong, b"nobody asked", MASK);
            encode::frame(&mut expected, true, Opcode::Binary, &bytes(len), None);
        }
        let whole = input.len();
        encode::frame(&mut input, true, Opcode::Text, b"cut", MASK);
        input.pop();
        let mut output = vec![0; input.len()];
        let (found, taken, closes) = take(&mut input, &mut output);
        assert_eq!((found, taken, closes), (Found::Gathered(expected.len()), whole, false));
        assert!(output[..expected.len()] == expected);
    }

    #[test]
    fn one_frame_is_answered_where_it_is() {
        for len in [0, 20, 200, 70_000] {
            let (mut input, mut expected) = (Vec::new(), Vec::new());
            encode::frame(&mut input, true, Opcode::Text, &bytes(len), MASK);
            encode::frame(&mut expected, true, Opcode::Text, &bytes(len), None);
            let whole = input.len();
            let (found, taken, _) = take(&mut input, &mut []);
            assert_eq!((found, taken), (Found::InPlace { from: KEY, to: whole }, whole));
            assert!(input[KEY..] == expected, "{len}");
        }
        let mut close = Vec::new();
        encode::close(&mut close, None, "", MASK);
        assert_eq!(take(&mut close, &mut []), (Found::Gathered(0), close.len(), true));
    }

    #[test]
    fn heads_are_read_once_they_are_whole() {
        for (len, head) in [(125, 2), (126, 4), (65_536, 10)] {
            let mut frame = Vec::new();
            encode::frame(&mut frame, true, Opcode::Text, &bytes(len), MASK);
            assert_eq!(Head::of(&frame), Some(Head { len: head, key: [1, 2, 3, 4], payload: len }));
            assert!((0..head + KEY).all(|cut| Head::of(&frame[..cut]).is_none()), "{len}");
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
            encode::frame(&mut input, true, Opcode::Binary, &bytes(len), MASK);
            encode::frame(&mut expected, true, Opcode::Binary, &bytes(len), None);
        }
        let (mut messages, mut received, mut written) = (Messages::new(), Vec::new(), 0);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut events = Events::with_capacity(8);
        let mut waited = false;
        while received.len() < expected.len() {
            if received.len() >= RESPONSE.len() && written < input.len() {
                let piece = rng.usize(1..200_000).min(input.len() - written);
                written += theirs.write(&input[written..written + piece]).unwrap_or(0);
            }
            poll.poll(&mut events, Some(Duration::from_millis(1))).unwrap();
            if !events.is_empty() {
                messages.serve(poll.registry(), &ours, 3, false).unwrap();
            }
            waited |= messages.unfinished.get(&3).is_some_and(|of| !of.unsent.is_empty());
            let mut buffer = vec![0; rng.usize(1..100_000)];
            let read = theirs.read(&mut buffer).unwrap_or(0);
            received.extend_from_slice(&buffer[..read]);
        }
        assert!(received == expected && messages.unfinished.is_empty());
        assert!(waited, "the socket took it all: the test needs more bytes");
        drop(theirs);
        assert!(messages.serve(poll.registry(), &ours, 3, true).is_err(), "it has ended");
    }
}
