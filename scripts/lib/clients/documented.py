"""The READMEs as they stand: their commands in a shell, their examples in Node.js, in the order that a reader follows."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import conformance.tools as tools
from conformance.server import Misbehaved

# A command of a README may build the server first.
BUILT_WITHIN = 1800
WITHIN = 60
# What the READMEs' servers listen at, the admin port last.
ADDRESSES = [("127.0.0.1", 9001), ("127.0.0.1", 9190)]
# Commands that are not run here, and why.
ELSEWHERE = {"scripts/c1m\n": "the step hold of scripts/test does the same with fewer connections"}
# Older versions of Node.js have no WebSocket of their own, which the README says.
NEWER = 'globalThis.WebSocket ??= (await import("ws")).WebSocket;\n'


def blocks(text: str, kind: str) -> list[str]:
    """What stands between fences of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(text: str, name: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise Misbehaved(f"there is no section {name}")
    return found[1]


@contextlib.contextmanager
def serving(command: str, root: Path) -> Iterator[None]:
    """Has a shell run a README's command, which must start a server; it is gone afterwards."""
    for address in ADDRESSES:
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise Misbehaved(f"{address[0]}:{address[1]}, where the README has its server, is taken: {error}") from error
    with tempfile.TemporaryFile("w+") as log:
        shell = subprocess.Popen(
            ["bash", "-c", command], cwd=root, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        watch = threading.Timer(BUILT_WITHIN, end, [shell, signal.SIGKILL])
        watch.start()
        try:
            ready = shell.stdout.readline()
            watch.cancel()
            try:
                addresses = json.loads(ready)["listen"]
            except (ValueError, LookupError, TypeError) as error:
                log.seek(0)
                raise Misbehaved(f"`{command.strip()}` says '{ready.strip()}' and starts no server: {log.read()[-4096:]}") from error
            if addresses != ["127.0.0.1:9001"]:
                raise Misbehaved(f"`{command.strip()}` listens at {addresses}")
            yield
        finally:
            watch.cancel()
            end(shell, signal.SIGTERM)
            shell.stdout.close()


def end(shell: subprocess.Popen, number: signal.Signals) -> None:
    """Ends a command and what it has started, and waits for that."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(shell.pid, number)
    try:
        shell.wait(WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()


def start(root: Path, node: str, folder: Path) -> None:
    """What the README calls the start: a message reaches who listens."""
    if not tools.found("curl"):
        tools.installed_program("curl", "curl")
    text = section((root / "README.md").read_text(encoding="utf-8"), "Start")
    commands = [command for command in blocks(text, "sh") if command not in ELSEWHERE]
    listeners = blocks(text, "js")
    if len(commands) != 2 or len(listeners) != 1:
        raise Misbehaved(f"the README's start has {len(commands)} commands and {len(listeners)} listeners to run")
    preload = folder / "newer.mjs"
    preload.write_text(NEWER, encoding="utf-8")
    with serving(commands[0], root):
        listen = [node, "--no-warnings", "--import", str(preload), "--eval", listeners[0]]
        listener = subprocess.Popen(listen, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True)
        watch = threading.Timer(WITHIN, end, [listener, signal.SIGKILL])
        watch.start()
        try:
            wait_for_subscriber("news")
            said = subprocess.run(["bash", "-c", commands[1]], cwd=root, capture_output=True, text=True, timeout=WITHIN)
            answer = json.loads(said.stdout)
            heard = listener.stdout.readline()
        finally:
            watch.cancel()
            end(listener, signal.SIGKILL)
            listener.stdout.close()
    if (heard, answer["subscribers"], answer["offset"]) != ("hello\n", 1, 1):
        raise Misbehaved(f"who listens as the README says hears '{heard.strip()}', and who publishes is told {said.stdout}")
    print("start: a message reaches who listens as README.md says")


def wait_for_subscriber(topic: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = "http://{}:{}/topics/{}".format(*ADDRESSES[-1], topic)
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        # Not found before it is subscribed to.
        with contextlib.suppress(urllib.error.HTTPError), opener.open(url, timeout=10) as response:
            if json.load(response)["subscribers"] == 1:
                return
        time.sleep(0.05)
    raise Misbehaved(f"nobody has subscribed to {topic} for {WITHIN} s")


@contextlib.contextmanager
def live(client: Path) -> Iterator[None]:
    """The server that the examples of the client's README are for, started as it says."""
    commands = blocks((client / "README.md").read_text(encoding="utf-8"), "sh")
    if len(commands) != 1:
        raise Misbehaved(f"the client's README has {len(commands)} commands and not the one that starts its server")
    with serving(commands[0], client.parents[1]):
        yield


def copy_of(client: Path, modules: list[str], below: Path) -> Path:
    """A folder with the client's modules, in which examples can be saved beside them."""
    folder = Path(tempfile.mkdtemp(prefix="beside-", dir=below))
    for name in [*modules, "package.json"]:
        shutil.copy(client / name, folder / name)
    return folder
