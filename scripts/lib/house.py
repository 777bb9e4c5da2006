"""The rules of scripts/house. A rule is a function that takes the tree and yields complaints."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import rfc
import shapes
import walls
from tree import PROGRAM_SUFFIXES, Complaint, Tree, read_tree

LONGEST = 600
LONG = 300
# Lines of a function, from its name to its end.
LONGEST_FUNCTION = 70
# Files that may be longer than LONGEST, each with the reason: tables only.
LONG_TABLES: dict[str, str] = {}

# Words that stand for work left undone; written apart, so that this file may be checked as well.
UNDONE = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
# Rooms that do no I/O and know no time: input, output and instants are arguments.
SANS_IO = ("src/http/", "src/ws/")
# Rooms whose whole tree the compiler must keep free of unsafe code.
SAFE_ROOMS = ("src/base/mod.rs", "src/http/mod.rs", "src/ws/mod.rs", "src/hub/mod.rs", "src/guard/mod.rs", "src/metrics/mod.rs", "src/settings/mod.rs", "src/simulation/mod.rs")


def is_program(path: str, text: str) -> bool:
    return path.endswith(tuple(PROGRAM_SUFFIXES)) or text.startswith("#!/")


def file_length(tree: Tree) -> Iterator[Complaint]:
    for path, text in tree.files.items():
        lines = text.count("\n")
        if is_program(path, text) and lines > LONGEST and path not in LONG_TABLES:
            yield Complaint(path, LONGEST + 1, f"{lines} lines, over {LONGEST}: split the file by what its parts are about")
    for path in LONG_TABLES:
        if tree.files.get(path, "").count("\n") <= LONGEST:
            yield Complaint("scripts/lib/house.py", 1, f"{path} needs no exception any more: take it out of LONG_TABLES")


def function_length(tree: Tree) -> Iterator[Complaint]:
    for path in tree.rust("src/"):
        code = tree.code(path)
        tests = re.search(r"^#\[cfg\(test\)\]\nmod tests\b", code, re.MULTILINE)
        product = code if tests is None else code[: tests.start()]
        if "/tests/" in path or path.startswith("src/simulation/"):
            continue
        for found in re.finditer(r"\bfn (\w+)", product):
            body = _body(product, found.end())
            if body is None:
                continue
            line = code.count("\n", 0, found.start()) + 1
            lines = product.count("\n", found.start(), _closing(product, body)) + 1
            if lines > LONGEST_FUNCTION:
                yield Complaint(path, line, f"{found[1]} has {lines} lines, over {LONGEST_FUNCTION}: part it")


def _body(code: str, start: int) -> int | None:
    """Where the body begins of a function whose name ends there; None where it has none."""
    depth = 0
    for found in re.finditer(r"[\[\](){};]", code[start:]):
        if depth == 0 and found[0] in "{;":
            return start + found.start() if found[0] == "{" else None
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(found[0], 0)
    return None


def _closing(code: str, opening: int) -> int:
    """Where the brace closes that opens there."""
    depth = 0
    for found in re.finditer(r"[{}]", code[opening:]):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return opening + found.start()
    return len(code)


def mio_stays_in_the_worker(tree: Tree) -> Iterator[Complaint]:
    for path in tree.rust():
        if not path.startswith(("src/worker/", "bench/")):
            for line, _ in tree.grep(path, r"\bmio\b"):
                yield Complaint(path, line, "mio outside src/worker/: give the worker a function for this")


def unsafe_stays_in_sys(tree: Tree) -> Iterator[Complaint]:
    for path in tree.rust():
        if not path.startswith("src/sys/"):
            for line, _ in tree.grep(path, r"\bunsafe\b"):
                yield Complaint(path, line, "unsafe outside src/sys/: put a small safe function there and call it")


FORBIDDEN_SANS_IO = {
    r"\b(Instant|SystemTime)\b": "a clock: take the time as an argument",
    r"\bstd::net\b": "std::net: take bytes in and give bytes out",
    r"\bstd::thread\b": "std::thread: threads are the worker's",
    r"\b(e?print(ln)?|dbg)!": "printing: return an error or an event",
}


def sans_io(tree: Tree) -> Iterator[Complaint]:
    for path in tree.rust(*SANS_IO):
        for pattern, what in FORBIDDEN_SANS_IO.items():
            for line, _ in tree.grep(path, pattern):
                yield Complaint(path, line, f"{what} (this room does no I/O)")
        # `use std::{net::SocketAddr, thread};`
        for line, group in tree.grep(path, r"\bstd::\{[^;]*"):
            for word in re.findall(r"[{,]\s*(net|thread)\b", group[0]):
                yield Complaint(path, line, f"std::{word} (this room does no I/O)")


def unsafe_is_forbidden(tree: Tree) -> Iterator[Complaint]:
    for path in SAFE_ROOMS:
        room = path.removesuffix("mod.rs")
        if tree.rust(room) and path not in tree.files:
            yield Complaint(path, 1, f"{room} has no mod.rs: the room's #![forbid(unsafe_code)] stands there")
        elif path in tree.files and not any(tree.grep(path, r"^#!\[forbid\(unsafe_code\)\]")):
            yield Complaint(path, 1, "say #![forbid(unsafe_code)] below the module's doc comment")


def dependencies(manifest: str) -> Iterator[tuple[int, str]]:
    """Names and lines of every dependency of a Cargo.toml's own package."""
    section = ""
    for number, line in enumerate(manifest.splitlines(), 1):
        if header := re.match(r"\[([^\[\]]+)\]", line):
            section = header[1].strip()
            table = re.fullmatch(r"(?:target\..*\.)?(?:dev-|build-)?dependencies\.(\S+)", section)
            if table and not section.startswith("workspace."):
                yield number, table[1].strip('"')
        elif re.fullmatch(r"(?:target\..*\.)?(?:dev-|build-)?dependencies", section):
            if name := re.match(r'"?([A-Za-z0-9_-]+)"?\s*(?:\.\s*\w+\s*)?=', line):
                yield number, name[1]


ARCHITECTURE = "docs/ARCHITECTURE.md"


def dependencies_are_explained(tree: Tree) -> Iterator[Complaint]:
    manifest = tree.files.get("Cargo.toml")
    if manifest is None:
        yield Complaint("Cargo.toml", 1, "missing")
        return
    if ARCHITECTURE not in tree.files:
        yield Complaint(ARCHITECTURE, 1, "missing: it says, among other things, what each dependency is for")
        return
    for line, name in dependencies(manifest):
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", tree.files[ARCHITECTURE]):
            yield Complaint("Cargo.toml", line, f"{name}: say in {ARCHITECTURE} what it is for and why we did not write it")


def white_space(tree: Tree) -> Iterator[Complaint]:
    for path, text in tree.files.items():
        for number, line in enumerate(text.split("\n"), 1):
            if "\t" in line:
                yield Complaint(path, number, "a tab: indent with blanks, write \\t in a literal")
            if line != line.rstrip():
                yield Complaint(path, number, "blanks at the end of the line: remove them")
        if text and not text.endswith("\n"):
            yield Complaint(path, text.count("\n") + 1, "no newline at the end of the file: add one")


def nothing_undone(tree: Tree) -> Iterator[Complaint]:
    pattern = re.compile(rf"\b({'|'.join(UNDONE)})\b")
    for path, text in tree.files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if found := pattern.search(line):
                yield Complaint(path, number, f"{found[0]}: do it now or write an issue; the code says what is")


def every_module_says_what_it_is(tree: Tree) -> Iterator[Complaint]:
    for path in tree.rust("src/"):
        if not tree.files[path].startswith("//!"):
            yield Complaint(path, 1, "begin the file with a `//!` line that says what it is about")


RULES = [
    file_length,
    function_length,
    mio_stays_in_the_worker,
    unsafe_stays_in_sys,
    sans_io,
    unsafe_is_forbidden,
    dependencies_are_explained,
    white_space,
    nothing_undone,
    every_module_says_what_it_is,
    walls.walls,
    walls.circles,
    shapes.number_of_fields,
    shapes.no_public_bool_parameters,
    rfc.every_requirement_is_accounted_for,
]


def long_files(tree: Tree) -> list[str]:
    """Files to think about, not to fail for."""
    counted = ((text.count("\n"), path) for path, text in tree.files.items() if is_program(path, text))
    return [f"{path}: {lines} lines" for lines, path in sorted(counted, reverse=True) if LONG < lines <= LONGEST]


def main(root: Path) -> int:
    tree = read_tree(root)
    if not tree.rust("src/"):
        print(f"no Rust files under {root}/src: is this the repository?", file=sys.stderr)
        return 1
    complaints = [complaint for rule in RULES for complaint in rule(tree)]
    for complaint in sorted(complaints, key=lambda complaint: (complaint.path, complaint.line)):
        print(complaint)
    if long := long_files(tree):
        print(f"warning, over {LONG} lines: " + "; ".join(long))
    print(f"house: {len(RULES)} rules, {len(tree.files)} files, {len(complaints)} complaints")
    return 1 if complaints else 0
