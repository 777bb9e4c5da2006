#!/usr/bin/env python3
"""Tests of what the tests of the clients stand on: the link that can be cut, what a page may have done, and the judgement."""

import contextlib
import io
import json
import queue
import socket
import sys
import threading
import unittest
import unittest.mock
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from clients import command, documented, javascript, stage  # noqa: E402
from clients.link import Link  # noqa: E402
from conformance import browsers  # noqa: E402
from conformance.server import Misbehaved  # noqa: E402

# What must not come is waited for so long, in seconds.
MOMENT = 0.2


class Echo:
    """A server for TCP that sends back what it gets."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(4096):
                connection.sendall(data)

    def close(self):
        # Wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Links(unittest.TestCase):
    def setUp(self):
        echo = Echo()
        self.addCleanup(echo.close)
        self.link = Link(echo.port)
        self.addCleanup(self.link.close)

    def connected(self):
        host, port = self.link.address.split(":")
        connection = socket.create_connection((host, int(port)), timeout=30)
        self.addCleanup(connection.close)
        return connection

    def assert_echoes(self, connection):
        connection.sendall(b"x")
        self.assertEqual(connection.recv(4096), b"x")

    def assert_ends(self, connection):
        with contextlib.suppress(ConnectionError):
            self.assertEqual(connection.recv(4096), b"")

    def test_what_is_sent_comes_through_until_it_is_cut(self):
        connections = [self.connected(), self.connected()]
        for connection in connections:
            self.assert_echoes(connection)
        self.assertEqual(self.link.cut(), 2)
        for connection in connections:
            self.assert_ends(connection)
        self.assertEqual(self.link.cut(), 0)
        self.assert_echoes(self.connected())

    def test_a_connection_that_is_muted_says_nothing_and_does_not_end(self):
        connection = self.connected()
        self.assert_echoes(connection)
        self.assertEqual(self.link.mute(), 1)
        connection.sendall(b"x")
        connection.settimeout(MOMENT)
        with self.assertRaises(TimeoutError):
            connection.recv(4096)
        self.assert_echoes(self.connected())
        self.link.cut()
        connection.settimeout(30)
        self.assert_ends(connection)

    def test_nobody_comes_through_a_link_that_refuses(self):
        self.link.refuse(True)
        self.assert_ends(self.connected())
        self.link.refuse(False)
        self.assert_echoes(self.connected())


class Sites(unittest.TestCase):
    def act(self, name, asked):
        if name == "fail":
            raise Misbehaved("on purpose")
        return {"did": name, **asked}

    def post(self, origin, path, asked):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(origin + path, json.dumps(asked).encode(), timeout=30) as response:
            return response.read()

    def test_what_is_asked_for_is_done_and_what_is_reported_kept(self):
        seen = queue.SimpleQueue()
        with browsers.serving_pages(browsers.Site({}, "", self.act), seen) as origin:
            self.assertEqual(json.loads(self.post(origin, "/control/cut", {"a": 1})), {"did": "cut", "a": 1})
            with self.assertRaises(urllib.error.HTTPError) as raised:
                self.post(origin, "/control/fail", {})
            self.assertEqual(raised.exception.code, 500)
            self.assertIn(b"on purpose", raised.exception.read())
            raised.exception.close()
            self.assertTrue(seen.empty())
            self.post(origin, "/report", {"part": "x"})
            self.assertEqual(seen.get(timeout=30), {"part": "x"})

    def test_a_site_without_actions_has_none(self):
        with browsers.serving_pages(browsers.conformance_site("x"), queue.SimpleQueue()) as origin:
            with self.assertRaises(urllib.error.HTTPError) as raised:
                self.post(origin, "/control/cut", {})
            self.assertEqual(raised.exception.code, 404)
            raised.exception.close()


class Judgement(unittest.TestCase):
    def judged(self, *reports):
        with contextlib.redirect_stdout(io.StringIO()):
            javascript.judge("it", iter(reports))

    def test_every_part_must_have_been_played(self):
        names = {"parts": ["a", "b"]}
        a, b = ({"part": name, "milliseconds": 1} for name in "ab")
        self.judged(names, a, b)
        for reports in ([names, a], [names, b, a], [names, a, b, b], [a, b], [{"parts": []}], []):
            with self.assertRaises(Misbehaved):
                self.judged(*reports)

    def test_a_command_that_fails_is_no_success(self):
        here = Path(__file__).parent
        self.assertEqual(javascript.run([sys.executable, "-c", "print(7)"], here), "7\n")
        with self.assertRaisesRegex(Misbehaved, "what it said"):
            javascript.run([sys.executable, "-c", "print('what it said'); raise SystemExit(1)"], here)

    def test_without_a_server_there_is_nothing_to_play(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            status = command.main(Path(__file__).resolve().parents[3], ["chromium", "--program", "/nowhere/throng"])
        self.assertEqual(status, 1)
        self.assertIn("scripts/test build makes it", said.getvalue())


class Documents(unittest.TestCase):
    HERE = Path(__file__).parent

    def refused(self, command):
        with self.assertRaises(Misbehaved) as raised, documented.serving(command, self.HERE):
            self.fail("there is no server")
        return str(raised.exception)

    def test_blocks_are_taken_as_they_stand_from_their_section(self):
        text = "## A\n\n```sh\na  b\n\nc\n```\n\n```js\nd\n```\n\n## B\n```sh\ne\n```\n"
        self.assertEqual(documented.blocks(documented.section(text, "A"), "sh"), ["a  b\n\nc\n"])
        self.assertEqual(documented.blocks(documented.section(text, "B"), "sh"), ["e\n"])
        self.assertEqual(documented.blocks(text, "js"), ["d\n"])
        with self.assertRaises(Misbehaved):
            documented.section(text, "C")

    def test_a_command_that_starts_no_server_where_it_says_is_told(self):
        addresses = [("127.0.0.1", port) for port in stage.free_ports(2)]
        with unittest.mock.patch.object(documented, "ADDRESSES", addresses):
            self.assertIn("on purpose", self.refused("echo on purpose >&2; exit 1"))
            self.assertIn("127.0.0.1:7", self.refused("""echo '{"listen":["127.0.0.1:7"]}'; exec sleep 60"""))
            with socket.create_server(addresses[1]):
                self.assertIn("is taken", self.refused("exec sleep 60"))


class Ports(unittest.TestCase):
    def test_they_differ_and_are_free(self):
        ports = stage.free_ports(5)
        self.assertEqual(len(set(ports)), 5)
        for port in ports:
            socket.create_server(("127.0.0.1", port)).close()


if __name__ == "__main__":
    unittest.main()
