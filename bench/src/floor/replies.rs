//! A client's frames made a server's: unmasked, and shorter by the masking key; and what is written in advance.

/// The answer to the sample key of RFC 6455, section 1.3.
pub(super) const RESPONSE: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// The answer to a Close frame: code 1000.
pub(super) const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

/// Bytes of a client's masking key: by so much a server's frame is shorter.
pub(super) const KEY: usize = 4;

/// Bytes that are unmasked at once in short frames.
const WORD: usize = 16;
/// Frames of more bytes than this are unmasked where they came; copying shorter ones costs less than sending them from several places.
const LONG: usize = 2 * 1024;
/// Most long frames that are sent at once: the kernel takes 1,024 (`IOV_MAX`).
pub(super) const PIECES: usize = 64;

/// The answers to the frames at the beginning of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replies {
    /// Bytes of the input that these were.
    pub(super) taken: usize,
    /// Answers at the beginning of the output.
    pub(super) gathered: usize,
    /// Or, instead, answers in the input: from where to where.
    pub(super) pieces: Vec<(usize, usize)>,
    /// The payload of the last Pong among them: when its Ping was sent.
    pub(super) sent: Option<u64>,
    /// The client closes.
    pub(super) closes: bool,
}

/// A Ping sent at a time in microseconds.
pub(super) fn ping(micros: u64) -> [u8; 10] {
    let mut ping = [0x89, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    ping[2..].copy_from_slice(&micros.to_be_bytes());
    ping
}

/// The beginning of a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes before the masking key.
    len: usize,
    key: [u8; KEY],
    payload: usize,
}

impl Head {
    /// The head of a frame, once all of it has come.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let (payload, len) = match (bytes.get(1)? & 0x7f, bytes) {
            (126, [_, _, a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [_, _, a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return None,
            (short, _) => (u64::from(short), 2),
        };
        let key = bytes.get(len..)?.first_chunk().copied()?;
        // Nobody here sends longer ones.
        let payload = u32::try_from(payload).ok()?;
        Some(Self { len, key, payload: payload as usize })
    }

    /// Bytes of the whole frame.
    pub(super) const fn whole(self) -> usize {
        self.len + KEY + self.payload
    }

    /// Makes a server's frame of the frame, which begins behind the first [`KEY`] bytes then.
    pub(super) fn answer_in_place(self, frame: &mut [u8]) {
        unmask(&mut frame[self.len + KEY..], self.key);
        frame.copy_within(..self.len, KEY);
        frame[KEY + 1] &= 0x7f;
    }

    /// Puts a server's frame of the frame, with which the input begins, at the beginning of the output. What is behind it there may
    /// change too.
    fn answer_into(self, input: &[u8], output: &mut [u8]) {
        let (head, payload) = output.split_at_mut(self.len);
        if let [first, second] = head {
            (*first, *second) = (input[0], input[1] & 0x7f);
        } else {
            head.copy_from_slice(&input[..self.len]);
            head[1] &= 0x7f;
        }
        unmask_into(payload, &input[self.len + KEY..], self.payload, self.key);
    }
}

/// Unmasks whole frames at the beginning of the input: short ones, or long ones. The others are for the next time, until nothing is
/// taken any more.
pub(super) fn take(input: &mut [u8], output: &mut [u8], replies: &mut Replies) {
    replies.pieces.clear();
    (replies.taken, replies.gathered) = take_short(input, output);
    while let Some(head) = Head::of(&input[replies.taken..]) {
        let (start, end) = (replies.taken, replies.taken + head.whole());
        let is_long = head.whole() > LONG;
        let is_other = if is_long { replies.gathered > 0 } else { !replies.pieces.is_empty() };
        if end > input.len() || is_other || replies.pieces.len() == PIECES {
            return;
        }
        replies.taken = end;
        match input[start] & 0x0f {
            0x8 => {
                replies.closes = true;
                return;
            }
            0xa => {
                let payload = &mut input[start + head.len + KEY..end];
                unmask(payload, head.key);
                replies.sent = (&*payload).try_into().ok().map(u64::from_be_bytes);
            }
            0x9.. => {}
            _ if is_long => {
                head.answer_in_place(&mut input[start..end]);
                replies.pieces.push((start + KEY, end));
            }
            _ => {
                head.answer_into(&input[start..], &mut output[replies.gathered..]);
                replies.gathered += head.whole() - KEY;
            }
        }
    }
}

/// The messages of short frames at the beginning of the input, as long as there is room to unmask whole words. Returns how many
/// bytes of the input and of the output that makes.
fn take_short(input: &[u8], output: &mut [u8]) -> (usize, usize) {
    let (mut rest, mut answers) = (input, &mut *output);
    let room = answers.len();
    while let Some((&[first, second, a, b, c, d], payload)) = rest.split_first_chunk::<6>() {
        let len = usize::from(second & 0x7f);
        let padded = len.next_multiple_of(WORD);
        if len >= 126 || first & 0x08 != 0 || payload.len() < padded || answers.len() < 2 + padded {
            break;
        }
        let (head, to) = answers.split_at_mut(2);
        head.copy_from_slice(&[first, second & 0x7f]);
        let key = u128::from_ne_bytes([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
        let words = payload[..padded].as_chunks::<WORD>().0;
        for (to, word) in to[..padded].as_chunks_mut::<WORD>().0.iter_mut().zip(words) {
            *to = (u128::from_ne_bytes(*word) ^ key).to_ne_bytes();
        }
        (rest, answers) = (&payload[len..], &mut answers[2 + len..]);
    }
    (input.len() - rest.len(), room - answers.len())
}

fn unmask(bytes: &mut [u8], key: [u8; KEY]) {
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide(key)).to_ne_bytes();
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= key[at % KEY];
    }
}

/// Unmasks the first `count` bytes, and some behind them where there are some: whole words are faster than what would be left.
fn unmask_into(to: &mut [u8], from: &[u8], count: usize, key: [u8; KEY]) {
    let count = count.next_multiple_of(8).min(to.len()).min(from.len());
    let ((to_words, to_rest), (words, rest)) =
        (to[..count].as_chunks_mut::<8>(), from[..count].as_chunks::<8>());
    for (to, word) in to_words.iter_mut().zip(words) {
        *to = (u64::from_ne_bytes(*word) ^ wide(key)).to_ne_bytes();
    }
    for (at, (to, byte)) in to_rest.iter_mut().zip(rest).enumerate() {
        *to = byte ^ key[at % KEY];
    }
}

/// The key twice.
fn wide([a, b, c, d]: [u8; KEY]) -> u64 {
    u64::from_ne_bytes([a, b, c, d, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use throng::ws::{Opcode, encode};

    use super::*;

    const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn the_frames_of_one_read_are_answered_together() {
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        let long = (0..PIECES + 3).map(|at| LONG + at);
        for len in
            [0, 1, 7, 8, 15, 16, 17, 125, 126, LONG - 8, LONG - 7, 65_535, 65_536, 3].into_iter().chain(long)
        {
            encode::frame(&mut input, Opcode::Binary, &bytes(len), MASK);
            encode::frame(&mut input, Opcode::Pong, &ping(len as u64)[2..], MASK);
            encode::frame(&mut input, Opcode::Ping, b"nobody asked", MASK);
            encode::frame(&mut expected, Opcode::Binary, &bytes(len), None);
        }
        let whole = input.len();
        encode::frame(&mut input, Opcode::Text, b"cut", MASK);
        input.pop();
        let (mut output, mut answers) = (vec![0; input.len()], Vec::new());
        let (mut replies, mut taken, mut pong) = (Replies::default(), 0, None);
        loop {
            let rest = &mut input[taken..];
            take(rest, &mut output, &mut replies);
            assert!(replies.gathered == 0 || replies.pieces.is_empty());
            answers.extend_from_slice(&output[..replies.gathered]);
            replies.pieces.iter().for_each(|&(from, to)| answers.extend_from_slice(&rest[from..to]));
            taken += replies.taken;
            if replies.taken == 0 {
                break;
            }
            pong = replies.sent.take().or(pong);
        }
        assert_eq!((taken, pong, replies.closes), (whole, Some((LONG + PIECES + 2) as u64), false));
        assert!(answers == expected);
    }

    #[test]
    fn a_close_ends_what_is_answered() {
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        encode::frame(&mut input, Opcode::Text, b"last", MASK);
        encode::frame(&mut expected, Opcode::Text, b"last", None);
        encode::close(&mut input, None, "", MASK);
        let whole = input.len();
        encode::frame(&mut input, Opcode::Text, b"too late", MASK);
        let (mut output, mut replies) = (vec![0; input.len()], Replies::default());
        take(&mut input, &mut output, &mut replies);
        assert_eq!((replies.taken, replies.closes), (whole, true));
        assert_eq!(output[..replies.gathered], expected);
    }

    #[test]
    fn heads_are_read_once_they_are_whole() {
        for (len, head) in [(125, 2), (126, 4), (65_536, 10)] {
            let mut frame = Vec::new();
            encode::frame(&mut frame, Opcode::Text, &bytes(len), MASK);
            assert_eq!(Head::of(&frame), Some(Head { len: head, key: [1, 2, 3, 4], payload: len }));
            assert!((0..head + KEY).all(|cut| Head::of(&frame[..cut]).is_none()), "{len}");
        }
    }
}
