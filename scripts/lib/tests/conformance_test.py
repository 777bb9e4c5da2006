#!/usr/bin/env python3
"""Tests of the judgement over Autobahn's reports and over what clients saw."""

import contextlib
import copy
import io
import json
import sys
import tempfile
import unittest
import unittest.mock
from argparse import Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from conformance import clients, command, suites, tools, verdict  # noqa: E402
from conformance.observing import observed  # noqa: E402
from conformance.server import Misbehaved, serving  # noqa: E402

SCENARIO = json.loads(clients.SCENARIO.read_text(encoding="utf-8"))


def judged(cases, compression="shared", reasons=(), selected=None, everything=False):
    """Problems of a run whose cases went as said: a behaviour, or one with that of the close."""
    index = {"throng": {}}
    for case, went in cases.items():
        behavior, behavior_close = went if isinstance(went, tuple) else (went, "OK")
        index["throng"][case] = {"behavior": behavior, "behaviorClose": behavior_close, "duration": 3}
    found = verdict.outcomes(index)
    selected = list(cases) if selected is None else selected
    return verdict.problems(found, selected, everything, compression, dict.fromkeys(reasons, "for a reason"))


class Cases(unittest.TestCase):
    def test_ok_and_informational_pass(self):
        self.assertEqual(judged({"1.1.1": "OK", "7.13.1": ("INFORMATIONAL", "INFORMATIONAL"), "12.1.1": "OK"}), [])

    def test_all_others_fail(self):
        for behavior in ("FAILED", "ERROR", "UNIMPLEMENTED", "ANYTHING"):
            for case in ("1.1.1", "12.1.1"):
                self.assertEqual(len(judged({case: behavior})), 1, f"{case} {behavior}")
        for behavior_close in ("FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT"):
            self.assertEqual(len(judged({"1.1.1": ("OK", behavior_close)})), 1, behavior_close)

    def test_non_strict_needs_a_reason(self):
        self.assertIn("6.4.1 is NON-STRICT", judged({"6.4.1": "NON-STRICT"})[0])
        self.assertEqual(judged({"6.4.1": "NON-STRICT"}, reasons=["6.4.1"]), [])

    def test_a_reason_needs_a_non_strict_case(self):
        self.assertIn("take its reason out", judged({"6.4.1": "OK"}, reasons=["6.4.1"])[0])
        self.assertEqual(judged({"1.1.1": "OK"}, reasons=["6.4.1"]), [])

    def test_a_reason_excuses_nothing_but_non_strict(self):
        self.assertEqual(len(judged({"6.4.1": "FAILED"}, reasons=["6.4.1"])), 2)

    def test_compression_is_unimplemented_when_it_is_off_and_only_then(self):
        self.assertEqual(judged({"12.1.1": "UNIMPLEMENTED", "13.1.1": "UNIMPLEMENTED"}, "off"), [])
        for behavior in ("OK", "FAILED"):
            self.assertEqual(len(judged({"12.1.1": behavior}, "off")), 1)
        self.assertEqual(len(judged({"9.1.1": "UNIMPLEMENTED"}, "off")), 1)

    def test_missing_and_extra_cases_fail(self):
        self.assertIn("no result of 1 cases: 1.1.2", judged({"1.1.1": "OK"}, selected=["1.1.1", "1.1.2"])[0])
        self.assertIn("not selected: 1.1.1", judged({"1.1.1": "OK", "1.1.2": "OK"}, selected=["1.1.2"])[0])
        self.assertEqual(judged({}), ["no case was selected"])

    def test_all_cases_are_517(self):
        self.assertIn("1 cases, not 517", judged({"1.1.1": "OK"}, everything=True)[0])
        self.assertEqual(judged({f"1.{number}": "OK" for number in range(517)}, everything=True), [])

    def test_the_servers_counters_must_fit(self):
        went = verdict.Outcome("OK", "OK", 1)
        index = {"12.1.10": went}
        good = {"bugs": 0, "compressed_in": 4, "compressed_out": 4}
        self.assertEqual(suites.counted(good, index, "shared"), [])
        self.assertEqual(len(suites.counted(good, index, "off")), 2)
        for counter, value in {"bugs": 1, "compressed_in": 0, "compressed_out": 0}.items():
            self.assertEqual(len(suites.counted(good | {counter: value}, index, "shared")), 1, counter)

        self.assertEqual(suites.counted(good | {"compressed_out": 0}, {"12.1.1": went}, "shared"), [], "16 bytes a message")
        self.assertEqual(suites.counted({"bugs": 0, "compressed_in": 0, "compressed_out": 0}, {"1.1.1": went}, "shared"), [])

    def test_reports_that_are_none_are_told(self):
        for index in ([], {}, {"a": {}, "b": {}}, {"a": {"1.1.1": {"behavior": "OK"}}}, {"a": {"1.1.1": None}}):
            with self.assertRaises(verdict.Malformed):
                verdict.outcomes(index)

    def test_a_summary_has_a_line_for_each_case_in_order(self):
        outcome = verdict.Outcome("OK", "OK", 5)
        text = "".join(suites.lines({"suite": "s"}, {"9.10.1": outcome, "9.2.1": outcome, "1.1.1": outcome}))
        self.assertEqual(list(json.loads(text)["cases"]), ["1.1.1", "9.2.1", "9.10.1"])
        self.assertEqual(len(text.splitlines()), 8)


class Reasons(unittest.TestCase):
    def explained(self, rows):
        return verdict.explained(f"# T\n\n| 1.1.1 | elsewhere |\n\n## {verdict.EXPLAINED}\n\n{rows}\n\n## Next\n\n| 2.1 | no |\n")

    def test_the_table_is_read(self):
        rows = "| case | reason |\n|---|---|\n| 6.4.1 | it is late |\n| 6.4.2 | so is this |"
        self.assertEqual(self.explained(rows), {"6.4.1": "it is late", "6.4.2": "so is this"})
        self.assertEqual(self.explained("None."), {})

    def test_an_empty_reason_is_none(self):
        with self.assertRaises(verdict.Malformed):
            self.explained("| 6.4.1 | |")

    def test_the_heading_must_be_there(self):
        with self.assertRaises(verdict.Malformed):
            verdict.explained("# Conformance\n")

    def test_the_document_has_it(self):
        verdict.explained((Path(__file__).parents[3] / "docs/CONFORMANCE.md").read_text(encoding="utf-8"))


ALL = clients.Client(lambda _: None, fragments=True)
COUNTS = {"bugs": 0, "compressed_in": 9, "compressed_out": 9}


def seen(agreed="permessage-deflate", fragments=True):
    parts = clients.expected(SCENARIO, fragments)
    return [{"part": "extensions", "agreed": agreed}, *({"part": part} | saw for part, saw in parts.items())]


def client_problems(parts, stats=None, compression="shared", client=ALL):
    return clients.problems(copy.deepcopy(parts), COUNTS | (stats or {}), compression, client, SCENARIO)


class Clients(unittest.TestCase):
    off = {"compressed_in": 0, "compressed_out": 0}

    def test_what_is_expected_passes(self):
        self.assertEqual(client_problems(seen()), [])
        self.assertEqual(client_problems(seen(""), self.off, "off"), [])

    def test_each_part_must_be_there_and_right(self):
        for at, part in enumerate(seen()):
            without = seen()
            del without[at]
            self.assertEqual(len(client_problems(without)), 1, part)
            for name in part.keys() - {"part"}:
                wrong = seen()
                wrong[at][name] = None
                self.assertEqual(len(client_problems(wrong)), 1, part)

    def test_a_part_that_is_not_expected_fails(self):
        self.assertEqual(len(client_problems([*seen(), {"part": "else", "same": True}])), 1)
        self.assertEqual(len(client_problems([*seen(), seen()[1]])), 1)
        self.assertTrue(client_problems(seen(), client=clients.Client(ALL.prepare, fragments=False)))

    def test_compression_is_agreed_on_when_it_is_on_and_only_then(self):
        self.assertEqual(len(client_problems(seen(""))), 1)
        self.assertEqual(len(client_problems(seen(), self.off, "off")), 1)

    def test_the_servers_counters_must_fit(self):
        for counter, value in {"bugs": 1, "compressed_in": 0, "compressed_out": 0}.items():
            self.assertEqual(len(client_problems(seen(), {counter: value})), 1, counter)
            if counter != "bugs":
                self.assertEqual(len(client_problems(seen(""), self.off | {counter: 1}, "off")), 1, counter)

    def test_whether_a_failed_connection_was_clean_is_not_asked_of_firefox(self):
        parts = [part | ({"clean": False} if "too big" in part["part"] else {}) for part in seen(fragments=False)]
        self.assertEqual(client_problems(parts, client=clients.CLIENTS["firefox"]), [])
        self.assertEqual(len(client_problems(parts, client=clients.CLIENTS["chromium"])), 2)

    def test_the_limit_of_a_message_is_tried_at_its_edge(self):
        self.assertEqual(SCENARIO["too_big"], max(SCENARIO["sizes"]) + 1)


class Programs(unittest.TestCase):
    def script(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "program"
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
        return path

    def test_a_client_that_fails_is_told_with_what_it_said(self):
        lines = observed([self.script("echo '{\"part\": 1}'; echo so and so >&2; exit 3")])
        self.assertEqual(next(lines), {"part": 1})
        with self.assertRaisesRegex(Misbehaved, r"failed \(3\): so and so"):
            next(lines)

    def test_a_server_that_is_not_ready_is_told_with_its_log(self):
        with self.assertRaisesRegex(Misbehaved, "instead of being ready: no port is free"):
            with serving(self.script("echo no port is free >&2; exit 1")):
                pass

    def test_a_server_that_ends_badly_is_told(self):
        ready = """echo '{"listen": ["127.0.0.1:1"], "admin": "127.0.0.1:2"}'"""
        with self.assertRaisesRegex(Misbehaved, "exit code 1"):
            with serving(self.script(f"{ready}; exit 1")) as server:
                server.gone()

    def test_a_client_that_never_comes_to_the_end_fails(self):
        ready = """echo '{"listen": ["127.0.0.1:1"], "admin": "127.0.0.1:2"}'"""
        with self.assertRaisesRegex(Misbehaved, "never was ready"):
            clients.play(self.script(f"{ready}; exec sleep 60"), "off", lambda _: iter([{"part": "extensions"}]))

    def test_an_environment_is_made_anew_when_its_packages_change(self):
        self.assertNotEqual(tools.name_of(["a==1"], ""), tools.name_of(["a==1", "b==2"], ""))
        self.assertNotEqual(tools.name_of(["a==1"], "3.11"), tools.name_of(["a==1"], "3.12"))

    def test_what_cannot_be_had_is_a_skip(self):
        def run(*_):
            raise tools.Unavailable("no such thing here")

        program, said = self.script(""), io.StringIO()
        with contextlib.ExitStack() as stack:
            for silent in (contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)):
                stack.enter_context(silent)
            stack.enter_context(unittest.mock.patch.object(command, "arguments", lambda _: Namespace(run=run)))
            stack.enter_context(unittest.mock.patch.dict("os.environ", CARGO_TARGET_DIR=str(program.parent)))
            self.assertEqual(command.main(Path("/"), []), 1, "without a build")
            (program.parent / "release").mkdir()
            program.rename(program.parent / "release/throng")
            self.assertEqual(command.main(Path("/"), []), 77)
        self.assertIn("throng is missing", said.getvalue())
        self.assertIn("SKIPPED: no such thing here", said.getvalue())


if __name__ == "__main__":
    unittest.main()
