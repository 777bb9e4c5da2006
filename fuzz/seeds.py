#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets into their corpora: real examples, and each rule's edge, in the form that the checks in
tests/corpora/ take apart. Without them a fuzzer does not come past the first check. Run it anew after a change of a form."""

import random
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent / "corpus"


# --- Handshakes: side and context, pieces, a head ---------------------------------------------------------------------

REQUEST = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
]
RESPONSE = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
]
ASKED, ANSWERED, OFFERED, LONG, WINDOW_11 = 0, 1, 2, 4, 0xB2


def head(lines: list[str]) -> bytes:
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def but(lines: list[str], *new: str) -> list[str]:
    """The lines with those of the same name replaced: `Host: h`, or `Host` for none; other ones are added."""
    kept = list(lines)
    for line in new:
        name = line.split(":")[0]
        same = [i for i, old in enumerate(kept) if i > 0 and old.split(":")[0] == name]
        if same:
            kept[same[0] : same[0] + 1] = [line] if ":" in line else []
        else:
            kept.append(line)
    return kept


def handshakes() -> dict[str, bytes]:
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    requests = {
        "sample": REQUEST,
        "browser": but(
            REQUEST,
            "Connection: keep-alive, Upgrade",
            "Cache-Control: no-cache",
            "Origin: http://server.example.com",
            "Accept-Encoding: gzip, deflate, br",
            "Sec-WebSocket-Protocol: chat, superchat",
            f"{offer}; client_max_window_bits",
        ),
        "absolute": ["GET ws://h:80/a?b HTTP/1.1", *REQUEST[1:]],
        "query": ["GET /?q HTTP/1.1", *REQUEST[1:]],
        "fragment": ["GET /#a HTTP/1.1", *REQUEST[1:]],
        "asterisk": ["GET * HTTP/1.1", *REQUEST[1:]],
        "post": ["POST / HTTP/1.1", *REQUEST[1:]],
        "http-1.0": ["GET / HTTP/1.0", *REQUEST[1:]],
        "http-2": ["PRI * HTTP/2.0"],
        "no-host": but(REQUEST, "Host"),
        "two-hosts": [*REQUEST, "Host: other"],
        "ipv6-host": but(REQUEST, "Host: [::1]:8080"),
        "no-host-named": but(REQUEST, "Host: a/b"),
        "no-upgrade": but(REQUEST, "Upgrade"),
        "h2c": but(REQUEST, "Upgrade: h2c, WebSocket"),
        "no-connection": but(REQUEST, "Connection: keep-alive"),
        "no-version": but(REQUEST, "Sec-WebSocket-Version"),
        "version-013": but(REQUEST, "Sec-WebSocket-Version: 013"),
        "version-8": but(REQUEST, "Sec-WebSocket-Version: 8"),
        "two-keys": [*REQUEST, REQUEST[4]],
        "short-key": but(REQUEST, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ="),
        "key-with-bits": but(REQUEST, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="),
        "body": but(REQUEST, "Content-Length: 5"),
        "no-body": but(REQUEST, "Content-Length: 0"),
        "chunked": but(REQUEST, "Transfer-Encoding: chunked"),
        "protocol-in-parts": [*REQUEST, "Sec-WebSocket-Protocol: a,, b", "Sec-WebSocket-Protocol: c"],
        "no-protocol": but(REQUEST, "Sec-WebSocket-Protocol: a b"),
        "folded": [*REQUEST[:2], " folded", *REQUEST[2:]],
        "nul": but(REQUEST, "Host: h\0"),
        "latin-1": but(REQUEST, "X-Name: \xe9"),
    }
    offers = {
        "takeover": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "windows": "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
        "quoted": 'permessage-deflate; server_max_window_bits="1\\0"',
        "declined": "permessage-deflate; server_max_window_bits=7, permessage-deflate; client_max_window_bits",
        "twice": "permessage-deflate; client_max_window_bits; client_max_window_bits=10, x-webkit-deflate-frame",
        "unknown": "permessage-bzip2; a=b ; c, permessage-deflate;server_max_window_bits = 15",
        "malformed": "permessage-deflate; =1",
    }
    for name, value in offers.items():
        requests[f"offer-{name}"] = [*REQUEST, f"Sec-WebSocket-Extensions: {value}"]
    requests["offers-in-fields"] = [*REQUEST, f"{offer}; foo", offer]
    seeds = {}
    for i, (name, lines) in enumerate(requests.items()):
        pieces = i % 8
        seeds[name] = bytes([ASKED, pieces]) + head(lines)
        if "offer" in name or name == "browser":
            seeds[f"{name}-with-context"] = bytes([WINDOW_11, pieces]) + head(lines)
    seeds["bare-lf"] = bytes([ASKED, 2]) + head(REQUEST).replace(b"\r\n", b"\n")
    seeds["frame-behind"] = bytes([ASKED, 3]) + head(REQUEST) + bytes.fromhex("818537fa213d7f9f4d5158")
    seeds["part"] = bytes([ASKED, 2]) + head(REQUEST)[:100]
    seeds["many-fields"] = bytes([ASKED, 3]) + b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n"
    seeds["long-target"] = bytes([ASKED | LONG, 3]) + head(["GET /~~~~ HTTP/1.1", *REQUEST[1:]])
    seeds["long-field"] = bytes([ASKED | LONG, 7]) + head([*REQUEST, "X: ~~~~", "Y: ~"])
    seeds["long-and-wrong"] = bytes([ASKED | LONG, 11]) + head([*REQUEST, "X: ~~~~~", "Y: \0"])
    seeds["long-enough"] = bytes([ASKED | LONG, 15]) + head([*REQUEST, "X: ~~~"])
    seeds["response-long"] = bytes([ANSWERED | LONG, 15]) + head([*RESPONSE, "X: ~~~~~", "Y: \0"])
    seeds["empty-lines-before"] = bytes([ASKED, 2]) + b"\r\n\r\n" + head(REQUEST)
    seeds["options-asterisk"] = bytes([ASKED, 4]) + head(["OPTIONS * HTTP/1.1", *REQUEST[1:]])
    seeds["head"] = bytes([ASKED, 5]) + head(["HEAD /chat HTTP/1.1", *REQUEST[1:]])
    empty = ["Sec-WebSocket-Protocol: ", "Sec-WebSocket-Extensions: ,"]
    seeds["empty-offers"] = bytes([ASKED, 6]) + head([*REQUEST, *empty])
    seeds["tls"] = bytes([ASKED, 1]) + bytes.fromhex("16030100a5010000a10303")
    responses = {
        "sample": RESPONSE,
        "keep-alive": but(RESPONSE, "Connection: keep-alive, upgrade", "Server: x"),
        "protocol": but(RESPONSE, "Sec-WebSocket-Protocol: chat"),
        "extension": but(RESPONSE, offer),
        "no-extension": but(RESPONSE, "Sec-WebSocket-Extensions: ,"),
        "no-upgrade": but(RESPONSE, "Upgrade"),
        "two-upgrades": [*RESPONSE, "Upgrade: h2c"],
        "no-accept": but(RESPONSE, "Sec-WebSocket-Accept"),
        "wrong-accept": but(RESPONSE, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO="),
        "http-1.0": ["HTTP/1.0 101 OK", *RESPONSE[1:]],
        "no-phrase": ["HTTP/1.1 101", *RESPONSE[1:]],
        "400": ["HTTP/1.1 400 Bad Request", "Connection: close", "Content-Length: 0"],
        "302": ["HTTP/1.1 302 Found", "Location: http://h/"],
    }
    for i, (name, lines) in enumerate(responses.items()):
        seeds[f"response-{name}"] = bytes([ANSWERED, i % 8]) + head(lines)
    answers = {
        "plain": (0, "permessage-deflate"),
        "takeover": (2, "permessage-deflate; server_no_context_takeover; client_max_window_bits=9"),
        "takeover-not-as-asked": (2, "permessage-deflate"),
        "window": (3, "permessage-deflate; server_max_window_bits=12; client_no_context_takeover"),
        "window-too-large": (3, "permessage-deflate; server_max_window_bits=13"),
        "window-without-size": (1, "permessage-deflate; client_max_window_bits"),
        "window-not-offered": (0, "permessage-deflate; client_max_window_bits=9"),
        "twice": (1, "permessage-deflate, permessage-deflate"),
        "quoted": (1, 'permessage-deflate; client_max_window_bits="1\\2"'),
        "other": (1, "x-webkit-deflate-frame"),
    }
    for name, (offer_made, value) in answers.items():
        choice = ANSWERED | OFFERED | offer_made << 4
        seeds[f"answer-{name}"] = bytes([choice, 3]) + head([*RESPONSE, f"Sec-WebSocket-Extensions: {value}"])
    seeds["response-frame-behind"] = bytes([ANSWERED, 1]) + head(RESPONSE) + b"\x81\x02hi"
    return seeds


# --- Streams of frames: role and rules, pieces, a limit of memory, the stream -----------------------------------------

FIN, RSV1, MASKED = 0x80, 0x40, 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = bytes.fromhex("37fa213d")
SERVER, CLIENT, DEFLATE, TEN_BYTES, THREE_FRAMES = 0, 1, 2, 8, 32


def frame(first: int, payload: bytes, key: bytes = b"", form: int = 0) -> bytes:
    """A frame, masked if there is a key; `form` 126 or 127 makes its length longer than it need be."""
    form = max(form, 0 if len(payload) < 126 else 126 if len(payload) < 1 << 16 else 127)
    length = {0: b"", 126: len(payload).to_bytes(2), 127: len(payload).to_bytes(8)}[form]
    second = (form or len(payload)) | (MASKED if key else 0)
    masked = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload)) if key else payload
    return bytes([first, second]) + length + key + masked


def deflated(payload: bytes) -> bytes:
    """A message as RFC 7692 section 7.2.1 makes it."""
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def streams() -> dict[str, bytes]:
    hello = [(FIN | RSV1 | TEXT, deflated(b"Hello"))]
    frames = {
        "text": [(FIN | TEXT, b"Hello")],
        "binary": [(FIN | BINARY, bytes(range(256)))],
        "long": [(FIN | BINARY, b"x" * 2000)],
        "fragments": [(TEXT, b"Hel"), (CONTINUATION, b""), (FIN, b"lo")],
        "ping-between": [(TEXT, b"\xe2\x82"), (FIN | PING, b"p"), (FIN | PONG, b""), (FIN, b"\xac")],
        "empty": [(FIN | TEXT, b""), (BINARY, b""), (FIN, b"")],
        "close": [(FIN | CLOSE, b"\x03\xe8bye")],
        "close-in-message": [(TEXT, b"a"), (FIN | CLOSE, b"")],
        "close-4999": [(FIN | CLOSE, b"\x13\x87" + b"x" * 123)],
        "close-1005": [(FIN | CLOSE, b"\x03\xed")],
        "close-short": [(FIN | CLOSE, b"\x03")],
        "close-not-utf8": [(FIN | CLOSE, b"\x03\xe8\xc3")],
        "ping-125": [(FIN | PING, b"p" * 125)],
        "ping-126": [(FIN | PING, b"p" * 126)],
        "ping-in-fragments": [(PING, b"p")],
        "bad-utf8": [(TEXT, b"ab\xf4"), (FIN, b"\x90zz")],
        "half-character": [(FIN | TEXT, b"a\xf0\x9f\x98")],
        "reserved-bits": [(FIN | 0x30 | TEXT, b"a")],
        "reserved-opcode": [(FIN | 3, b"a")],
        "continuation-of-nothing": [(FIN, b"a")],
        "message-in-message": [(TEXT, b"a"), (FIN | TEXT, b"b")],
        "eleven-bytes": [(FIN | TEXT, b"0123456789"), (BINARY, b"0123456789"), (FIN, b"a")],
        "four-frames": [(TEXT, b"a"), (0, b""), (FIN, b""), (TEXT, b"a"), (0, b"b"), (0, b""), (FIN, b"c")],
        "compressed": hello,
        "compressed-in-fragments": [(RSV1 | TEXT, hello[0][1][:3]), (FIN | PING, b"p"), (FIN, hello[0][1][3:])],
        "compressed-then-not": [*hello, (FIN | TEXT, b"a"), (FIN | RSV1 | BINARY, b"\0")],
        "compressed-continuation": [(TEXT, b"a"), (FIN | RSV1, b"b")],
        "compressed-ping": [(FIN | RSV1 | PING, b"p")],
        "compressed-long": [(FIN | RSV1 | BINARY, b"\x00" * 76)],
    }
    seeds = {}
    for i, (name, stream) in enumerate(frames.items()):
        for role, key, who in [(SERVER, KEY, "client"), (CLIENT, b"", "server")]:
            rules = role | (DEFLATE if "compressed" in name else 0)
            rules |= TEN_BYTES if name in {"eleven-bytes", "compressed-long"} else 0
            rules |= THREE_FRAMES if name == "four-frames" else 0
            written = b"".join(frame(first, payload, key) for first, payload in stream)
            seeds[f"{who}-{name}"] = bytes([rules, i % 8, 255 if i % 3 else 7]) + written
    server, client = bytes([SERVER, 1, 255]), bytes([CLIENT, 1, 255])
    seeds |= {
        "not-masked": server + frame(FIN | TEXT, b"a"),
        "masked": client + frame(FIN | TEXT, b"a", KEY),
        "not-minimal-16": server + frame(FIN | TEXT, b"a" * 9, KEY, 126),
        "not-minimal-64": client + frame(FIN | BINARY, b"a" * 200, b"", 127),
        "length-overflow": client + bytes([FIN | BINARY, 127, 0x80]) + bytes(7),
        "too-big": server + bytes([FIN | BINARY, MASKED | 127]) + b"\x7f" + b"\xff" * 7 + KEY,
        "any-size": bytes([CLIENT | 12, 1, 9, BINARY, 127, 0x7F]) + b"\xff" * 7 + b"abc",
        "not-agreed": client + frame(FIN | RSV1 | TEXT, b"a"),
        "half-a-header": server + bytes([FIN | TEXT, MASKED | 126, 1]),
    }
    return seeds


# --- Compressed messages: what is tried, and what it takes ------------------------------------------------------------


def received(message: bytes, context: bytes = b"", most: int = 5000, long: bool = False) -> bytes:
    return bytes([2 if long else 0]) + most.to_bytes(2) + bytes([len(context)]) + context + message


def sent(level: int, bits: int, times: int, takeover: bool, *messages: bytes) -> bytes:
    choice = 1 | times << 2 | (0x80 if takeover else 0)
    return bytes([choice, level - 1, bits - 9]) + b"".join(bytes([len(one)]) + one for one in messages)


def messages() -> dict[str, bytes]:
    # The examples of RFC 7692 section 7.2.3.
    hello, again = bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f200110000")
    final = bytes.fromhex("f348cdc9c90700")
    stored = bytes.fromhex("000500faff48656c6c6f00")
    text = ((ROOT.parent.parent / "LICENSE-MIT").read_bytes(), b"the quick brown fox jumps over the lazy dog, " * 5)
    seeds = {
        "hello": received(hello),
        "hello-again": received(again, b"Hello"),
        "hello-unknown": received(again, b"ell"),
        "hello-far": received(again, b"Hello", long=True),
        "hello-too-big": received(hello, most=4),
        "hello-exactly": received(hello, most=5),
        "stored": received(stored),
        "final": received(final),
        "final-and-a-byte": received(final + b"\0"),
        "final-and-more": received(final + again),
        "final-and-more-in-context": received(final + again, b"before"),
        "two-blocks": received(bytes.fromhex("f24805000000ffffcac9c90700")),
        "nothing": received(b""),
        "empty": received(b"\0"),
        "empty-fixed": received(b"\x02\0"),
        "empty-final": received(b"\x03\0"),
        "empty-final-stored": received(bytes.fromhex("010000ffff")),
        "reserved-type": received(b"\x07\0"),
        "lengths-disagree": received(bytes.fromhex("000500fbff48")),
        "tail-as-data": received(bytes.fromhex("000400fbff")),
        "ends-behind": received(bytes.fromhex("05c0b10d00300cc3b05b29b7ffbf1002")),
        "cut": received(deflated(text[0])[:200]),
        "bomb": received(deflated(b"\0" * 60_000), most=40_000),
        "streams": received(b"\x03\0" * 63 + b"\0"),
        "streams-without-end": received(b"\x03\0" * 100),
        "no-bomb": received(deflated(b"\0" * 40_000), most=40_000),
        "dynamic": received(deflated(text[0])),
        "in-context": received(deflated(text[1]), text[1][:200]),
        "sent-empty": sent(1, 15, 0, True, b"", b"a", b"", b"a"),
        "sent-alone": sent(6, 15, 0, False, b"Hello", b"Hello"),
        "sent-in-context": sent(6, 15, 0, True, b"Hello", b"Hello"),
        "sent-small-window": sent(9, 9, 3, True, *[text[0][at : at + 200] for at in range(0, 1000, 200)]),
        "sent-repeated": sent(1, 10, 3, False, text[1]),
    }
    for level in range(1, 10):
        parts = [text[0][at : at + 100] for at in range(0, 600, 100)]
        seeds[f"sent-level-{level}"] = sent(level, 8 + level % 7 + 1, level % 4, level % 2 == 0, *parts)
    for strategy, name in [(zlib.Z_HUFFMAN_ONLY, "huffman"), (zlib.Z_RLE, "rle"), (zlib.Z_FIXED, "fixed")]:
        stream = zlib.compressobj(wbits=-15, strategy=strategy)
        seeds[name] = received(stream.compress(text[0]) + stream.flush(zlib.Z_SYNC_FLUSH)[:-4])
    return seeds


# --- What input costs: who reads it, and a stream, a message or a request -------------------------------------------------


class Bits:
    """Bits in the order of DEFLATE."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def put(self, value: int, count: int) -> None:
        self.bits += [value >> at & 1 for at in range(count)]

    def code(self, code: int, count: int) -> None:
        self.bits += [code >> at & 1 for at in reversed(range(count))]

    def tables(self) -> None:
        """An empty block with codes of its own, for which the largest tables are built (RFC 1951, section 3.2.7)."""
        self.put(0b100, 3)
        self.put(29, 5)
        self.put(15, 5)
        self.put(15, 4)
        for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15):
            self.put(0 if symbol in (16, 17, 0) else 4, 3)
        for length in (*range(1, 16), "zeros", 138, "zeros", 103, 15, "zeros", 29, *range(1, 16), 15):
            if length == "zeros":
                self.code(15, 4)
            elif length > 15:
                self.put(length - 11, 7)
            else:
                self.code(length - 1, 4)
        self.code((1 << 15) - 1, 15)

    def bytes(self) -> bytes:
        padded = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(sum(bit << i for i, bit in enumerate(padded[at : at + 8])) for at in range(0, len(padded), 8))


def costs() -> dict[str, bytes]:
    def stream(frames: bytes, pieces: int = 3, compressed: bool = False) -> bytes:
        return bytes([0, pieces, compressed]) + frames

    def message(compressed: bytes, most: int = 60_000, context: bytes = b"") -> bytes:
        return bytes([1]) + most.to_bytes(2, "big") + bytes([len(context)]) + context + compressed

    def request(text: str) -> bytes:
        return bytes([2]) + text.encode()

    def frame(first: int, payload: bytes = b"") -> bytes:
        return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload

    tables, empty = Bits(), Bits()
    for _ in range(120):
        tables.tables()
    for _ in range(3000):
        empty.put(0b010, 10)
    for bits in (tables, empty):
        bits.put(0, 3)
    noise = random.Random(7).randbytes(2500)
    return {
        "pings": stream(frame(0x89) * 600),
        "empty-messages": stream(frame(0x82) * 600),
        "empty-fragments": stream(frame(0x01) + frame(0x00) * 600 + frame(0x80)),
        "byte-by-byte": stream(frame(0x81, b"hello") * 20, pieces=0),
        "large-in-pieces": stream(bytes([0x82, 0xFE]) + (3000).to_bytes(2, "big") + bytes(3004), pieces=1),
        "broken": stream(frame(0x89) * 10 + b"\xff" * 10),
        "bomb": message(deflated(bytes(60_000))),
        "too-big": message(deflated(bytes(60_000)), most=100),
        "streams": message(b"\x03\0" * 63 + b"\0"),
        "streams-without-end": message(b"\x03\0" * 1500),
        "streams-with-context": message(deflated(noise) + b"\0\0\xff\xff" + b"\x03\0" * 60 + b"\0", context=noise[:255]),
        "tables": message(tables.bytes()),
        "empty-blocks": message(empty.bytes()),
        "flushes": message(b"\0\0\0\xff\xff" * 700 + b"\0"),
        "nothing": message(b"\0", context=noise[:255]),
        "subscribe": request('{"type":"subscribe","topic":"news","id":1,"since":{"offset":7,"epoch":"000000ab-3"}}'),
        "publish": request('{"type":"publish","topic":"a","data":"\\u0001\\ud83d\\ude00","id":"x"}'),
        "base64": request('{"type":"publish","topic":"a","base64":"' + "AAAA" * 700 + '"}'),
        "deep": request('{"type":"ping","id":' + "[" * 120 + "]" * 120 + "}"),
        "many-members": request("{" + ",".join(f'"{number}":{number}' for number in range(300)) + "}"),
        "same-member": request("{" + ",".join(['"topic":"a"'] * 300) + "}"),
        "list": request('{"type":"ping","id":[' + ",".join(["{}"] * 900) + "]}"),
        "escapes": request('{"type":"' + "\\u0000" * 500 + '"}'),
        "no-json": request("\0" * 100),
    }


# --- The whole server: bytes that decide, one by one ------------------------------------------------------------------


def schedules() -> dict[str, bytes]:
    """Any bytes are a schedule, so these are: short ones, long ones, and some where a few decisions come again and again."""
    seeds = {"nothing": b"", "calm": bytes(400), "late": b"\xff" * 400}
    for number in range(24):
        source = random.Random(number)
        seeds[f"schedule-{number:02}"] = source.randbytes(150 + 100 * number)
    for number in range(8):
        source = random.Random(1000 + number)
        words = [source.randbytes(source.randrange(1, 12)) for _ in range(6)]
        seeds[f"again-{number}"] = source.randbytes(40) + b"".join(source.choices(words, k=200))[:2000]
    return seeds


TARGETS = {"handshake": handshakes, "decoder": streams, "deflate": messages, "cost": costs, "server": schedules}


def main() -> int:
    written = 0
    for target, make in TARGETS.items():
        seeds = make()
        (ROOT / target).mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (ROOT / target / name).write_bytes(content)
        written += len(seeds)
    print(f"{written} seeds in {ROOT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
