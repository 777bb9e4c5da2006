//! Compressed messages (RFC 7692) as bytes: what peers may say and what they may not, however the bytes arrive, and what the
//! messages are once they are decompressed.

use throng::ws::ProtocolError::{self, *};
use throng::ws::deflate::{InflateError, Inflater};
use throng::ws::{DecoderConfig, Role};

use super::replay::{Said, with_deflate};
use super::script::*;

const RSV1: u8 = 0x40;

/// "Hello" in a block with fixed codes, as section 7.2.3.1 has it.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// The same by reference to a message before.
const HELLO_AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
/// "Hello" in a block with BFINAL.
const HELLO_FINAL: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" in a block that is stored, and the first byte of the one that ends the message.
const HELLO_STORED: &[u8] = &[0x00, 0x05, 0x00, 0xfa, 0xff, b'H', b'e', b'l', b'l', b'o', 0x00];
/// "He" and "llo" in a block each.
const HELLO_TWICE: &[u8] = &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];

fn both_agreed(name: &'static str, write: impl Fn(Script) -> Script) {
    both_by(with_deflate, name, write);
}

/// What a message is, decompressed with a context.
fn inflated(message: &[u8], context: &[u8]) -> Result<String, InflateError> {
    let mut inflater = Inflater::new();
    inflater.decompress(message, 1000, context).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 7692 section 7.2.3, byte for byte.
    let frame = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    Script::new("one block", Role::Client)
        .raw(frame)
        .says(compressed(HELLO))
        .check_by(&with_deflate(Role::Client));
    let fragments = b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00";
    Script::new("fragments", Role::Client)
        .raw(fragments)
        .says(compressed(HELLO))
        .check_by(&with_deflate(Role::Client));
    let again = b"\xc1\x05\xf2\x00\x11\x00\x00";
    Script::new("the context taken over", Role::Client)
        .raw(frame)
        .says(compressed(HELLO))
        .raw(again)
        .says(compressed(HELLO_AGAIN))
        .check_by(&with_deflate(Role::Client));
    assert_eq!(inflated(HELLO_AGAIN, b"Hello").as_deref(), Ok("Hello"));
    assert_eq!(inflated(HELLO_AGAIN, b""), Err(InflateError::Corrupt));
    let stored = b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    let fin = b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    let twice = b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    for frame in [&stored[..], fin, twice] {
        let payload = &frame[2..];
        Script::new("other blocks", Role::Client)
            .raw(frame)
            .says(compressed(payload))
            .check_by(&with_deflate(Role::Client));
        assert_eq!(inflated(payload, b"").as_deref(), Ok("Hello"), "{payload:02x?}");
    }
}

/// Every way in which a message's blocks can end, and what the message is.
#[test]
fn every_form_of_the_last_block() {
    let forms: [(&str, Vec<u8>); 18] = [
        ("Hello", HELLO.into()),
        ("Hello", HELLO_STORED.into()),
        ("Hello", HELLO_TWICE.into()),
        ("Hello", HELLO_FINAL.into()),
        ("Hello", [HELLO_FINAL, &[0x00]].concat()),
        // A flush whose end was sent, and an empty block behind it (section 7.2.3.6).
        ("Hello", [HELLO, &[0x00, 0x00, 0xff, 0xff, 0x00]].concat()),
        // A stored block with BFINAL ends with its data.
        ("Hello", b"\x01\x05\x00\xfa\xffHello".into()),
        ("Hello", b"\x01\x05\x00\xfa\xffHello\x00".into()),
        // What follows a block with BFINAL belongs to the message, and may refer to what was before.
        ("HelloHello", [HELLO_FINAL, HELLO_FINAL].concat()),
        ("HelloHello", [HELLO_FINAL, HELLO].concat()),
        ("HelloHello", [HELLO_FINAL, HELLO_AGAIN].concat()),
        ("HelloHello", [HELLO_FINAL, &[0x03, 0x00], HELLO_STORED].concat()),
        // Nothing: an empty block that is stored or has fixed codes, with BFINAL or without, with the byte behind it or without.
        ("", vec![0x00]),
        ("", vec![0x02, 0x00]),
        ("", vec![0x03, 0x00]),
        ("", vec![0x03, 0x00, 0x00]),
        ("", vec![0x01, 0x00, 0x00, 0xff, 0xff]),
        ("", vec![0x01, 0x00, 0x00, 0xff, 0xff, 0x00]),
    ];
    for (message, payload) in &forms {
        both_agreed("whole", |s| s.frame(FIN | RSV1 | TEXT, payload).says(compressed(payload)));
        both_agreed("an empty first fragment, and an empty last one", |s| {
            s.frame(RSV1 | BINARY, b"")
                .frame(CONTINUATION, payload)
                .frame(FIN, b"")
                .says(compressed_binary(payload))
        });
        assert_eq!(inflated(payload, b"").as_deref(), Ok(*message), "{payload:02x?}");
        assert_eq!(inflated(payload, b"Hell").as_deref(), Ok(*message), "{payload:02x?} in a context");
        let exact = Inflater::new().decompress(payload, message.len(), b"").map(<[u8]>::len);
        assert_eq!(exact, Ok(message.len()), "{payload:02x?}");
        if let Some(less) = message.len().checked_sub(1) {
            let over = Inflater::new().decompress(payload, less, b"").map(<[u8]>::len);
            assert_eq!(over, Err(InflateError::TooBig), "{payload:02x?}");
        }
    }
}

#[test]
fn forms_that_are_no_message() {
    for payload in [
        // No block at all: the least there is of an empty message is a byte.
        &b""[..],
        // A reserved type of block.
        b"\x06",
        b"\x07",
        // Stored lengths that disagree, and data that ends early.
        b"\x00\x05\x00\xfa\xfeHello\x00",
        b"\x00\x09\x00\xf6\xffHello\x00",
        // A block that does not end, with BFINAL and without.
        &HELLO[..5],
        &HELLO_FINAL[..5],
        // Rubbish behind a block with BFINAL.
        &[HELLO_FINAL, &[0xff]].concat(),
        // A reference before the first byte.
        HELLO_AGAIN,
    ] {
        // The decoder does not look into it.
        both_agreed("corrupt", |s| s.frame(FIN | RSV1 | TEXT, payload).says(compressed(payload)));
        assert_eq!(inflated(payload, b""), Err(InflateError::Corrupt), "{payload:02x?}");
    }
    let error = |error: InflateError| ProtocolError::from(error).close_code().get();
    assert_eq!((error(InflateError::Corrupt), error(InflateError::TooBig)), (1007, 1009));
}

#[test]
fn messages_in_fragments_and_others_between() {
    both_agreed("a byte each", |s| {
        let (last, parts) = HELLO.split_last().unwrap();
        let first = s.frame(RSV1 | TEXT, b"");
        let most = parts.iter().fold(first, |s, byte| s.frame(CONTINUATION, &[*byte]));
        most.frame(FIN, &[*last]).says(compressed(HELLO))
    });
    both_agreed("control frames between, which are not compressed", |s| {
        s.frame(RSV1 | TEXT, &HELLO[..1])
            .frame(PING, b"ping")
            .says(ping(b"ping"))
            .frame(CONTINUATION, &HELLO[1..3])
            .frame(PONG, b"")
            .says(pong(b""))
            .frame(FIN, &HELLO[3..])
            .says(compressed(HELLO))
    });
    both_agreed("messages that are compressed and messages that are not", |s| {
        s.frame(FIN | TEXT, b"a")
            .says(text("a"))
            .frame(FIN | RSV1 | BINARY, HELLO)
            .says(compressed_binary(HELLO))
            .frame(TEXT, b"b")
            .frame(FIN, b"c")
            .says(text("bc"))
            .frame(RSV1 | TEXT, HELLO)
            .frame(FIN, b"\0")
            .says(compressed(&[HELLO, b"\0"].concat()))
            .frame(FIN | BINARY, b"")
            .says(binary(b""))
    });
    both_agreed("a close inside a message", |s| {
        s.frame(RSV1 | TEXT, HELLO)
            .frame(CLOSE, b"\x03\xe8")
            .says(Said::Close(Some(1000), String::new()))
            .open()
    });
    both_agreed("a first fragment alone", |s| s.frame(RSV1 | TEXT, HELLO).open());
}

#[test]
fn what_travels_compressed_is_not_looked_at_as_text() {
    // Nothing of it is UTF-8, and neither is the message; that is for who decompresses it to say.
    let payload = b"\x00\x02\x00\xfd\xff\xc3\x28\x00";
    both_agreed("whole", |s| s.frame(FIN | RSV1 | TEXT, payload).says(compressed(payload)));
    both_agreed("in fragments", |s| {
        s.frame(RSV1 | TEXT, &payload[..3]).frame(FIN, &payload[3..]).says(compressed(payload))
    });
    both_agreed("a text behind it is", |s| {
        s.frame(RSV1 | TEXT, payload)
            .frame(FIN, b"")
            .says(compressed(payload))
            .frame(TEXT, b"\xc3")
            .frame(FIN, b"\x28")
            .fails(InvalidUtf8)
    });
}

#[test]
fn only_the_first_frame_of_a_message_is_marked() {
    both_agreed("a continuation of a message that is", |s| {
        s.frame(RSV1 | TEXT, HELLO).raw(&[FIN | RSV1]).fails(MisplacedCompression)
    });
    both_agreed("a continuation of a message that is not", |s| {
        s.frame(TEXT, b"a").raw(&[RSV1]).fails(MisplacedCompression)
    });
    both_agreed("a continuation of nothing", |s| s.raw(&[FIN | RSV1]).fails(MisplacedCompression));
    for control in [CLOSE, PING, PONG] {
        both_agreed("a control frame", |s| s.raw(&[control | RSV1]).fails(MisplacedCompression));
        both_agreed("a control frame inside", |s| {
            s.frame(RSV1 | BINARY, HELLO).raw(&[control | RSV1]).fails(MisplacedCompression)
        });
    }
    both_agreed("a message inside a message", |s| {
        s.frame(RSV1 | TEXT, HELLO).header(FIN | RSV1 | TEXT, Form::Seven, 1).fails(ExpectedContinuation)
    });
    for bits in [0x10, 0x20, 0x30] {
        both_agreed("the other bits", |s| s.raw(&[FIN | TEXT | bits]).fails(ReservedBits));
        both_agreed("the other bits too", |s| s.raw(&[FIN | TEXT | RSV1 | bits]).fails(ReservedBits));
    }
    both_agreed("an opcode without a meaning", |s| s.raw(&[FIN | RSV1 | 0x03]).fails(ReservedOpcode(0x03)));
    both("what is not agreed on", |s| s.raw(&[FIN | RSV1 | TEXT]).fails(ReservedBits));
}

#[test]
fn compressed_messages_are_limited_when_the_header_is_there() {
    for role in [Role::Server, Role::Client] {
        let ten = DecoderConfig { max_message: 10, max_frames: 3, ..with_deflate(role) };
        let s = |name| Script::new(name, role);
        // An eighth more and 64 bytes: as much as ten bytes can become.
        let longest = [b'x'; 75];
        s("exactly").frame(FIN | RSV1 | TEXT, &longest).says(compressed(&longest)).check_by(&ten);
        s("one more").header(FIN | RSV1 | TEXT, Form::Seven, 76).fails(MessageTooBig).check_by(&ten);
        s("fragments, exactly")
            .frame(RSV1 | TEXT, &longest[..70])
            .frame(CONTINUATION, b"xxxxx")
            .frame(FIN, b"")
            .says(compressed(&longest))
            .check_by(&ten);
        s("fragments, one more")
            .frame(RSV1 | BINARY, &longest)
            .header(FIN, Form::Seven, 1)
            .fails(MessageTooBig)
            .check_by(&ten);
        s("what is not compressed has no more room")
            .frame(FIN | RSV1 | TEXT, HELLO)
            .says(compressed(HELLO))
            .header(FIN | TEXT, Form::Seven, 11)
            .fails(MessageTooBig)
            .check_by(&ten);
        s("frames")
            .frame(RSV1 | TEXT, HELLO)
            .frame(CONTINUATION, b"")
            .frame(CONTINUATION, b"")
            .header(FIN, Form::Seven, 0)
            .fails(TooManyFrames)
            .check_by(&ten);
        let endless = DecoderConfig { max_message: usize::MAX, ..with_deflate(role) };
        s("no limit")
            .header(RSV1 | BINARY, Form::SixtyFour, (1 << 63) - 1)
            .raw(b"abc")
            .open()
            .check_by(&endless);
    }
}
