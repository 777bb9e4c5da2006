"""Programs that several threads run, and that can be ended together: an interrupt reaches the main thread alone."""

import subprocess
import threading


class Ended(Exception):
    """No program is started any more."""


class Programs:
    def __init__(self):
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._ended = False

    def run(self, command: list[str], timeout: float | None = None, **options) -> subprocess.CompletedProcess:
        """As `subprocess.run` does it. Raises `Ended` after `end`, also for a program that was running then."""
        with self._lock:
            if self._ended:
                raise Ended
            process = subprocess.Popen(command, **options)
            self._running.add(process)
        with process:
            try:
                output, errors = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
            finally:
                with self._lock:
                    self._running.remove(process)
        if self._ended:
            raise Ended
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                process.kill()
