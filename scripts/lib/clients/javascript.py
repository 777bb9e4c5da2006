"""The parts of testing clients/js."""

import contextlib
import gzip
import os
import queue
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import conformance.tools as tools
from clients import documented
from clients.stage import Stage, set_up
from conformance import browsers
from conformance.observing import observed
from conformance.server import Misbehaved

# What checks the types, and what makes the module small as a bundler would.
CHECKERS = ["typescript@7.0.2", "terser@5.51.4"]
# What a page loads, the first of them first.
MODULES = ["throng.js", "listeners.js", "requests.js", "topic.js", "wire.js"]
# Minified and compressed in one file, as bundlers make it. The README says so, too, and what it comes to file by file.
MOST_BYTES = 5_000
WITHIN = 300


def unit(client: Path, _program: Path, below: Path) -> None:
    """The tests with a simulated clock and server."""
    node, _ = tools.node(tools.NPM, below)
    tests = sorted((client / "test/unit").glob("*.test.js"))
    said = run([node, "--no-warnings", "--test", *tests], client)
    # A runner that finds no test is content.
    passed = re.search(r"^. pass (\d+)$", said, re.MULTILINE)
    if passed is None or int(passed[1]) == 0:
        raise Misbehaved(f"no test was run: {said[-4096:]}")
    print(f"unit: {passed[1]} tests passed")


def package(client: Path, _program: Path, below: Path) -> None:
    """The types are those of the module, and it is as small as it should be."""
    _, folder = tools.node(CHECKERS, below)
    check_types(client, folder / "node_modules/.bin/tsc")
    minify = [folder / "node_modules/.bin/terser", "--module", "--compress", "--mangle", "--"]
    small = [run([*minify, client / module], client).encode() for module in MODULES]
    size = len(gzip.compress(b"".join(small), 9))
    apart = sum(len(gzip.compress(module, 9)) for module in small)
    if size > MOST_BYTES:
        raise Misbehaved(f"the client has {size} bytes, minified and compressed: {MOST_BYTES} is the most")
    readme = " ".join((client / "README.md").read_text(encoding="utf-8").split())
    said = f"{size / 1000:.1f} KB minified and compressed in one file, {apart / 1000:.1f} KB file by file"
    if said not in readme:
        raise Misbehaved(f"README.md should say that the client has {said}")
    print(f"package: the types are right; {sum(map(len, small))} bytes minified, {size} compressed")


def examples(client: Path, _program: Path, below: Path) -> None:
    """The start of the project's README and the examples of the client's, as they stand, in Node.js."""
    node, folder = tools.node(tools.NPM, below)
    documented.start(client.parents[1], node, folder)
    beside = documented.copy_of(client, MODULES, folder)
    try:
        with documented.live(client):
            print(run([node, client / "test/examples.js", beside], client), end="")
    finally:
        shutil.rmtree(beside)


def node(client: Path, program: Path, below: Path) -> None:
    """The scenario in Node.js, with each package that brings a WebSocket."""
    interpreter, folder = tools.node(tools.NPM, below)
    for pinned in tools.NPM:
        with staged(program) as stage:
            site = browsers.Site({}, "", stage.act)
            with browsers.serving_pages(site, queue.SimpleQueue()) as origin:
                name = pinned.partition("@")[0]
                command = [interpreter, client / "test/integration/node.js", folder, name, origin]
                judge(pinned, observed(command))
            stage.check()


def chromium(client: Path, program: Path, _below: Path) -> None:
    """The scenario in headless Chromium."""
    there(program)
    browser(client, program, *browsers.chromium_command())


def firefox(client: Path, program: Path, _below: Path) -> None:
    """The scenario in headless Firefox."""
    there(program)
    browser(client, program, *browsers.firefox_command())


PARTS = {part.__name__: part for part in (unit, package, examples, node, chromium, firefox)}


def browser(client: Path, program: Path, version: str, command: browsers.Command) -> None:
    first_example(client, version, command)
    files = {
        **{f"/{module}": client / module for module in MODULES},
        **{f"/test/integration/{name}": client / "test/integration" / name for name in ("page.html", "scenario.js")},
    }
    with staged(program) as stage:
        judge(version, browsers.observed(command, browsers.Site(files, "/test/integration/page.html", stage.act)))
        stage.check()


def first_example(client: Path, version: str, command: browsers.Command) -> None:
    """The first example of the README as it stands, in a page beside the modules."""
    text = (client / "README.md").read_text(encoding="utf-8")
    code, wanted = documented.blocks(text, "js")[0], documented.blocks(text, "text")[0]
    with tempfile.TemporaryDirectory() as folder, documented.live(client):
        (Path(folder) / "first.mjs").write_text(code, encoding="utf-8")
        files = {
            "/first.mjs": Path(folder) / "first.mjs",
            **{f"/{module}": client / module for module in MODULES},
            "/example.html": client / "test/integration/example.html",
        }
        with contextlib.closing(browsers.observed(command, browsers.Site(files, "/example.html"))) as seen:
            printed = next(seen)["printed"]
    if f"{printed}\n" != wanted:
        raise Misbehaved(f"the first example prints '{printed}' in {version}")
    print(f"{version}: the first example prints what README.md says", flush=True)


def check_types(client: Path, tsc: Path) -> None:
    strict = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", ""]
    run([tsc, *strict, client / "test/types.ts"], client)
    # A module with declarations beside it is not looked into: here it has another name.
    with tempfile.TemporaryDirectory() as folder:
        below = Path(folder)
        for name, as_name in {
            "throng.js": "real.js",
            **{module: module for module in MODULES[1:]},
            "throng.d.ts": "throng.d.ts",
            "package.json": "package.json",
            "test/agreement.ts": "agreement.ts",
        }.items():
            shutil.copy(client / name, below / as_name)
        run([tsc, *strict, "--allowJs", "--noImplicitAny", "false", "agreement.ts"], below)


def staged(program: Path):
    there(program)
    return set_up(program)


def there(program: Path) -> None:
    """Before anything is installed, or built to show what a README says."""
    if not os.access(program, os.X_OK):
        raise Misbehaved(f"{program} is missing: scripts/test build makes it")


def judge(who: str, seen: Iterator[dict]) -> None:
    """All parts of the scenario must have been played; one that fails ends it."""
    played: list[str] = []
    of = None
    started = time.monotonic()
    for report in seen:
        if "parts" in report:
            of = report["parts"]
        else:
            played.append(report["part"])
            print(f"{who}: {report['part']} ({report['milliseconds']} ms)", flush=True)
    if not of or played != of:
        raise Misbehaved(f"{who} played {played} of the parts {of}")
    print(f"{who}: {len(played)} parts in {time.monotonic() - started:.0f} s", flush=True)


def run(command: list, where: Path) -> str:
    """What a command prints; it must succeed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN)
    except subprocess.TimeoutExpired as error:
        raise Misbehaved(f"{words[0]} is not done after {WITHIN} s: {error.stdout}") from error
    if done.returncode != 0:
        raise Misbehaved(f"{' '.join(words)} failed ({done.returncode}): {done.stdout[-8192:]}{done.stderr[-8192:]}")
    return done.stdout
