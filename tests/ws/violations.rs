//! What no peer may say, as bytes with the error they must give and the byte that must give it, however the bytes arrive.

use throng::ws::ProtocolError::{self, *};
use throng::ws::{DecoderConfig, Role};

use super::replay::config;
use super::script::*;

#[test]
fn first_bytes_that_fail_at_once() {
    for bits in [0x10, 0x20, 0x40, 0x70] {
        both("reserved bits", |s| s.raw(&[FIN | TEXT | bits]).fails(ReservedBits));
        both("reserved bits of a ping", |s| s.raw(&[PING | bits]).fails(ReservedBits));
        both("reserved bits of a continuation", |s| {
            s.frame(TEXT, b"a").raw(&[FIN | bits]).fails(ReservedBits)
        });
    }
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        both("reserved opcode", |s| s.raw(&[FIN | opcode]).fails(ReservedOpcode(opcode)));
        both("reserved opcode inside a message", |s| {
            s.frame(TEXT, b"a").raw(&[opcode]).fails(ReservedOpcode(opcode))
        });
    }
    for opcode in [CLOSE, PING, PONG] {
        both("control frame in fragments", |s| s.raw(&[opcode & !FIN]).fails(ControlFragmented));
    }
}

#[test]
fn second_bytes_that_fail_at_once() {
    for first in [FIN | TEXT, FIN | BINARY, TEXT, PING, CLOSE] {
        Script::new("no mask", Role::Server).raw(&[first, 0x00]).fails(NotMasked).check();
        Script::new("no mask", Role::Server).raw(&[first, 0x7f]).fails(NotMasked).check();
        Script::new("a mask", Role::Client).raw(&[first, 0x80]).fails(Masked).check();
        Script::new("a mask", Role::Client).raw(&[first, 0xff]).fails(Masked).check();
    }
    for first in [CLOSE, PING, PONG] {
        Script::new("long control frame", Role::Server).raw(&[first, 0xfe]).fails(ControlTooLong).check();
        Script::new("long control frame", Role::Client).raw(&[first, 0x7e]).fails(ControlTooLong).check();
        Script::new("huge control frame", Role::Client).raw(&[first, 0x7f]).fails(ControlTooLong).check();
    }
}

#[test]
fn lengths_fail_with_their_last_byte() {
    let key = |role| if role == Role::Server { 4 } else { 0 };
    let check = |name, form, len, error| {
        for role in [Role::Server, Role::Client] {
            Script::new(name, role).header(FIN | BINARY, form, len).fails_before(key(role), error).check();
        }
    };
    for len in [0, 1, 125] {
        check("16 bits for a short payload", Form::Sixteen, len, NonMinimalLength);
    }
    for len in [0, 125, 126, 65_535] {
        check("64 bits for a medium payload", Form::SixtyFour, len, NonMinimalLength);
    }
    for len in [1 << 63, 1 << 63 | 5, u64::MAX] {
        check("the highest bit", Form::SixtyFour, len, LengthOverflow);
    }
}

#[test]
fn continuations_must_continue() {
    both("a continuation of nothing", |s| s.header(FIN, Form::Seven, 3).fails(UnexpectedContinuation));
    both("a middle of nothing", |s| s.header(CONTINUATION, Form::Sixteen, 300).fails(UnexpectedContinuation));
    both("a continuation of a whole message", |s| {
        s.frame(FIN | TEXT, b"a").says(text("a")).header(FIN, Form::Seven, 0).fails(UnexpectedContinuation)
    });
    both("a continuation of a finished message", |s| {
        s.frame(TEXT, b"a")
            .frame(FIN, b"b")
            .says(text("ab"))
            .header(FIN, Form::Seven, 0)
            .fails(UnexpectedContinuation)
    });
    both("a ping continued", |s| {
        s.frame(PING, b"a").says(ping(b"a")).header(FIN, Form::Seven, 1).fails(UnexpectedContinuation)
    });
    for first in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        both("a message inside a message", |s| {
            s.frame(TEXT, b"").header(first, Form::Seven, 1).fails(ExpectedContinuation)
        });
    }
    both("a message inside a message behind a ping", |s| {
        s.frame(BINARY, b"a")
            .frame(PING, b"x")
            .says(ping(b"x"))
            .header(FIN | TEXT, Form::Seven, 0)
            .fails(ExpectedContinuation)
    });
}

#[test]
fn text_fails_at_its_first_wrong_byte() {
    // (what may still become text, the byte that cannot)
    for (good, bad) in [
        (&b""[..], 0x80),
        (b"", 0xc0),
        (b"", 0xff),
        (b"ab", 0xf5),
        (b"\xe0", 0x9f),
        (b"\xed", 0xa0),
        (b"\xf0", 0x8f),
        (b"\xf4", 0x90),
        (b"\xce\xba\xe1\xbd", 0x28),
    ] {
        let payload = [good, &[bad], b"zzz"].concat();
        both("bad text", |s| s.frame(FIN | TEXT, &payload).fails_before(3, InvalidUtf8));
        both("bad text after a good one", |s| {
            s.frame(FIN | TEXT, b"ok")
                .says(text("ok"))
                .frame(FIN | TEXT, &payload)
                .fails_before(3, InvalidUtf8)
        });
        both("bad first fragment", |s| s.frame(TEXT, &payload).fails_before(3, InvalidUtf8));
        both("bad second fragment", |s| {
            s.frame(TEXT, good).frame(FIN, &[bad, b'z']).fails_before(1, InvalidUtf8)
        });
        both("bad behind a ping", |s| {
            s.frame(TEXT, good)
                .frame(PING, &[bad])
                .says(ping(&[bad]))
                .frame(CONTINUATION, &[bad])
                .fails(InvalidUtf8)
        });
    }
    both("half a character at the end", |s| s.frame(FIN | TEXT, b"a\xf0\x9f\x98").fails(InvalidUtf8));
    both("half a character in the end", |s| s.frame(TEXT, b"a").frame(FIN, b"\xe2\x82").fails(InvalidUtf8));
    both("half a character before an empty end", |s| {
        s.frame(TEXT, b"a\xc3").frame(FIN, b"").fails(InvalidUtf8)
    });
}

#[test]
fn close_frames_fail_when_they_are_whole() {
    let check = |body: &[u8], error: ProtocolError| {
        both("bad close", |s| s.frame(CLOSE, body).fails(error));
        both("bad close in a message", |s| s.frame(TEXT, b"\xc3").frame(CLOSE, body).fails(error));
    };
    check(b"\x03", CloseBodyTooShort);
    check(b"\x03\xe8\xff", InvalidUtf8);
    check(b"\x03\xe8abc\xc3", InvalidUtf8);
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        check(&code.to_be_bytes(), InvalidCloseCode(code));
        check(&[&code.to_be_bytes(), &b"\xff"[..]].concat(), InvalidCloseCode(code));
    }
}

#[test]
fn messages_are_limited_in_bytes_when_the_header_is_there() {
    for role in [Role::Server, Role::Client] {
        let ten = DecoderConfig { max_message: 10, ..config(role) };
        let s = |name| Script::new(name, role);
        s("exactly").frame(FIN | TEXT, b"0123456789").says(text("0123456789")).check_by(&ten);
        s("one more").header(FIN | TEXT, Form::Seven, 11).fails(MessageTooBig).check_by(&ten);
        s("fragments, exactly")
            .frame(TEXT, b"01234")
            .frame(CONTINUATION, b"56789")
            .frame(FIN, b"")
            .says(text("0123456789"))
            .frame(FIN | TEXT, b"0123456789")
            .says(text("0123456789"))
            .check_by(&ten);
        s("fragments, one more")
            .frame(BINARY, b"0123456789")
            .header(CONTINUATION, Form::Seven, 1)
            .fails(MessageTooBig)
            .check_by(&ten);
        s("control frames do not count")
            .frame(TEXT, b"01234")
            .frame(PING, &[0; 125])
            .says(ping(&[0; 125]))
            .frame(FIN, b"56789")
            .says(text("0123456789"))
            .check_by(&ten);
        s("2^63 - 1")
            .header(FIN | BINARY, Form::SixtyFour, (1 << 63) - 1)
            .fails(MessageTooBig)
            .check_by(&ten);
        s("2^63 - 1 in fragments")
            .frame(TEXT, b"a")
            .header(FIN, Form::SixtyFour, (1 << 63) - 1)
            .fails(MessageTooBig)
            .check_by(&ten);
        let none = DecoderConfig { max_message: 0, ..config(role) };
        s("nothing")
            .frame(FIN | TEXT, b"")
            .says(text(""))
            .header(FIN | TEXT, Form::Seven, 1)
            .fails(MessageTooBig)
            .check_by(&none);
        let endless = DecoderConfig { max_message: usize::MAX, ..config(role) };
        s("no limit").header(BINARY, Form::SixtyFour, (1 << 63) - 1).raw(b"abc").open().check_by(&endless);
    }
}

#[test]
fn messages_are_limited_in_frames_when_the_header_is_there() {
    for role in [Role::Server, Role::Client] {
        let three = DecoderConfig { max_frames: 3, ..config(role) };
        let s = |name| {
            Script::new(name, role).frame(TEXT, b"").frame(CONTINUATION, b"").frame(PING, b"").says(ping(b""))
        };
        s("exactly")
            .frame(FIN, b"a")
            .says(text("a"))
            .frame(TEXT, b"")
            .frame(FIN, b"")
            .says(text(""))
            .check_by(&three);
        s("one more")
            .frame(CONTINUATION, b"")
            .header(FIN, Form::Seven, 0)
            .fails(TooManyFrames)
            .check_by(&three);
        let one = DecoderConfig { max_frames: 1, ..config(role) };
        let s = |name| Script::new(name, role).frame(FIN | TEXT, b"a").says(text("a"));
        s("no fragments").frame(TEXT, b"a").header(FIN, Form::Seven, 1).fails(TooManyFrames).check_by(&one);
    }
}
