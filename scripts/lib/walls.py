"""Who may import whom in `src/`. A wall is broken where it stands: the complaint is at the line that imports."""

import re
from collections.abc import Iterator

from tree import Complaint, Tree

BASE = ("base", "budget", "http", "metrics", "sys", "ws")
# What the rooms of the hub share.
HUB_MODEL = tuple(
    f"hub::{name}"
    for name in (
        *("config", "hash", "in_flight", "topic_lookup", "indices", "name", "outcome", "position", "publication", "answer_sender"),
        *("request_id", "rules", "worker_queues"),
    )
)
# What the files of a room may import of this crate, by the beginnings of paths of modules. What is not named here may import anything.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "src/base/": ("base", "budget", "ws"),
    "src/http/": ("budget", "http"),
    "src/ws/": ("budget", "http", "ws"),
    "src/metrics/": ("base", "metrics"),
    "src/settings/": ("settings", "sys"),
    "src/hub/dialect/": (*BASE, "worker", *(f"hub::{name}" for name in ("dialect", "outcome", "position", "request_id"))),
    "src/hub/broker/": (
        *("base", "budget", "metrics"),
        *(f"worker::{name}" for name in ("ConnId", "Frame", "Handle", "PreparedMessage", "Turn", "message_of")),
        *("hub::broker", "hub::journal"),
        *HUB_MODEL,
    ),
    "src/hub/core/": (
        *BASE,
        "worker",
        *(f"hub::{name}" for name in ("core", "dialect", "question", "hub_view", "shared")),
        *(f"hub::broker::{name}" for name in ("Broker", "BrokerInventory", "Congestion", "messages")),
        *HUB_MODEL,
    ),
    "src/worker/os/": (*BASE, "worker::os"),
    "src/worker/table/": (*BASE, "worker::os", "worker::table"),
    "src/worker/stream/": (*BASE, *(f"worker::{name}" for name in ("limits", "os", "stream", "table"))),
    "src/worker/app/": (*BASE, *(f"worker::{name}" for name in ("app", "limits", "os", "stream", "table"))),
    "src/worker/session/": (
        *BASE,
        *(f"worker::{name}" for name in ("app", "limits", "os", "session", "stream", "table")),
    ),
}
# Modules that only these files may import: the top of a room.
IMPORTED_BY: dict[str, tuple[str, ...]] = {"worker::core": ("core/", "mod", "tests/")}

# Rooms whose files import each other in no circle; in the others some still do.
WITHOUT_CIRCLES = (
    "src/base/",
    "src/control/",
    "src/guard/",
    "src/http/",
    "src/hub/",
    "src/metrics/",
    "src/server/",
    "src/settings/",
    "src/simulation/",
    "src/sys/",
    "src/worker/",
    "src/ws/",
)

_USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+((?:crate|super|self)::[^;]*);", re.MULTILINE)
_TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod tests\b", re.MULTILINE)


def module_of(path: str) -> list[str]:
    """The module that a file under `src/` is, as a list of names."""
    names = path.removeprefix("src/").removesuffix(".rs").split("/")
    return names[:-1] if names[-1] in ("mod", "lib") else names


def imports(path: str, code: str) -> Iterator[tuple[int, str]]:
    """The modules of this crate that a file imports, beside its tests, with the lines where it does."""
    tests = _TESTS.search(code)
    for found in _USE.finditer(code, 0, tests.start() if tests else len(code)):
        line = code.count("\n", 0, found.start(1)) + 1
        for name in _flat(re.sub(r"\s+", "", found[1])):
            yield line, "::".join(_absolute(module_of(path), name.split("::")))


def _flat(use: str) -> list[str]:
    """`a::{b, c::{d}}` as `a::b` and `a::c::d`."""
    head, brace, rest = use.partition("{")
    if not brace:
        return [use]
    parts, depth, start = [], 0, 0
    body = rest[: rest.rfind("}")]
    for at, char in enumerate(body + ","):
        if char == "," and depth == 0:
            parts.append(body[start:at])
            start = at + 1
        depth += {"{": 1, "}": -1}.get(char, 0)
    return [head + name for part in parts if part for name in _flat(part)]


def _absolute(module: list[str], name: list[str]) -> list[str]:
    if name[0] == "crate":
        return name[1:]
    module = list(module)
    while name and name[0] in ("super", "self"):
        if name[0] == "super":
            module = module[:-1]
        name = name[1:]
    return module + name


def _begins(name: str, start: str) -> bool:
    return name == start or name.startswith(start + "::")


def walls(tree: Tree) -> Iterator[Complaint]:
    """Rooms import those below them, and nobody imports the top of a room but what belongs to it."""
    for path in tree.rust("src/"):
        allowed = next((names for room, names in MAY_IMPORT.items() if path.startswith(room)), None)
        for line, name in imports(path, tree.code(path)):
            if allowed and not any(_begins(name, start) for start in allowed):
                yield Complaint(path, line, f"{name}: this room may import {', '.join(allowed)} of this crate")
            for top, files in IMPORTED_BY.items():
                room = "src/" + top.rpartition("::")[0].replace("::", "/") + "/"
                inside = path.startswith(room)
                if inside and _begins(name, top) and not path.removeprefix(room).startswith(files):
                    yield Complaint(path, line, f"{name}: nobody below imports the top of the room")


def circles(tree: Tree) -> Iterator[Complaint]:
    """Files of a room do not import each other in a circle. A `mod.rs` passes on what is below it, and counts as none."""
    files = {"::".join(module_of(path)): path for path in tree.rust("src/") if not path.endswith(("/mod.rs", "/lib.rs", "/main.rs"))}
    edges: dict[str, dict[str, int]] = {name: {} for name in files}
    for name, path in files.items():
        for line, imported in imports(path, tree.code(path)):
            while imported and imported not in files:
                imported = imported.rpartition("::")[0]
            if imported and imported != name:
                edges[name].setdefault(imported, line)
    for circle in _strongly_connected(edges):
        if not files[min(circle)].startswith(WITHOUT_CIRCLES):
            continue
        first = min(circle)
        line = next(line for other, line in edges[first].items() if other in circle)
        yield Complaint(files[first], line, f"a circle of files: {', '.join(sorted(circle))}: part what they share")


def _strongly_connected(edges: dict[str, dict[str, int]]) -> Iterator[set[str]]:
    """The sets of more than one node that all reach each other (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            members = set(stack[at:])
            del stack[at:]
            if len(members) > 1:
                found.append(members)

    for node in edges:
        if node not in index:
            visit(node)
    yield from found
