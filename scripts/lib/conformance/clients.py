"""Clients of other people against `throng serve`: each plays the same scenario, and what it saw is judged here."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import conformance.tools as tools
from conformance.browsers import chromium, firefox
from conformance.observing import observed
from conformance.server import Misbehaved, serving

HERE = Path(__file__).parent
SCENARIO = HERE / "scenario.json"

# Makes the client's program ready, in a folder; returns its version, and what plays the scenario against an address and yields
# what it saw.
Prepare = Callable[[Path], tuple[str, Callable[[str], Iterator[dict]]]]


@dataclass(frozen=True)
class Client:
    """What a client can do, and how it is had."""

    prepare: Prepare
    # Whether it lets an application send a message in frames.
    fragments: bool
    # Whether it compresses what it sends when it has agreed to; all decompress what they get.
    compresses: bool = True
    # Whether it calls a close clean that the server began by failing the connection.
    failed_cleanly: bool = True


def python(name: str, requirements: list[str]) -> Prepare:
    def prepare(below: Path):
        command = [tools.python3(requirements, below), HERE / "python_client.py", name]
        return requirements[0], lambda address: observed([*command, address, SCENARIO])

    return prepare


def npm(name: str) -> Prepare:
    def prepare(below: Path):
        node, folder = tools.node(tools.NPM, below)
        command = [node, HERE / "node_client.mjs", folder, name]
        (pinned,) = (package for package in tools.NPM if package.startswith(f"{name}@"))
        return pinned, lambda address: observed([*command, address, SCENARIO])

    return prepare


CLIENTS = {
    "websockets": Client(python("websockets", tools.WEBSOCKETS), fragments=True),
    "aiohttp": Client(python("aiohttp", tools.AIOHTTP), fragments=False),
    "ws": Client(npm("ws"), fragments=True),
    "undici": Client(npm("undici"), fragments=False, compresses=False),
    "chromium": Client(chromium, fragments=False),
    "firefox": Client(firefox, fragments=False, failed_cleanly=False),
}
NAMES = tuple(CLIENTS)


def run(_root: Path, program: Path, below: Path, options) -> int:
    """Plays the scenario in each mode and prints what came of it; returns an exit code."""
    client = CLIENTS[options.name]
    below.mkdir(parents=True, exist_ok=True)
    version, start = client.prepare(below)
    failed = False
    for compression in options.compression:
        started = time.monotonic()
        seen, stats = play(program, compression, start)
        wrong = problems(seen, stats, compression, client, json.loads(SCENARIO.read_text(encoding="utf-8")))
        for problem in wrong:
            print(f"{options.name}: FAILED: compression {compression}: {problem}", file=sys.stderr)
        agreed = next((part["agreed"] for part in seen if "agreed" in part), None)
        print(
            f"{version}, compression {compression}: {len(seen)} parts in {time.monotonic() - started:.0f} s,"
            f" {len(wrong)} problems; it calls the extensions '{agreed}'",
            flush=True,
        )
        failed |= bool(wrong)
    return 1 if failed else 0


def play(program: Path, compression: str, start: Callable[[str], Iterator[dict]]) -> tuple[list[dict], dict]:
    """What the client saw of each part, and the server's counters when it had seen all but the end."""
    seen, stats = [], {}
    with serving(program, "--app=echo", f"--compression={compression}") as server:
        try:
            for part in start(server.address):
                if part.get("part") == "ready for the end":
                    stats = server.stats()
                    server.end()
                else:
                    seen.append(part)
            if not stats:
                raise Misbehaved("it never was ready for the end")
            server.gone()
        except Misbehaved as error:
            # What it did last tells where it stands still.
            raise Misbehaved(f"compression {compression}, after {seen[-1:]}: {error}; the server: {server.log()}") from error
    return seen, stats


def expected(scenario: dict, fragments: bool) -> dict[str, dict]:
    """What a client that can do everything it should sees of each part, by its name."""
    parts = {}
    for kind in ("text", "binary"):
        names = [f"echo of {kind} {size}" for size in scenario["sizes"]]
        if fragments:
            names += [f"echo of {kind} in frames of {','.join(map(str, sizes))}" for sizes in scenario["fragments"]]
        parts |= {name: {"same": True} for name in names}
        # RFC 6455 section 7.4.1.
        parts[f"close after too big a {kind}"] = {"code": 1009, "clean": True}
    parts["messages in order"] = {"count": scenario["in_order"]}
    for code in scenario["close_codes"]:
        # Section 7.1.5: without a code in the frame an application is told 1005.
        parts[f"close with {code or 'no code'}"] = {"code": code or 1005, "clean": True}
    parts["close at the end"] = {"code": 1001, "clean": True}
    return parts


def problems(seen: list[dict], stats: dict, compression: str, client: Client, scenario: dict) -> list[str]:
    """What is wrong with what a client saw and the server counted."""
    wrong = []
    on = compression != "off"
    found = {part["part"]: {name: value for name, value in part.items() if name != "part"} for part in seen}
    if len(found) != len(seen):
        wrong.append("a part was reported twice")
    agreed = found.pop("extensions", {}).get("agreed")
    if not isinstance(agreed, str) or ("deflate" in agreed.lower()) != on:
        wrong.append(f"the client calls the extensions agreed on {agreed!r}")
    wanted = expected(scenario, client.fragments)
    if not client.failed_cleanly:
        for part in (f"close after too big a {kind}" for kind in ("text", "binary")):
            wanted[part].pop("clean")
            found.get(part, {}).pop("clean", None)
    for part in wanted.keys() | found.keys():
        if found.get(part) != wanted.get(part):
            wrong.append(f"{part}: {found.get(part)} instead of {wanted.get(part)}")
    for counter, wants in (("compressed_out", on), ("compressed_in", on and client.compresses)):
        if bool(stats[counter]) != wants:
            wrong.append(f"the server counts {stats[counter]} in {counter}")
    if stats["bugs"]:
        wrong.append(f"the server counts {stats['bugs']} bugs of its own")
    return sorted(wrong)
