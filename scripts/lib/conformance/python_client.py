"""Plays the scenario with a WebSocket client of Python: python_client.py PACKAGE ADDRESS SCENARIO.

It is what client.mjs has for others. Prints what it saw of each part as a line of JSON. Runs in an environment that has the
package.
"""

import asyncio
import json
import sys
from pathlib import Path


class Websockets:
    """A connection of `websockets`."""

    @classmethod
    async def open(cls, address: str):
        from websockets.asyncio.client import connect

        self = cls()
        self._connection = await connect(f"ws://{address}/", max_size=None, proxy=None)
        return self

    def extensions(self) -> str:
        return "; ".join(map(repr, self._connection.protocol.extensions))

    async def send(self, message) -> None:
        await self._connection.send(message)

    async def send_fragments(self, parts: list[bytes], text: bool) -> None:
        await self._connection.send(parts, text=text)

    async def next(self):
        return await self._connection.recv()

    async def close(self, code: int | None) -> dict:
        if code is None:
            async with self._connection.send_context():
                self._connection.protocol.send_close()
        else:
            await self._connection.close(code)
        return await self.closed()

    async def closed(self) -> dict:
        await self._connection.wait_closed()
        end = self._connection.protocol.close_exc
        clean = end.rcvd is not None and end.sent is not None
        return {"code": self._connection.close_code, "clean": clean}


class Aiohttp:
    """A connection of `aiohttp`. It has no way to send a message in frames."""

    send_fragments = None

    @classmethod
    async def open(cls, address: str):
        import aiohttp

        self = cls()
        self._session = aiohttp.ClientSession()
        # Its own answer to a Close that is followed by the connection's end would fail and hide the code.
        options = {"compress": 15, "max_msg_size": 0, "autoclose": False}
        self._connection = await self._session.ws_connect(f"ws://{address}/", **options)
        return self

    def extensions(self) -> str:
        if not self._connection.compress:
            return ""
        alone = "; client_no_context_takeover" if self._connection.client_notakeover else ""
        return f"permessage-deflate{alone}; {self._connection.compress} bits"

    async def send(self, message) -> None:
        await (self._connection.send_str if isinstance(message, str) else self._connection.send_bytes)(message)

    async def next(self):
        return (await self._connection.receive()).data

    async def close(self, code: int | None) -> dict:
        import aiohttp

        if code is None:
            await self._connection.send_frame(b"", aiohttp.WSMsgType.CLOSE)
            return await self.closed()
        await self._connection.close(code=code)
        await self._session.close()
        # It says 1006 where no Close came back.
        return {"code": self._connection.close_code, "clean": self._connection.close_code != 1006}

    async def closed(self) -> dict:
        import aiohttp

        message = await self._connection.receive()
        await self._connection.close()
        await self._session.close()
        clean = message.type == aiohttp.WSMsgType.CLOSE
        # A Close without a code is 0 here.
        return {"code": (message.data or 1005) if clean else 1006, "clean": clean}


CLIENTS = {"websockets": Websockets, "aiohttp": Aiohttp}


async def play(client, address: str, scenario: dict) -> None:
    """Plays all parts on connections of their own; ends when the server has closed the last one."""
    connection = await client.open(address)
    report("extensions", agreed=connection.extensions())
    for kind in ("text", "binary"):
        for size in scenario["sizes"]:
            await connection.send(payload(kind, size))
            report(f"echo of {kind} {size}", same=await connection.next() == payload(kind, size))
        for sizes in scenario["fragments"] if client.send_fragments else []:
            whole = payload(kind, sum(sizes))
            await connection.send_fragments(slices(whole, sizes), text=kind == "text")
            named = ",".join(map(str, sizes))
            report(f"echo of {kind} in frames of {named}", same=await connection.next() == whole)

    sent = [payload("text" if i % 3 else "binary", i) for i in range(scenario["in_order"])]
    for message in sent:
        await connection.send(message)
    report("messages in order", count=sum([await connection.next() == message for message in sent]))
    await connection.close(1000)

    for code in scenario["close_codes"]:
        connection = await client.open(address)
        report(f"close with {code or 'no code'}", **await connection.close(code))
    for kind in ("text", "binary"):
        connection = await client.open(address)
        await connection.send(payload(kind, scenario["too_big"]))
        report(f"close after too big a {kind}", **await connection.closed())
    connection = await client.open(address)
    await connection.send("here")
    await connection.next()
    report("ready for the end")
    report("close at the end", **await connection.closed())


def payload(kind: str, size: int) -> str | bytes:
    """A message of so many bytes, the same as client.mjs has."""
    if kind == "text":
        return "".join(f"{i:06}a\u00e9\u20ac\U0001f642" for i in range(size // 16)) + "-" * (size % 16)
    out = bytearray(size)
    x = size
    for i in range(size):
        x = (x * 1664525 + 1013904223) & 0xFFFF_FFFF
        out[i] = x >> 24
    return bytes(out)


def slices(whole: str | bytes, sizes: list[int]) -> list[bytes]:
    rest = whole.encode() if isinstance(whole, str) else whole
    parts = []
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    return parts


def report(part: str, **seen) -> None:
    print(json.dumps({"part": part, **seen}), flush=True)


if __name__ == "__main__":
    package, address, scenario = sys.argv[1:]
    asyncio.run(play(CLIENTS[package], address, json.loads(Path(scenario).read_text(encoding="utf-8"))))
