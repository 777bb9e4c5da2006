"""A `throng serve` for the length of a test."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

READY_WITHIN = 30
# Longer than the server's own drain timeout, after which it ends by itself with exit code 1.
GONE_WITHIN = 30


class Misbehaved(Exception):
    """The server did not start, or did not end, as it should; with its log."""


class Server:
    """A running server. `serving` makes one."""

    def __init__(self, program: Path, options: list[str], log, listen: str = "127.0.0.1:0", admin: str = "127.0.0.1:0"):
        self._log = log
        command = [str(program), "serve", "--listen", listen, "--admin", admin, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        # A server that hangs before it is ready is ended, and then the line below is empty.
        watch = threading.Timer(READY_WITHIN, self._process.kill)
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        try:
            ready = json.loads(line)
            self.address, self._admin = ready["listen"][0], ready["admin"]
        except (ValueError, KeyError, IndexError) as error:
            self.kill()
            raise Misbehaved(f"throng said '{line.strip()}' instead of being ready: {self.log()}") from error

    def stats(self) -> dict:
        """The server's counters."""
        return self.ask("/stats")["total"]

    def ask(self, path: str, body: str | None = None, kind: str = "text/plain") -> dict:
        """What the admin port answers: to a GET, or to a POST if there is a body."""
        data = None if body is None else body.encode()
        request = urllib.request.Request(f"http://{self._admin}{path}", data, {"Content-Type": kind})
        # No proxy that the environment names stands between this machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as response:
            return json.load(response)

    def end(self) -> None:
        """Asks the server to close all connections with 1001 and to end; does not wait."""
        self._process.send_signal(signal.SIGTERM)

    def gone(self) -> None:
        """Waits for the end asked for, which must be an orderly one."""
        try:
            status = self._process.wait(GONE_WITHIN)
        except subprocess.TimeoutExpired as error:
            raise Misbehaved(f"throng still ran {GONE_WITHIN} s after SIGTERM: {self.log()}") from error
        if status != 0:
            raise Misbehaved(f"throng ended with exit code {status}: {self.log()}")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def log(self) -> str:
        """The end of what it has logged."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), 4096, max(0, size - 4096)).decode(errors="replace")


@contextlib.contextmanager
def serving(program: Path, *options: str) -> Iterator[Server]:
    """A server that is ready, and is gone afterwards whatever happens."""
    with tempfile.TemporaryFile() as log:
        server = Server(program, list(options), log)
        try:
            yield server
        finally:
            server.kill()
