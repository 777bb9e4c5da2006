"""What a client saw of the scenario, while it plays it: as JSON lines of a process."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator

from conformance.server import Misbehaved

# A client that hangs is ended after so many seconds; it needs few of them.
WITHIN = 180


def observed(command: list) -> Iterator[dict]:
    """Runs a client that prints what it saw of each part, and yields that."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        watch = threading.Timer(WITHIN, process.kill)
        watch.start()
        try:
            yield from map(json.loads, process.stdout)
            if process.wait() != 0:
                errors.seek(0)
                said = errors.read()[-4096:].decode(errors="replace")
                late = "" if watch.is_alive() else f", ended after {WITHIN} s"
                raise Misbehaved(f"the client failed ({process.returncode}{late}): {said}")
        finally:
            watch.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
