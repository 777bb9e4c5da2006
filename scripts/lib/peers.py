"""Tries the servers of a peers.toml: that each does what throng-bench compare measures. A client of its own, without packages."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

WITHIN = 20
SIZES = [0, 20, 70_000, 1 << 20]
PIPELINED = 16
SUBSCRIBERS = 3
PING_INTERVAL = 1
# uWebSockets has timers of four seconds.
PING_WITHIN = 9
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Wrong(Exception):
    """What a server did that it must not."""


class Client:
    """A connection to one: frames are masked, one frame a message."""

    def __init__(self, port: int, path: str, offer: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WITHIN)
        self.rest = b""
        extensions = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
        self.socket.sendall(
            (
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
            ).encode()
        )
        while b"\r\n\r\n" not in self.rest:
            self.rest += self.some()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        self.fields = {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}
        if " 101 " not in f"{status} " or self.fields.get("sec-websocket-accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=":
            raise Wrong(f"the handshake was answered with {status!r}, {self.fields}")

    def some(self) -> bytes:
        data = self.socket.recv(1 << 20)
        if not data:
            raise Wrong("the connection was ended")
        return data

    def take(self, length: int) -> bytes:
        parts, have = [self.rest], len(self.rest)
        while have < length:
            parts.append(self.some())
            have += len(parts[-1])
        data = b"".join(parts)
        self.rest = data[length:]
        return data[:length]

    def send(self, *messages: tuple[int, bytes]) -> None:
        self.socket.sendall(b"".join(masked_frame(opcode, payload) for opcode, payload in messages))

    def frame(self) -> tuple[int, bytes]:
        """The first byte and the payload."""
        first, length = self.take(2)
        if length >= 126:
            length = int.from_bytes(self.take(2 if length == 126 else 8), "big")
        return first, self.take(length)

    def message(self) -> tuple[int, bytes]:
        """The opcode and the payload of the next message, Pings answered and left out."""
        while True:
            first, payload = self.frame()
            if first == 0x80 | PING:
                self.send((PONG, payload))
            elif first in (0x80 | TEXT, 0x80 | BINARY):
                return first & 15, payload
            else:
                raise Wrong(f"a frame begins with {first:#x}")

    def expect(self, *messages: tuple[int, bytes]) -> None:
        for number, (opcode, payload) in enumerate(messages):
            got = self.message()
            if got != (opcode, payload):
                what = f"opcode {got[0]}, {len(got[1])} bytes, {got[1][:20]!r}"
                raise Wrong(f"message {number} should be opcode {opcode}, {len(payload)} bytes; it is {what}")


def masked_frame(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        head = bytes([0x80 | opcode, 0x80 | length])
    elif length < 1 << 16:
        head = bytes([0x80 | opcode, 0x80 | 126]) + length.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + length.to_bytes(8, "big")
    key = b"\x37\xfa\x21\x3d"
    pad = (key * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + key + masked.to_bytes(length, "big")


# --- What is tried ------------------------------------------------------------------------------------------------------


def echoes(port: int) -> None:
    client = Client(port, "/")
    for size in SIZES:
        for opcode, letters in ((TEXT, b"abcdefg"), (BINARY, bytes(range(256)))):
            message = (opcode, (letters * (size // len(letters) + 1))[:size])
            client.send(message)
            client.expect(message)
    many = [(BINARY if number % 2 else TEXT, f"message {number}".encode()) for number in range(PIPELINED)]
    client.send(*many)
    client.expect(*many)
    client.send((PING, b"are you there"))
    answer = client.frame()
    if answer != (0x80 | PONG, b"are you there"):
        raise Wrong(f"a Ping was answered with {answer}")


def broadcasts(port: int) -> None:
    subscribers = [Client(port, "/feed") for _ in range(SUBSCRIBERS)]
    # A subscriber is one when its handshake is answered, or a moment later.
    time.sleep(0.3)
    publisher = Client(port, "/publish")
    many = [(TEXT, f"message {number}".encode()) for number in range(PIPELINED)]
    publisher.send(*many)
    for subscriber in subscribers:
        subscriber.expect(*many)
    # As text, however it came.
    publisher.send((BINARY, b"from bytes"))
    for subscriber in subscribers:
        subscriber.expect((TEXT, b"from bytes"))


def pings(port: int) -> None:
    client = Client(port, "/")
    for _ in range(2):
        since = time.monotonic()
        client.socket.settimeout(PING_WITHIN)
        try:
            first, payload = client.frame()
        except TimeoutError as error:
            raise Wrong(f"no Ping within {PING_WITHIN} s") from error
        if first != 0x80 | PING:
            raise Wrong(f"a frame begins with {first:#x} where a Ping should come")
        client.send((PONG, payload))
        print(f"    a Ping after {time.monotonic() - since:.1f} s", flush=True)
    client.socket.settimeout(WITHIN)
    client.send((TEXT, b"still there"))
    client.expect((TEXT, b"still there"))


def compresses(port: int) -> None:
    client = Client(port, "/", offer="permessage-deflate")
    agreed = client.fields.get("sec-websocket-extensions", "")
    if "permessage-deflate" not in agreed or "server_no_context_takeover" not in agreed:
        raise Wrong(f"the extensions agreed on are {agreed!r}")
    client.send((TEXT, b"a" * 4000))
    first, payload = client.frame()
    if first != 0xC0 | TEXT or len(payload) > 400:
        raise Wrong(f"the reply's first byte is {first:#x}, and it has {len(payload)} bytes")
    # Who does not offer it does not get it.
    plain = Client(port, "/")
    plain.send((TEXT, b""), (TEXT, b"a" * 4000))
    plain.expect((TEXT, b""), (TEXT, b"a" * 4000))


# --- Servers --------------------------------------------------------------------------------------------------------------


def command_of(peer: dict, folder: Path, port: int, extra: str = "") -> list[str]:
    line = f"{peer['command']} {extra}"
    values = {"{dir}": str(folder), "{port}": str(port), "{seconds}": str(PING_INTERVAL)}
    for name, value in values.items():
        line = line.replace(name, value)
    return shlex.split(line)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def running(peer: dict, folder: Path, extra: str = ""):
    """A port that the server listens on; it must end by SIGTERM afterwards."""
    port = free_port()
    process = subprocess.Popen(command_of(peer, folder, port, extra), stdin=subprocess.DEVNULL)
    try:
        await_port(process, port)
        yield port
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired as error:
            raise Wrong("it does not end by SIGTERM") from error
    finally:
        process.kill()
        process.wait()


def await_port(process: subprocess.Popen, port: int) -> None:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Wrong(f"it ended with {process.returncode} instead of listening")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise Wrong(f"it does not listen within {WITHIN} s")


def refuses(peer: dict, folder: Path, extra: str) -> None:
    """Arguments that it cannot serve: exit code 2 and a sentence."""
    done = subprocess.run(
        command_of(peer, folder, free_port(), extra), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=WITHIN
    )
    if done.returncode != 2 or not done.stderr.strip():
        raise Wrong(f"with {extra} it ends with {done.returncode}, saying {done.stderr!r}: 2 and a sentence are due")


def try_peer(name: str, peer: dict, folder: Path) -> bool:
    program = next(word for word in reversed(command_of(peer, folder, 1)) if "/" in word)
    if not os.path.exists(program):
        print(f"{name}: not built", flush=True)
        return False
    tries: list[tuple[str, str, Callable[[int], None]]] = [("echo", "", echoes)]
    if peer.get("broadcast"):
        tries.append(("broadcast", "", broadcasts))
    if "pings" in peer:
        tries.append(("pings", peer["pings"], pings))
    if "compression" in peer:
        tries.append(("compression", peer["compression"], compresses))
    good = True
    for what, extra, attempt in tries:
        try:
            with running(peer, folder, extra) as port:
                attempt(port)
            print(f"{name}: {what} passes", flush=True)
        except (Wrong, OSError) as error:
            good = False
            print(f"{name}: {what} FAILS: {error}", flush=True)
    for extra in ["--nonsense", "--ping-interval"] + ([] if "compression" in peer else ["--compression"]):
        try:
            refuses(peer, folder, extra)
            print(f"{name}: refuses {extra}", flush=True)
        except (Wrong, OSError, subprocess.TimeoutExpired) as error:
            good = False
            print(f"{name}: {error}", flush=True)
    return good


def runs(peer: dict, program: str) -> bool:
    """Whether it is this program of scripts/peers, which is a file or a folder by its name."""
    return f"/{program} " in peer["command"] or f"/{program}/" in peer["command"]


def main(arguments: list[str]) -> int:
    file = Path(arguments[0])
    peers = tomllib.loads(file.read_text(encoding="utf-8"))["peers"]
    # A program may be there more than once, with options of its own.
    names = [name for name, peer in peers.items() if any(runs(peer, wanted) for wanted in arguments[1:])]
    results = {name: try_peer(name, peers[name], file.parent) for name in names}
    failed = [name for name, good in results.items() if not good]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
