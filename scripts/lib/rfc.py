"""Requirements of the RFCs, and the lines that obey them: what scripts/rfc prints and a rule of scripts/house.

docs/rfc/ has a table for each section of an RFC, with a row for each requirement: its number in the section, its level, what
it demands in our words, and for one without a citation the reason. docs/RFC.md says more.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tree import Complaint, Tree, read_tree

TABLES = "docs/rfc/"
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "RECOMMENDED", "must", "should", "rule")
# Why a requirement may have no citation, and whether a reason must stand behind the word.
NEEDS_REASON = {
    "client": False,
    "intermediary": False,
    "extension": False,
    "unused": True,
    "application": True,
    "departure": True,
}

_SECTION = re.compile(r"## (\d+(?:\.\d+)*) (\S.*)")
_ROW = re.compile(r"\|(.*)\|")
_ID = r"\d{4}-\d+(?:\.\d+)*-\d+(?![\w-])"
# `RFC 6455-5.1-2`, `RFC 6455-5.1-2, 6455-5.1-3 and 6455-5.5-1`.
_CITATION = re.compile(rf"\bRFC ({_ID}(?:(?:, | and ){_ID})*)")
_COMMENT = re.compile(r"(?<!:)//.*")
_TESTS = re.compile(r"#\[cfg\(test\)\]\n(?:#\[.*\]\n)*mod \w+ \{")


@dataclass(frozen=True)
class Requirement:
    """A row of a table."""

    id: str
    path: str
    line: int
    section: str
    title: str
    level: str
    what: str
    exception: str

    @property
    def kind(self) -> str:
        """The first word of the exception; empty where there is none."""
        return self.exception.split(":")[0]


@dataclass(frozen=True)
class Citation:
    id: str
    path: str
    line: int
    in_tests: bool


def read_table(path: str, text: str) -> tuple[list[Requirement], list[Complaint]]:
    """The requirements of a file, and what is wrong with their rows."""
    requirements: list[Requirement] = []
    complaints = []
    document = Path(path).stem
    section, title, expected = "", "", 1
    for line, content in enumerate(text.splitlines(), 1):
        if content.startswith("## "):
            heading = _SECTION.fullmatch(content)
            if heading is None:
                complaints.append(Complaint(path, line, "a heading must be `## NUMBER TITLE`, as the RFC has them"))
                continue
            section, title, expected = heading[1], heading[2], 1
            continue
        row = _ROW.fullmatch(content.rstrip())
        if row is None or set(content) <= set("|-: ") or content.startswith("| # |"):
            continue
        cells = [cell.strip() for cell in row[1].split("|")]
        problem = _wrong_with(cells, expected) if section else "a row outside any section: put it below a heading"
        if problem:
            complaints.append(Complaint(path, line, problem))
            continue
        number, level, what, exception = cells
        expected += 1
        name = f"{document}-{section}-{number}"
        requirements.append(Requirement(name, path, line, section, title, level, what, exception))
    repeated = [name for name, count in Counter(each.id for each in requirements).items() if count > 1]
    complaints += [Complaint(path, 1, f"{name} is there twice: a section has one table") for name in repeated]
    return requirements, complaints


def _wrong_with(cells: list[str], expected: int) -> str:
    """What is wrong with a row, or nothing."""
    if len(cells) != 4:
        return "a row has four cells: number, level, what it demands, why it is not cited (or nothing)"
    number, level, what, exception = cells
    if number != str(expected):
        return f"this must be number {expected}: rows count from 1 in each section, without a gap"
    if level not in LEVELS:
        return f"the level must be one of {', '.join(LEVELS)}"
    if not what:
        return "say what it demands"
    if exception:
        kind, _, reason = exception.partition(":")
        if kind not in NEEDS_REASON:
            return f"an exception begins with one of {', '.join(NEEDS_REASON)}"
        if NEEDS_REASON[kind] and not reason.strip():
            return f"give the reason: `{kind}: ...`"
    return ""


def citations(tree: Tree) -> list[Citation]:
    """Every id that a comment of a Rust file cites."""
    found = []
    for path in tree.rust():
        text = tree.files[path]
        tests = _TESTS.search(text)
        tests_from = text.count("\n", 0, tests.start()) + 1 if tests else sys.maxsize
        is_test = not path.startswith("src/") or "/tests/" in path
        for line, content in enumerate(text.splitlines(), 1):
            comment = _COMMENT.search(content)
            for names in _CITATION.findall(comment[0]) if comment else []:
                found += [Citation(name, path, line, is_test or line >= tests_from) for name in re.findall(_ID, names)]
    return found


@dataclass
class Coverage:
    """The requirements and who cites them."""

    requirements: list[Requirement]
    citations: dict[str, list[Citation]]
    complaints: list[Complaint]

    def obeyed(self, requirement: Requirement) -> list[Citation]:
        """The lines that obey it: what tests say of it is no proof that they do."""
        return [each for each in self.citations.get(requirement.id, []) if not each.in_tests]

    def state(self, requirement: Requirement) -> str:
        if self.obeyed(requirement):
            return "obeyed"
        return "excepted" if requirement.exception else "missing"


def coverage(tree: Tree) -> Coverage:
    tables = [path for path in tree.files if path.startswith(TABLES) and path.endswith(".md")]
    requirements: list[Requirement] = []
    complaints: list[Complaint] = []
    if not tables:
        complaints.append(Complaint(TABLES, 1, "no tables of requirements: docs/RFC.md says what they are"))
    for path in sorted(tables):
        read, wrong = read_table(path, tree.files[path])
        requirements += read
        complaints += wrong
    cited: dict[str, list[Citation]] = {}
    for citation in citations(tree):
        cited.setdefault(citation.id, []).append(citation)
    return Coverage(requirements, cited, complaints)


def every_requirement_is_accounted_for(tree: Tree) -> Iterator[Complaint]:
    """The rule of the house check."""
    covered = coverage(tree)
    yield from covered.complaints
    known = {requirement.id for requirement in covered.requirements}
    for requirement in covered.requirements:
        obeyed = covered.obeyed(requirement)
        if obeyed and requirement.exception:
            where = f"{obeyed[0].path}:{obeyed[0].line}"
            yield Complaint(
                requirement.path, requirement.line, f"{requirement.id} is cited at {where}: it needs no exception"
            )
        elif not obeyed and not requirement.exception:
            yield Complaint(
                requirement.path,
                requirement.line,
                f"{requirement.id} has no citation: write `// RFC {requirement.id}: why` at the line in src/ that obeys it,"
                " or say here why there is none",
            )
    for name, places in covered.citations.items():
        if name not in known:
            for place in places:
                yield Complaint(place.path, place.line, f"{name} is in no table of {TABLES}")


def summary(covered: Coverage) -> Iterator[str]:
    """A line for each section, then what is missing."""
    sections: dict[tuple[str, str, str], Counter] = {}
    for requirement in covered.requirements:
        key = (Path(requirement.path).stem, requirement.section, requirement.title)
        sections.setdefault(key, Counter())[covered.state(requirement)] += 1
    yield f"{'section':<16}{'obeyed':>8}{'excepted':>10}{'missing':>9}"
    for (document, section, title), counts in sections.items():
        name = f"{document}-{section}"
        yield f"{name:<16}{counts['obeyed']:>8}{counts['excepted']:>10}{counts['missing']:>9}  {title}"
    totals = sum(sections.values(), Counter())
    yield f"{'all':<16}{totals['obeyed']:>8}{totals['excepted']:>10}{totals['missing']:>9}"
    for kind in NEEDS_REASON:
        if count := sum(1 for each in covered.requirements if covered.state(each) == "excepted" and each.kind == kind):
            yield f"excepted, {kind}: {count}"
    for requirement in covered.requirements:
        if covered.state(requirement) == "excepted" and requirement.kind == "departure":
            reason = requirement.exception.partition(":")[2].strip()
            yield f"DEPARTURE {requirement.id} ({requirement.level}): {requirement.what} Not so here: {reason}"
    for requirement in covered.requirements:
        if covered.state(requirement) == "missing":
            yield f"MISSING {requirement.id} ({requirement.level}): {requirement.what}"


def listing(covered: Coverage) -> Iterator[str]:
    """A line for each requirement, with the lines that obey it, or why there is none."""
    for requirement in covered.requirements:
        places = [f"{each.path}:{each.line}" for each in covered.obeyed(requirement)]
        places = places or [requirement.exception or "MISSING"]
        yield f"{requirement.id:<16} {requirement.level:<11} {', '.join(places)}"


def main(root: Path, arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/rfc", description="Requirements of the RFCs, and the lines that obey them.")
    parser.add_argument("--list", action="store_true", help="each requirement with its lines, or why there are none")
    options = parser.parse_args(arguments)
    tree = read_tree(root)
    for line in listing(coverage(tree)) if options.list else summary(coverage(tree)):
        print(line)
    complaints = list(every_requirement_is_accounted_for(tree))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0
