#!/usr/bin/env python3
"""Tests of scripts/guard: what it measures of a program that pretends, and how it judges."""

import contextlib
import io
import os
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from conformance import tools  # noqa: E402
from guard import budgets, command, figures, verdict  # noqa: E402

# What a throng-guard says whose scenarios are of one operation a time; `step` is what it does beside that, each time.
GUARD = """
    import json, os, sys
    if sys.argv[1:] == ["--list"]:
        for name, measures in (("echo", "costs"), ("held", "memory"), ("bare", "bare")):
            print(json.dumps({"name": name, "what": f"one {name}", "count": 10, "measures": measures}))
        sys.exit()
    name, count = sys.argv[1], int(sys.argv[2])
    calls = {"wait": 5, "recv": count, "send": 2 * count, "sendmsg": 0, "bytes_in": 26 * count, "bytes_out": 22 * count}
    report = {"operations": count, "calls": calls, "allocations": 7 + count, "allocated_bytes": 100 + 40 * count}
    %(step)s
    print(json.dumps(report | {"held_bytes": 1000 + 32 * count}))
"""
# A valgrind that counts 1,000 instructions and 50 bytes copied for each time, and much besides.
VALGRIND = """
    import subprocess, sys
    if "--version" in sys.argv:
        print("valgrind-3.19.0")
        sys.exit()
    subprocess.run(sys.argv[-3:], check=True)
    count = int(sys.argv[-1])
    if "--tool=callgrind" in sys.argv:
        print(f"==1== Collected : {5000000 + 1000 * count}", file=sys.stderr)
    else:
        print(f"==1== Total:     {5000 + 50 * count:,} bytes in 10 blocks", file=sys.stderr)
"""
HERE = {"rustc": "1.95.0", "valgrind": "3.19.0", "libc": "glibc 2.36", "processor": "x86_64 with AVX2"}
MEASURED = {
    "echo": {
        "instructions": 1000,
        "copied-bytes": 24,
        "allocations": 1,
        "allocated-bytes": 40,
        "calls.wait": 0,
        "calls.recv": 1,
        "calls.send": 2,
        "calls.sendmsg": 0,
    },
    "held": {"held-bytes": 32},
    "bare": {"instructions": 1000},
}


class Guarded(unittest.TestCase):
    """A folder with a throng-guard and a valgrind that pretend."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "bench").mkdir()
        self.file = self.root / budgets.WHERE
        self.program = self.fake("throng-guard", GUARD % {"step": ""})
        self.fake("valgrind", VALGRIND)
        for change in (
            mock.patch.dict(os.environ, {"PATH": f"{self.root}:{os.environ['PATH']}"}),
            mock.patch.object(budgets, "circumstances", lambda: dict(HERE)),
        ):
            change.start()
            self.addCleanup(change.stop)

    def fake(self, name, body):
        path = self.root / name
        path.write_text(f"#!{sys.executable} -IS\n{textwrap.dedent(body)}")
        path.chmod(0o755)
        return path

    def guard(self, *words):
        """The exit code and all that was printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = command.main(self.root, ["--program", str(self.program), *words])
        return code, said.getvalue()

    def taken(self):
        code, said = self.guard("--update")
        self.assertEqual(code, 0, said)

    def change(self, old, new):
        text = self.file.read_text()
        self.assertIn(old, text)
        self.file.write_text(text.replace(old, new, 1))


class Measuring(Guarded):
    """What comes of the programs."""

    def test_figures_are_the_difference_between_two_runs_for_one_operation(self):
        found = figures.measure(self.program, figures.scenarios(self.program))
        self.assertEqual(found, MEASURED)

    def test_check_accepts_what_update_has_written(self):
        self.taken()
        code, said = self.guard()
        self.assertEqual(code, 0, said)
        self.assertIn("8 figures of 3 scenarios, 0 problems", said)
        self.assertNotIn("ATTENTION", said)
        self.assertNotIn("far below", said)
        self.assertEqual(budgets.read(self.file).taken_with, HERE)

    def test_a_program_whose_runs_differ_is_found_out(self):
        self.program = self.fake("throng-guard", GUARD % {"step": 'report["allocations"] += os.getpid()'})
        code, said = self.guard("--update")
        self.assertEqual(code, 1)
        self.assertIn("echo: two runs that are alike say different things of themselves", said)

    def test_a_program_that_fails_fails_the_guard(self):
        self.taken()
        self.program = self.fake("throng-guard", GUARD % {"step": 'sys.exit("the server rests")'})
        code, said = self.guard()
        self.assertEqual(code, 1)
        self.assertIn("the server rests", said)

    def test_a_valgrind_that_counts_nothing_fails_the_guard(self):
        self.fake("valgrind", VALGRIND.replace("Collected", "Rejected"))
        code, said = self.guard("--update")
        self.assertEqual(code, 1)
        self.assertIn("valgrind does not say what it has counted", said)
        self.assertFalse(self.file.exists())

    def test_without_valgrind_it_is_skipped(self):
        with mock.patch.object(tools, "found", lambda *_: None), mock.patch.object(os, "geteuid", lambda: 1000):
            code, said = self.guard()
        self.assertEqual(code, 77)
        self.assertIn("SKIPPED: valgrind is not installed: apt-get install valgrind", said)


class Judging(Guarded):
    """What comes of the figures."""

    def setUp(self):
        super().setUp()
        known = figures.scenarios(self.program)
        for change in (
            mock.patch.object(figures, "scenarios", lambda _: known),
            mock.patch.object(figures, "measure", lambda _, wanted: {one.name: MEASURED[one.name] for one in wanted}),
        ):
            change.start()
            self.addCleanup(change.stop)

    def test_what_has_no_whole_numbers_is_accepted_as_well(self):
        odd = {"echo": dict.fromkeys(MEASURED["echo"], 1 / 3) | {"calls.wait": 123.45678949}}
        scenario = figures.Scenario("echo", "one echo", 10, "costs")
        budgets.write(self.file, HERE, [scenario], odd)
        lines = list(verdict.judge(budgets.read(self.file), odd, False))
        self.assertEqual([line.verdict for line in lines], [verdict.WITHIN] * len(odd["echo"]))

    def test_a_figure_over_its_budget_fails(self):
        for kind, new in {"instructions": 950, "copied-bytes": 22, "allocated-bytes": 38, "held-bytes": 30}.items():
            old = next(table[kind] for table in MEASURED.values() if kind in table)
            self.taken()
            self.change(f"{kind} = {old}\n", f"{kind} = {new}\n")
            code, said = self.guard()
            self.assertEqual(code, 1, said)
            self.assertIn(f"{kind} is {old:,}, its budget {new:,}", said)
            self.assertIn("1 problems", said)

    def test_a_figure_within_its_tolerance_does_not(self):
        self.taken()
        self.change("instructions = 1000\n", "instructions = 952.4\n")
        self.assertEqual(self.guard()[0], 0)

    def test_a_call_or_an_allocation_more_fails(self):
        for old, new in {
            "allocations = 1\n": "allocations = 0.999999\n",
            "send = 2 }": "send = 1.999999 }",
            "recv = 1, ": "",
        }.items():
            self.taken()
            self.change(old, new)
            code, said = self.guard()
            self.assertEqual(code, 1, said)
            self.assertIn("1 problems", said)

    def test_less_is_fine_and_far_less_is_said(self):
        self.taken()
        self.change("instructions = 1000\n", "instructions = 1050\n")
        self.assertNotIn("far below", self.guard()[1])
        self.change("instructions = 1050\n", "instructions = 1060\n")
        self.change("send = 2 }", "send = 3 }")
        code, said = self.guard()
        self.assertEqual(code, 0, said)
        self.assertIn("2 figures are more than 5% below their budgets: lower them", said)

    def test_a_scenario_without_a_budget_fails_and_a_budget_without_a_scenario(self):
        self.taken()
        self.change("[scenarios.held]\n", "[scenarios.hold]\n")
        code, said = self.guard()
        self.assertEqual(code, 1, said)
        self.assertIn("FAILED: held has no budget: scripts/guard --update", said)
        self.assertIn("FAILED: there are budgets for hold, which is no scenario", said)

    def test_a_budget_for_what_is_not_measured_is_far_above_it(self):
        self.taken()
        self.change("[scenarios.held]\n", "[scenarios.held]\ninstructions = 5\n")
        self.assertIn("1 figures are more than 5% below", self.guard()[1])

    def test_with_another_compiler_instructions_have_more_room_which_is_said(self):
        self.taken()
        self.change('rustc = "1.95.0"', 'rustc = "1.94.1"')
        self.change("instructions = 1000\n", "instructions = 801\n")
        code, said = self.guard()
        self.assertEqual(code, 0, said)
        self.assertIn("ATTENTION: the budgets were taken elsewhere: rustc is 1.95.0, not 1.94.1.", said)
        self.assertIn("instructions 25%", said)
        self.change("instructions = 801\n", "instructions = 799\n")
        self.assertEqual(self.guard()[0], 1)
        self.taken()
        self.change('rustc = "1.95.0"', 'rustc = "1.94.1"')
        self.change("send = 2 }", "send = 1 }")
        self.assertEqual(self.guard()[0], 1, "calls have none")

    def test_some_scenarios_are_judged_by_themselves(self):
        self.taken()
        self.change("held-bytes = 32\n", "held-bytes = 1\n")
        self.assertEqual(self.guard("echo", "bare")[0], 0)
        self.assertEqual(self.guard("held")[0], 1)
        code, said = self.guard("echo", "nothing")
        self.assertEqual(code, 2)
        self.assertIn("no scenario nothing: echo, held, bare", said)

    def test_all_budgets_are_taken_together(self):
        with self.assertRaises(SystemExit) as ended:
            self.guard("--update", "echo")
        self.assertEqual(ended.exception.code, 2)

    def test_a_file_that_is_no_file_of_budgets(self):
        code, said = self.guard()
        self.assertEqual(code, 1)
        self.assertIn("scripts/guard --update writes it", said)
        self.taken()
        good = self.file.read_text()
        for old, new in {
            "instructions = 1000\n": "instructions = a lot\n",
            "[tolerance]\n": "[tolerances]\n",
            "held-bytes = 32\n": "held-bytes = -1\n",
            "calls = { ": "calls = 5 # ",
            "recv = 1,": "recv = true,",
        }.items():
            self.file.write_text(good)
            self.change(old, new)
            code, said = self.guard()
            self.assertEqual(code, 1)
            self.assertIn("guard: FAILED: ", said)
            self.assertIn("budgets.toml", said)


class Circumstances(unittest.TestCase):
    def test_the_processor_is_what_programs_choose_by(self):
        with tempfile.NamedTemporaryFile("w") as file, mock.patch("platform.machine", lambda: "x86_64"):
            for flags, found in {"fpu avx avx2 bmi": "x86_64 with AVX2", "fpu avx avx20": "x86_64"}.items():
                file.seek(0)
                file.truncate()
                file.write(f"processor : 0\nflags\t\t: {flags}\n")
                file.flush()
                self.assertEqual(budgets.processor(Path(file.name)), found)
            self.assertEqual(budgets.processor(Path("/nonexistent/cpuinfo")), "x86_64")

    def test_versions_are_found_in_what_programs_say(self):
        for said, found in {"rustc 1.95.0 (59807616e 2026-04-14)": "1.95.0", "valgrind-3.19.0": "3.19.0", "odd": "odd"}.items():
            self.assertEqual(budgets.version(["echo", said]), found)


if __name__ == "__main__":
    unittest.main()
