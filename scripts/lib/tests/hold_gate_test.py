#!/usr/bin/env python3
"""Tests of the judgement over two holds."""

import contextlib
import copy
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

import hold_gate  # noqa: E402


def report(n, user_bytes):
    both = {"client": n, "server": n}
    run = {
        "throng": {
            "connections": n,
            "opened": n,
            "closed": n,
            "open_after_hold": both,
            "hold": {"cycles": 2, "min_pings_per_connection": 2, "pong_timeouts": 0},
            "user": {"server_at_n": user_bytes, "server_at_zero": 1_000_000},
            "after": {"server_open": 0},
            "problems": [],
        }
    }

    return {"runs": [run]}


class HoldGate(unittest.TestCase):
    def judge(self, few, many, *options):
        """Exit code and all that was printed."""
        said = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            paths = [Path(folder) / name for name in ("few", "many")]
            for path, content in zip(paths, (few, many)):
                path.write_text(content if isinstance(content, str) else json.dumps(content))
            code = hold_gate.main([*map(str, paths), *options])
        return code, said.getvalue()

    def test_the_slope_leaves_the_base_out(self):
        code, said = self.judge(report(2000, 5_000_000), report(10_000, 5_400_000))
        self.assertEqual(code, 0, said)
        self.assertIn("50.0 bytes of user memory per connection", said)

    def test_too_many_bytes_fail(self):
        code, said = self.judge(report(2000, 5_000_000), report(10_000, 5_520_000))
        self.assertEqual(code, 1)
        self.assertIn("65.0 bytes of user memory per connection, over 64", said)
        self.assertEqual(self.judge(report(2000, 5_000_000), report(10_000, 5_520_000), "--max-user-bytes", "65")[0], 0)

    def test_each_way_to_fail_a_hold(self):
        for path, value in {
            "opened": 9_999,
            "closed": 9_999,
            "open_after_hold.client": 9_999,
            "open_after_hold.server": 10_001,
            "hold.cycles": 1,
            "hold.min_pings_per_connection": 1,
            "hold.pong_timeouts": 1,
            "after.server_open": 1,
            "problems": ["slabs were busy"],
        }.items():
            many = copy.deepcopy(report(10_000, 5_400_000))
            at = many["runs"][0]["throng"]
            *steps, last = path.split(".")
            for step in steps:
                at = at[step]
            at[last] = value
            code, said = self.judge(report(2000, 5_000_000), many)
            self.assertEqual(code, 1, path)
            self.assertIn("FAILED: 10,000 connections", said, path)

    def test_reports_that_lack_something_fail(self):
        good = report(2000, 5_000_000)
        without = copy.deepcopy(good)
        del without["runs"][0]["throng"]["hold"]["cycles"]
        null = copy.deepcopy(good)
        null["runs"][0]["throng"]["hold"] = None
        text = copy.deepcopy(good)
        text["runs"][0]["throng"]["opened"] = "2000"
        sweep = {"runs": good["runs"] * 2}
        for bad in ("", "{", "[]", without, null, text, sweep):
            self.assertEqual(self.judge(good, bad)[0], 1)
        self.assertIn("no throng.hold.cycles", self.judge(good, without)[1])

    def test_the_same_size_twice_is_no_slope(self):
        self.assertEqual(self.judge(report(10, 1), report(10, 1))[0], 1)


if __name__ == "__main__":
    unittest.main()
