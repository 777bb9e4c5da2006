"""Browsers as clients: each loads a page from this process, whose script plays a scenario and posts what it sees."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import conformance.tools as tools
from conformance.observing import WITHIN
from conformance.server import Misbehaved

HERE = Path(__file__).parent
KINDS = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json"}

# Makes the command line that opens a page with a profile.
Command = Callable[[Path, str], list[str]]


@dataclass(frozen=True)
class Site:
    """What a browser loads, and what the page may have done here."""

    # By their paths.
    files: dict[str, Path]
    # The path of the first one, with what it is told.
    page: str
    # Does what a POST to /control/NAME asks for with its JSON, and returns the answer.
    act: Callable[[str, dict], object] | None = None


def conformance_site(address: str) -> Site:
    files = {f"/{name}": HERE / name for name in ("page.html", "client.mjs", "scenario.json")}
    return Site(files, f"/page.html?address={address}")


CHROMIUM = [
    "--headless",
    # It refuses to run as root with it.
    "--no-sandbox",
    "--disable-gpu",
    # /dev/shm is small in containers.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# The settings of a fresh profile, for the same.
FIREFOX = """
user_pref("network.dns.disabled", true);
user_pref("network.proxy.type", 0);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:1/");
"""


def chromium(_below: Path):
    """Chromium's version, and what plays the scenario with it."""
    said, command = chromium_command()
    return said, lambda address: observed(command, conformance_site(address))


def chromium_command() -> tuple[str, Command]:
    program = tools.browser("chromium", "chromium", "chromium-browser", "google-chrome")
    return version(program), lambda profile, page: [program, *CHROMIUM, f"--user-data-dir={profile}", page]


def firefox(_below: Path):
    """Firefox's version, and what plays the scenario with it."""
    said, command = firefox_command()
    return said, lambda address: observed(command, conformance_site(address))


def firefox_command() -> tuple[str, Command]:
    program = tools.browser("firefox-esr", "firefox-esr", "firefox")

    def command(profile: Path, page: str) -> list[str]:
        (profile / "user.js").write_text(FIREFOX, encoding="utf-8")
        return [program, "--headless", "--no-remote", "--profile", str(profile), page]

    return version(program), command


def version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60).stdout.strip()
    if not said:
        raise Misbehaved(f"{program} --version says nothing")
    return said


def observed(command: Command, site: Site) -> Iterator[dict]:
    """Runs a browser and yields what its page sees."""
    with contextlib.ExitStack() as stack:
        seen = queue.SimpleQueue()
        page = stack.enter_context(serving_pages(site, seen))
        folder = Path(tempfile.mkdtemp(prefix="throng-browser-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        errors = stack.enter_context(tempfile.TemporaryFile())
        profile = folder / "profile"
        profile.mkdir()
        process = subprocess.Popen(
            command(profile, page + site.page),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            # A browser is many processes: they are ended as a group.
            start_new_session=True,
            env=os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
        )
        stack.callback(end, process)
        deadline = time.monotonic() + WITHIN
        while True:
            try:
                part = seen.get(timeout=1)
            except queue.Empty:
                late = time.monotonic() > deadline
                if late or process.poll() is not None:
                    said = os.pread(errors.fileno(), 1 << 20, 0)[-4096:].decode(errors="replace")
                    ended = f"is not done after {WITHIN} s" if late else f"ended ({process.returncode})"
                    raise Misbehaved(f"the browser {ended}: {said}") from None
                continue
            if "ended" in part:
                if part["ended"] is not None:
                    raise Misbehaved(f"the page failed: {part['ended']}")
                return
            yield part


def end(process: subprocess.Popen) -> None:
    """Ends the browser's own group of processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def serving_pages(site: Site, seen: queue.SimpleQueue) -> Iterator[str]:
    """Serves the site; what its page reports is put into the queue."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            file = site.files.get(self.path.partition("?")[0])
            if file is None:
                self.answer(404, "text/plain", b"")
            else:
                self.answer(200, KINDS[file.suffix], file.read_bytes())

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            action = self.path.removeprefix("/control/")
            if action == self.path:
                seen.put(asked)
                self.answer(200, "text/plain", b"")
            elif site.act is not None:
                try:
                    self.answer(200, "application/json", json.dumps(site.act(action, asked)).encode())
                except (OSError, LookupError, TypeError, ValueError, Misbehaved) as error:
                    self.answer(500, "text/plain", f"{action}: {error!r}".encode())
            else:
                self.answer(404, "text/plain", b"")

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
