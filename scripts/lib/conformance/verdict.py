"""Judges a report of Autobahn's cases."""

import re
from collections import Counter
from dataclasses import dataclass

# How many cases there are: a suite that lost some on the way must not pass.
ALL_CASES = 517
# The sections about permessage-deflate.
COMPRESSION = ("12.", "13.")
# The heading in docs/CONFORMANCE.md under which a table gives the reason for each case that passes without being strict.
EXPLAINED = "Cases that pass non-strictly"

PASSED = ("OK", "INFORMATIONAL")


class Malformed(Exception):
    """The report, or the table of reasons, is not what it should be."""


@dataclass(frozen=True)
class Outcome:
    """How a case went: the messages, the close, and the time it took."""

    behavior: str
    behavior_close: str
    milliseconds: int


def explained(document: str) -> dict[str, str]:
    """The cases in the document's table, with their reasons."""
    section = re.search(rf"^#+ {EXPLAINED}\n(.*?)(?=^#+ |\Z)", document, re.MULTILINE | re.DOTALL)
    if section is None:
        raise Malformed(f"docs/CONFORMANCE.md has no heading '{EXPLAINED}'")
    reasons = {}
    for case, reason in re.findall(r"^\| *(\d+(?:\.\d+)+) *\|(.*)\| *$", section[1], re.MULTILINE):
        if not reason.strip():
            raise Malformed(f"docs/CONFORMANCE.md gives no reason for case {case}")
        reasons[case] = reason.strip()
    return reasons


def outcomes(index: object) -> dict[str, Outcome]:
    """The cases of a report's index.json, which must be of one server."""
    if not isinstance(index, dict) or len(index) != 1:
        raise Malformed("the report is not of one server")
    (cases,) = index.values()
    try:
        return {
            case: Outcome(found["behavior"], found["behaviorClose"], found["duration"]) for case, found in cases.items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise Malformed(f"the report lacks {error} of a case") from error


def problems(
    found: dict[str, Outcome], selected: list[str], everything: bool, compression: str, reasons: dict[str, str]
) -> list[str]:
    """What is wrong with a run over the selected cases, which should be all there are if `everything` is true."""
    wrong = []
    if everything and len(selected) != ALL_CASES:
        wrong.append(f"the suite has {len(selected)} cases, not {ALL_CASES}")
    if not selected:
        wrong.append("no case was selected")
    if missing := [case for case in selected if case not in found]:
        wrong.append(f"no result of {len(missing)} cases: {' '.join(missing)}")
    if extra := sorted(found.keys() - set(selected)):
        wrong.append(f"results of cases that were not selected: {' '.join(extra)}")
    for case in reasons.keys() & set(selected):
        if case in found and found[case].behavior != "NON-STRICT":
            wrong.append(f"case {case} is {found[case].behavior}: take its reason out of docs/CONFORMANCE.md")
    for case, outcome in found.items():
        off = compression == "off" and case.startswith(COMPRESSION)
        if outcome.behavior == "NON-STRICT" and not off:
            if case not in reasons:
                wrong.append(f"case {case} is NON-STRICT: fix it, or give the reason in docs/CONFORMANCE.md")
        elif outcome.behavior not in (("UNIMPLEMENTED",) if off else PASSED):
            wrong.append(f"case {case} is {outcome.behavior} with compression {compression}")
        if outcome.behavior_close not in PASSED:
            wrong.append(f"case {case} was closed {outcome.behavior_close}")
    return wrong


def counts(found: dict[str, Outcome]) -> dict[str, int]:
    """How many cases went how, the commonest first."""
    return dict(Counter(outcome.behavior for outcome in found.values()).most_common())


def sections(found: dict[str, Outcome]) -> dict[str, float]:
    """Seconds that the cases of each section took, by its number."""
    milliseconds = Counter()
    for case, outcome in found.items():
        milliseconds[case.split(".")[0]] += outcome.milliseconds
    return {section: milliseconds[section] / 1000 for section in sorted(milliseconds, key=int)}
