#!/usr/bin/env python3
"""Tests of the requirements' coverage: tables that are wrong, citations that are missing, superfluous or of nothing."""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

import rfc  # noqa: E402
from tree import Tree  # noqa: E402

HEAD = "# RFC 1\n\n## 5.1 Frames\n\n| # | level | what | why |\n|---|---|---|---|\n"


def tree(rows, **files):
    """A table with these rows, and Rust files; `a__b` stands for the path a/b."""
    rust = {name.replace("__", "/") + ".rs": text for name, text in files.items()}
    return Tree({"docs/rfc/1234.md": HEAD + "".join(f"{row}\n" for row in rows), **rust})


def complaints(rows, **files):
    return [str(complaint) for complaint in rfc.every_requirement_is_accounted_for(tree(rows, **files))]


class Tables(unittest.TestCase):
    def test_rows_become_requirements(self):
        text = HEAD + "| 1 | MUST | Mask. | client |\n| 2 | SHOULD NOT | Wait. | |\n\n## 5.5.1 Close\n\n| 1 | rule | End. | |\n"
        requirements, wrong = rfc.read_table("docs/rfc/1234.md", text)
        self.assertEqual(wrong, [])
        self.assertEqual([each.id for each in requirements], ["1234-5.1-1", "1234-5.1-2", "1234-5.5.1-1"])
        self.assertEqual([each.line for each in requirements], [7, 8, 12])
        self.assertEqual([each.kind for each in requirements], ["client", "", ""])
        self.assertEqual(requirements[2].title, "Close")

    def test_a_wrong_row_is_told(self):
        for row, reason in {
            "| 2 | MUST | x | |": "must be number 1",
            "| 1 | MAY | x | |": "the level must be one of",
            "| 1 | MUST | | |": "say what it demands",
            "| 1 | MUST | x |": "four cells",
            "| 1 | MUST | x | y | |": "four cells",
            "| 1 | MUST | x | because |": "an exception begins with",
            "| 1 | MUST | x | unused |": "give the reason",
            "| 1 | MUST | x | departure: |": "give the reason",
        }.items():
            _, wrong = rfc.read_table("docs/rfc/1234.md", HEAD + row + "\n")
            self.assertEqual([(each.line, reason in each.message) for each in wrong], [(7, True)], row)

    def test_headings_are_sections(self):
        _, wrong = rfc.read_table("a.md", "## Frames\n")
        self.assertIn("a heading must be", wrong[0].message)
        _, wrong = rfc.read_table("a.md", "| 1 | MUST | x | |\n")
        self.assertIn("outside any section", wrong[0].message)

    def test_a_section_has_one_table(self):
        _, wrong = rfc.read_table("1.md", "## 5 A\n| 1 | MUST | x | |\n## 5 A\n| 1 | MUST | y | |\n")
        self.assertEqual([each.message for each in wrong], ["1-5-1 is there twice: a section has one table"])


class Citations(unittest.TestCase):
    def cited(self, text, name="src__a"):
        return [(each.id, each.line, each.in_tests) for each in rfc.citations(tree([], **{name: text}))]

    def test_comments_of_every_kind_cite(self):
        for text in (
            "// RFC 1234-5.1-1",
            "//! Frames (RFC 1234-5.1-1).",
            "    /// Masks (RFC 1234-5.1-1): why.",
            "let x = 1; // RFC 1234-5.1-1: why",
        ):
            self.assertEqual(self.cited(text), [("1234-5.1-1", 1, False)], text)

    def test_several_may_stand_together(self):
        ids = [name for name, _, _ in self.cited("// RFC 1234-5-1, 1234-5.1.2-10 and RFC 1-2-3, RFC 9999-1-2 and 9999-1-3.\n")]
        self.assertEqual(ids, ["1234-5-1", "1234-5.1.2-10", "9999-1-2", "9999-1-3"])

    def test_other_text_does_not_cite(self):
        for text in (
            'let x = "RFC 1234-5.1-1";',
            "// RFC 1234, section 5.1",
            "// RFC 1234-5.1",
            "// on 2026-11-25",
            "// RFC 1234-5.1-1x",
            'let url = "http://RFC 1234-5.1-1";',
        ):
            self.assertEqual(self.cited(text), [], text)

    def test_tests_are_told_apart(self):
        declared = "// RFC 1234-5.1-1\n#[cfg(test)]\nmod twin;\n// RFC 1234-5.1-2\n"
        unit = declared + "#[cfg(test)]\nmod tests {\n    // RFC 1234-5.1-3\n}\n"
        self.assertEqual([in_tests for _, _, in_tests in self.cited(unit)], [False, False, True])
        for name in ("tests__ws__a", "src__worker__tests__a", "bench__src__a"):
            self.assertEqual(self.cited("// RFC 1234-5.1-1", name), [("1234-5.1-1", 1, True)], name)


class Rule(unittest.TestCase):
    ROW, EXCEPTED = "| 1 | MUST | Mask. | |", "| 1 | MUST | Mask. | unused: no masks |"
    CITATION = "// RFC 1234-5.1-1: masked\n"

    def test_cited_or_excepted_is_fine(self):
        self.assertEqual(complaints([self.ROW], src__a=self.CITATION), [])
        self.assertEqual(complaints([self.EXCEPTED], src__a="// RFC 1234\n", tests__a=self.CITATION), [])

    def test_neither_is_missing_and_tests_do_not_count(self):
        for files in ({}, {"tests__a": self.CITATION}, {"src__a": f"#[cfg(test)]\nmod tests {{\n{self.CITATION}}}\n"}):
            (said,) = complaints([self.ROW], **files)
            self.assertTrue(said.startswith("docs/rfc/1234.md:7: 1234-5.1-1 has no citation"), said)

    def test_both_is_one_too_many(self):
        (said,) = complaints([self.EXCEPTED], src__a="\n" + self.CITATION)
        self.assertEqual(said, "docs/rfc/1234.md:7: 1234-5.1-1 is cited at src/a.rs:2: it needs no exception")

    def test_unknown_ids_are_told_wherever_they_stand(self):
        said = complaints([self.EXCEPTED], src__a="// RFC 1234-5.1-2\n", tests__a="// RFC 4321-5.1-1\n")
        self.assertEqual([each.split(":")[0] for each in said], ["src/a.rs", "tests/a.rs"])
        self.assertIn("1234-5.1-2 is in no table", said[0])

    def test_a_wrong_table_and_none_are_complaints(self):
        self.assertIn("level", complaints(["| 1 | MAY | x | |"])[0])
        (said,) = rfc.every_requirement_is_accounted_for(Tree({"src/a.rs": ""}))
        self.assertIn("no tables", said.message)


class Output(unittest.TestCase):
    ROWS = [
        "| 1 | MUST | Mask. | |",
        "| 2 | MUST | Wait. | client |",
        "| 3 | SHOULD | Log. | departure: too much |",
        "| 4 | MUST | End. | |",
    ]

    def covered(self):
        return rfc.coverage(tree(self.ROWS, src__a="// RFC 1234-5.1-1\n\n// RFC 1234-5.1-1\n"))

    def test_the_summary_counts_and_names_what_is_missing(self):
        lines = list(rfc.summary(self.covered()))
        self.assertEqual(lines[1].split(), ["1234-5.1", "1", "2", "1", "Frames"])
        self.assertEqual(lines[2].split(), ["all", "1", "2", "1"])
        self.assertEqual(lines[3:5], ["excepted, client: 1", "excepted, departure: 1"])
        departure = "DEPARTURE 1234-5.1-3 (SHOULD): Log. Not so here: too much"
        self.assertEqual(lines[5:], [departure, "MISSING 1234-5.1-4 (MUST): End."])

    def test_the_list_has_the_lines_of_each(self):
        words = [line.split() for line in rfc.listing(self.covered())]
        self.assertEqual(words[0], ["1234-5.1-1", "MUST", "src/a.rs:1,", "src/a.rs:3"])
        self.assertEqual(words[1], ["1234-5.1-2", "MUST", "client"])
        self.assertEqual(words[3], ["1234-5.1-4", "MUST", "MISSING"])

    def test_the_repository_is_covered(self):
        root = Path(__file__).resolve().parents[3]
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(rfc.main(root, ["--list"]), 0)
        self.assertIn("6455-5.1-2 ", said.getvalue())
        self.assertIn("7692-7.2.1-1 ", said.getvalue())


if __name__ == "__main__":
    unittest.main()
