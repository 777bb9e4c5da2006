//! Our decoder beside tungstenite's: both must hear the same of every stream, and refuse the same.

use std::io::{self, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use throng::ws::{DecodeError, ProtocolError, Role};
use tungstenite::protocol::{WebSocketConfig, frame::coding::CloseCode};
use tungstenite::{Error, Message, WebSocket};

use super::replay::{Outcome, Said, replay};
use super::streams::{config, damaged, encoded, pieces, places, role, sent};

/// A socket that holds what was sent, then nothing more, and swallows the answers.
struct Sent<'s>(&'s [u8]);

impl Read for Sent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Sent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite hears up to the first Close, and whether it refuses what follows.
fn theirs(stream: &[u8], role: Role) -> (Vec<Said>, bool) {
    let most = Some(config(role).max_message);
    let config = WebSocketConfig::default().max_message_size(most).max_frame_size(most);
    let role = match role {
        Role::Server => tungstenite::protocol::Role::Server,
        Role::Client => tungstenite::protocol::Role::Client,
    };
    let mut socket = WebSocket::from_raw_socket(Sent(stream), role, Some(config));
    let mut heard = Vec::new();
    loop {
        heard.push(match socket.read() {
            Ok(Message::Text(text)) => Said::Text(text.as_str().into()),
            Ok(Message::Binary(payload)) => Said::Binary(payload.into()),
            Ok(Message::Ping(payload)) => Said::Ping(payload.into()),
            Ok(Message::Pong(payload)) => Said::Pong(payload.into()),
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (u16::from(close.code), close.reason.as_str().to_owned()));
                let (code, reason) = close.unzip();
                if reason.as_deref() == Some("Protocol violation") {
                    // Not what was sent: this is how it refuses a code.
                    return (heard, true);
                }
                heard.push(Said::Close(code, reason.unwrap_or_default()));
                return (heard, false);
            }
            Ok(Message::Frame(_)) => unreachable!("only messages are read"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (heard, false),
            Err(_) => return (heard, true),
        });
    }
}

/// The same of our decoder, which gets the stream in pieces.
fn ours(stream: &[u8], cuts: &[Index], role: Role) -> (Vec<Said>, Option<DecodeError>) {
    let Outcome { mut said, error, .. } = replay(stream, places(cuts, stream.len()), &config(role));
    match said.iter().position(|said| matches!(said, Said::Close(..))) {
        // What follows a Close is to be ignored.
        Some(close) => {
            said.truncate(close + 1);
            (said, None)
        }
        None => (said, error),
    }
}

/// Where we refuse and tungstenite goes on: a length that is not in its shortest form (a MUST of section 5.2), which in a
/// control frame is too long already, and a limit of ours alone.
const fn is_stricter(error: DecodeError) -> bool {
    use ProtocolError::{ControlTooLong, NonMinimalLength, TooManyFrames};
    matches!(error, DecodeError::Protocol(ControlTooLong | NonMinimalLength | TooManyFrames))
}

/// 1014 is registered with IANA since tungstenite drew its line.
fn is_stricter_there(said: Option<&Said>) -> bool {
    matches!(said, Some(Said::Close(Some(code), _)) if !CloseCode::from(*code).is_allowed())
}

proptest! {
    #[test]
    fn the_same_is_heard_of_a_good_stream(script in vec(sent(), 0..6), role in role(), key: [u8; 4], cuts in pieces()) {
        let (stream, _) = encoded(&script, role, key);
        let (ours, error) = ours(&stream, &cuts, role);
        let (theirs, refused) = theirs(&stream, role);
        prop_assert_eq!(error, None);
        if !is_stricter_there(ours.last()) {
            prop_assert!(!refused);
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_same_is_refused(
        (role, stream) in role().prop_flat_map(|role| (Just(role), damaged(&config(role)))), cuts in pieces(),
    ) {
        let (ours, error) = ours(&stream, &cuts, role);
        let Some(error) = error else {
            let (theirs, refused) = theirs(&stream, role);
            if !is_stricter_there(ours.last()) {
                prop_assert!(!refused, "beside {ours:?}");
                prop_assert_eq!(ours, theirs);
            }
            return Ok(());
        };
        // We refuse at the first wrong byte, tungstenite when it has the whole frame: so the frame must have an end.
        let stream = [stream, vec![0; config(role).max_message]].concat();
        let (theirs, refused) = theirs(&stream, role);
        prop_assert!(refused || is_stricter(error), "{error:?} beside {theirs:?}");
        prop_assert!(theirs.starts_with(&ours));
        prop_assert!(theirs.len() == ours.len() || is_stricter(error), "{error:?} beside {theirs:?}");
    }
}
