"""What a scenario of clients plays on: a server on a port of its own, the link to it, and who publishes meanwhile."""

import contextlib
import http.client
import itertools
import json
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from clients.link import Link
from conformance.server import Misbehaved, Server

CONFIG = """
reconnect-within = "2s"

[[topics]]
prefix = ""
publish = "anyone"
history = { messages = 1000, bytes = "1MiB", age = "5m" }

[[topics]]
prefix = "short/"
history = { messages = 10, bytes = "1MiB", age = "5m" }

[[topics]]
prefix = "forgetful/"
history = { messages = 0, bytes = "0", age = "0s" }

[[topics]]
prefix = "closed/"
subscribe = "nobody"

[[topics]]
prefix = "read-only/"
publish = "nobody"
"""
# Between two messages of a stream.
PAUSE = 0.02


class Stage:
    """Does what a scenario asks for, one thing at a time. `set_up` makes one."""

    def __init__(self, program: Path, config: Path, log):
        self._program, self._config, self._log = program, config, log
        self._port, self._admin = free_ports(2)
        self._link = Link(self._port)
        self._server: Server | None = None
        self._stream: Stream | None = None
        self.start()

    def act(self, name: str, asked: dict) -> object:
        """Does one of the public things below by its name; what is asked for are the arguments."""
        actions = {
            "addresses": self.addresses,
            "start": self.start,
            "kill": self.kill,
            "end": self.end,
            "publish": self.publish,
            "broadcast": self.broadcast,
            "begin_stream": self.begin_stream,
            "end_stream": self.end_stream,
            "cut": self._link.cut,
            "mute": self._link.mute,
            "refuse": self._link.refuse,
        }
        return actions[name](**asked)

    def addresses(self) -> dict:
        return {"server": f"127.0.0.1:{self._port}", "link": self._link.address}

    def start(self) -> None:
        ports = {"listen": f"127.0.0.1:{self._port}", "admin": f"127.0.0.1:{self._admin}"}
        self._server = Server(self._program, ["--config", str(self._config)], self._log, **ports)

    def kill(self) -> None:
        """SIGKILL: the kernel ends the connections, and nobody is told anything."""
        self._running().kill()
        self._server = None

    def end(self) -> None:
        """SIGTERM: the server tells its clients that it goes, and ends in order."""
        server = self._running()
        check_bugs(server)
        server.end()
        server.gone()
        server.kill()
        self._server = None

    def publish(self, topic: str, data: list[str]) -> list[dict]:
        """Publishes texts to a topic in order, by HTTP; returns what the server says of each."""
        messages = [{"topic": topic, "data": text} for text in data]
        results = self._running().ask("/publish", json.dumps({"messages": messages}), "application/json")["results"]
        if wrong := [result for result in results if "error" in result]:
            raise Misbehaved(f"not published: {wrong}")
        return results

    def broadcast(self, data: str) -> dict:
        return self._running().ask("/broadcast", data)

    def begin_stream(self, topic: str, stubborn: bool = False) -> None:
        """Publishes 1, 2, 3 and so on until `end_stream`; if stubborn, it goes on with the next when one fails."""
        self._stream = Stream(self, topic, stubborn)

    def end_stream(self) -> int:
        """The last number of which the server has said that it is published."""
        return self._stream.end()

    def close(self) -> None:
        self._link.close()
        if self._server is not None:
            self._server.kill()

    def check(self) -> None:
        """The server must have counted no bug of its own."""
        check_bugs(self._running())

    def _running(self) -> Server:
        if self._server is None:
            raise Misbehaved("the scenario has not started the server again")
        return self._server


class Stream:
    """A thread that publishes numbers."""

    def __init__(self, stage: Stage, topic: str, stubborn: bool):
        self._stage, self._topic, self._stubborn = stage, topic, stubborn
        self._last = 0
        self._ending = Event()
        self._failure: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> int:
        self._ending.set()
        self._thread.join()
        if self._failure:
            raise Misbehaved(f"after {self._last} messages: {self._failure!r}")
        return self._last

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._ending.wait(PAUSE):
                return
            try:
                self._stage.publish(self._topic, [str(number)])
                self._last = number
            except (OSError, http.client.HTTPException, ValueError, LookupError, Misbehaved) as error:
                if not self._stubborn:
                    self._failure = error
                    return


@contextlib.contextmanager
def set_up(program: Path) -> Iterator[Stage]:
    """A stage with a server that is ready; all of it is gone afterwards, whatever happens."""
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory(prefix="throng-clients-") as folder:
        config = Path(folder) / "throng.toml"
        config.write_text(CONFIG, encoding="utf-8")
        stage = Stage(program, config, log)
        try:
            yield stage
        finally:
            stage.close()


def check_bugs(server: Server) -> None:
    if bugs := server.stats()["bugs"]:
        raise Misbehaved(f"the server counts {bugs} bugs of its own: {server.log()}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody else gets while the server that had them is away: none that the kernel itself gives out."""
    given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    deadline = time.monotonic() + 10
    ports: list[int] = []
    while len(ports) < count:
        if time.monotonic() > deadline:
            raise Misbehaved(f"no port below {given_out} is free")
        port = random.randrange(10_000, max(given_out, 10_001))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in ports:
                ports.append(port)
    return ports
