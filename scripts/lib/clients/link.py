"""A proxy for TCP between clients and a server that can do what networks do: cut, fall silent, let nobody through."""

import contextlib
import socket
from threading import Event, Lock, Thread

PIECE = 1 << 16


class Link:
    """Forwards connections to 127.0.0.1:`port` until it is closed."""

    def __init__(self, port: int):
        self._port = port
        self._lock = Lock()
        self._pairs: list[_Pair] = []
        self._refuses = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Ends every connection there is, without a word; returns how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        return sum(pair.end() for pair in pairs)

    def mute(self) -> int:
        """From now on nothing comes through on the connections there are, and they do not end; returns how many there are."""
        with self._lock:
            return sum(pair.mute() for pair in self._pairs)

    def refuse(self, whether: bool) -> None:
        """Whether to end new connections at once."""
        self._refuses = whether

    def close(self) -> None:
        # Wakes the thread that accepts; closing alone would not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._refuses:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append(_Pair(client, server))


class _Pair:
    """Both ends of a connection that is forwarded."""

    def __init__(self, client: socket.socket, server: socket.socket):
        self._ends = client, server
        self._ended = Event()
        self._muted = Event()
        for source, sink in ((client, server), (server, client)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def end(self) -> bool:
        """Returns whether it had not ended yet."""
        was_open = not self._ended.is_set()
        self._ended.set()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return was_open

    def mute(self) -> bool:
        """Returns whether it has not ended yet."""
        self._muted.set()
        return not self._ended.is_set()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if not self._muted.is_set():
                    sink.sendall(data)
        if self._muted.is_set():
            # Who is behind a network that is gone does not hear of the other's end.
            self._ended.wait()
        self.end()
        source.close()
