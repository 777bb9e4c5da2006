//! What every peer may say, as bytes with the events they must give, for both roles, however the bytes arrive.

use throng::ws::Role;

use super::replay::Said;
use super::script::*;

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455 section 5.7.
    let hello = || text("Hello");
    Script::new("unmasked text", Role::Client).raw(b"\x81\x05Hello").says(hello()).check();
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    Script::new("masked text", Role::Server).raw(masked).says(hello()).check();
    Script::new("fragments", Role::Client).raw(b"\x01\x03Hel\x80\x02lo").says(hello()).check();
    Script::new("ping", Role::Client).raw(b"\x89\x05Hello").says(ping(b"Hello")).check();
    let masked = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    Script::new("masked pong", Role::Server).raw(masked).says(pong(b"Hello")).check();
    let payload: Vec<u8> = (0..=255).collect();
    let framed = [b"\x82\x7e\x01\x00", &payload[..]].concat();
    Script::new("256 bytes", Role::Client).raw(&framed).says(binary(&payload)).check();
    let payload = payload.repeat(256);
    let framed = [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", &payload[..]].concat();
    Script::new("64 KiB", Role::Client).raw(&framed).says(binary(&payload)).check();
}

#[test]
fn messages_of_one_frame() {
    both("empty text", |s| s.frame(FIN | TEXT, b"").says(text("")));
    both("empty binary", |s| s.frame(FIN | BINARY, b"").says(binary(b"")));
    both("a BOM, a NUL and a non-character are text", |s| {
        s.frame(FIN | TEXT, "\u{feff}\0\u{ffff}".as_bytes()).says(text("\u{feff}\0\u{ffff}"))
    });
    both("the ends of each length of character", |s| {
        let ends = "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}";
        s.frame(FIN | TEXT, ends.as_bytes()).says(text(ends))
    });
    both("several in a row", |s| {
        s.frame(FIN | TEXT, b"a")
            .says(text("a"))
            .frame(FIN | BINARY, b"\xff")
            .says(binary(b"\xff"))
            .frame(PING, b"")
            .says(ping(b""))
            .frame(FIN | TEXT, b"b")
            .says(text("b"))
    });
    let payload: Vec<u8> = (0..=255).cycle().take(65_537).collect();
    for len in [125, 126, 127, 65_535, 65_536, 65_537] {
        both("binary at the edge of a form", |s| {
            s.frame(FIN | BINARY, &payload[..len]).says(binary(&payload[..len]))
        });
    }
}

#[test]
fn control_frames() {
    for payload in [&b""[..], b"\xff", &[b'x'; 125]] {
        both("ping", |s| s.frame(PING, payload).says(ping(payload)));
        both("pong", |s| s.frame(PONG, payload).says(pong(payload)));
    }
    both("close without a body", |s| s.frame(CLOSE, b"").says(Said::Close(None, String::new())));
    for code in [1000_u16, 1003, 1007, 1014, 3000, 4999] {
        both("close with a code", |s| {
            s.frame(CLOSE, &code.to_be_bytes()).says(Said::Close(Some(code), String::new()))
        });
    }
    let reason = format!("{}é", "x".repeat(121));
    let body = [b"\x03\xe8", reason.as_bytes()].concat();
    both("close with the longest reason", |s| {
        s.frame(CLOSE, &body).says(Said::Close(Some(1000), reason.clone()))
    });
}

#[test]
fn messages_in_fragments() {
    both("two", |s| s.frame(TEXT, b"a").frame(FIN, b"b").says(text("ab")));
    both("three", |s| {
        s.frame(BINARY, b"\xff").frame(CONTINUATION, b"").frame(FIN, b"\xfe").says(binary(b"\xff\xfe"))
    });
    both("an empty first", |s| s.frame(TEXT, b"").frame(FIN, b"b").says(text("b")));
    both("an empty last", |s| s.frame(TEXT, b"a").frame(FIN, b"").says(text("a")));
    both("all empty, then another message", |s| {
        s.frame(TEXT, b"")
            .frame(CONTINUATION, b"")
            .frame(FIN, b"")
            .says(text(""))
            .frame(BINARY, b"")
            .frame(FIN, b"")
            .says(binary(b""))
            .frame(FIN | TEXT, b"x")
            .says(text("x"))
    });
    both("a fragmented message after another", |s| {
        s.frame(TEXT, b"a")
            .frame(FIN, b"b")
            .says(text("ab"))
            .frame(BINARY, b"c")
            .frame(FIN, b"d")
            .says(binary(b"cd"))
    });
    both("characters that lie over fragments", |s| {
        s.frame(TEXT, b"\xf0")
            .frame(CONTINUATION, b"\x9f")
            .frame(CONTINUATION, b"\x98")
            .frame(CONTINUATION, b"\x80\xc3")
            .frame(FIN, b"\xa9")
            .says(text("😀é"))
    });
    both("a first fragment alone", |s| s.frame(TEXT, b"a").open());
    both("a header alone", |s| s.header(FIN | TEXT, Form::Seven, 1).open());
    both("one byte", |s| s.raw(b"\x81").open());
}

#[test]
fn control_frames_inside_a_message() {
    both("empty ping", |s| {
        s.frame(TEXT, b"a").frame(PING, b"").says(ping(b"")).frame(FIN, b"b").says(text("ab"))
    });
    both("ping", |s| {
        s.frame(TEXT, b"a").frame(PING, b"pi").says(ping(b"pi")).frame(FIN, b"b").says(text("ab"))
    });
    both("ping and pong behind an empty fragment", |s| {
        s.frame(BINARY, b"")
            .frame(PING, b"i")
            .says(ping(b"i"))
            .frame(PONG, b"o")
            .says(pong(b"o"))
            .frame(FIN, b"")
            .says(binary(b""))
    });
    both("inside a character", |s| {
        s.frame(TEXT, b"\xe2\x82")
            .frame(PING, b"\xff")
            .says(ping(b"\xff"))
            .frame(FIN, b"\xac")
            .says(text("€"))
    });
    both("between all fragments and after", |s| {
        s.frame(TEXT, b"a")
            .frame(PONG, b"1")
            .says(pong(b"1"))
            .frame(CONTINUATION, b"b")
            .frame(PONG, b"2")
            .says(pong(b"2"))
            .frame(FIN, b"c")
            .says(text("abc"))
            .frame(PONG, b"3")
            .says(pong(b"3"))
    });
    both("close", |s| {
        s.frame(TEXT, b"a").frame(CLOSE, b"\x03\xe8x").says(Said::Close(Some(1000), "x".into())).open()
    });
}
