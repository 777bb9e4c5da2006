//! The bytes that the floor answers with: written in advance, or made of what came with as little work as can be.
//!
//! It is no WebSocket code: nothing is checked, and only what clients of this program send is understood, which is whole frames
//! of fewer than 126 bytes.

use std::io;

/// The answer to the sample key of RFC 6455, section 1.3.
pub(super) const RESPONSE: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// The answer to a Close frame: code 1000.
pub(super) const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

/// Bytes of a client's frame before its payload.
const HEAD: usize = 6;
/// Bytes of a server's.
const ANSWER_HEAD: usize = 2;

/// What is to be done about the frames of one read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Bytes at the beginning of the input that are to be sent: the messages in it.
    pub(super) echoes: usize,
    /// The payload of a Pong: when its Ping was sent.
    pub(super) sent: Option<u64>,
    /// The client closes.
    pub(super) closes: bool,
}

/// A Ping sent at a time in microseconds.
pub(super) fn ping(micros: u64) -> [u8; 10] {
    let mut ping = [0x89, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    ping[ANSWER_HEAD..].copy_from_slice(&micros.to_be_bytes());
    ping
}

/// Makes answers of frames, in their place.
pub(super) fn answer(input: &mut [u8]) -> io::Result<Answers> {
    let mut answers = Answers::default();
    let mut at = 0;
    while at < input.len() {
        let (first, end) = match input[at..] {
            [first, second, ..] => (first, at + HEAD + usize::from(second & 0x7f)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        if end > input.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let payload = at + HEAD..end;
        for byte in payload.clone() {
            input[byte] ^= input[at + 2 + (byte - payload.start) % 4];
        }
        match first {
            0x88 => answers.closes = true,
            0x8a => answers.sent = input[payload].try_into().ok().map(u64::from_be_bytes),
            _ => {
                let length = payload.len();
                input[answers.echoes] = first;
                input[answers.echoes + 1] = input[at + 1] & 0x7f;
                input.copy_within(payload, answers.echoes + ANSWER_HEAD);
                answers.echoes += ANSWER_HEAD + length;
            }
        }
        at = end;
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use throng::ws::{Opcode, encode};

    use super::*;

    #[test]
    fn frames_of_one_read_are_answered_in_their_order() {
        let mut input = Vec::new();
        let mask = Some([1, 2, 3, 4]);
        encode::frame(&mut input, Opcode::Text, b"first", mask);
        encode::frame(&mut input, Opcode::Pong, &ping(77)[2..], mask);
        encode::frame(&mut input, Opcode::Binary, b"", mask);
        encode::close(&mut input, None, "", mask);
        let answers = answer(&mut input).unwrap();
        let mut expected = Vec::new();
        encode::frame(&mut expected, Opcode::Text, b"first", None);
        encode::frame(&mut expected, Opcode::Binary, b"", None);
        assert_eq!(answers, Answers { echoes: expected.len(), sent: Some(77), closes: true });
        assert_eq!(input[..answers.echoes], expected);
        assert!(answer(&mut [0x81, 0x85, 0, 0, 0, 0, 1]).is_err() && answer(&mut [0x81]).is_err());
    }
}
