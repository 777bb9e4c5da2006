"""The file of budgets: what a figure may be, and where that was found out."""

import os
import platform
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from guard.figures import Scenario

WHERE = "bench/budgets.toml"
# Digits behind the point to which figures are written, and compared: those that may not grow at all to more than others.
DIGITS = {"calls": 6, "allocations": 6}
OTHER_DIGITS = 1

HEAD = f"""\
# What a worker may cost: figures that no clock is in, of scripts/guard, which fails where one is above its budget. Each is of one
# operation, which the line above it says. docs/TESTING.md explains them.
#
# `scripts/guard --update` writes this file.
"""
TOLERANCE = """
# How far above its budget a figure may be, as a share of it. System calls and allocations are
# few, and never more by chance.
[tolerance]
instructions = 0.05
copied-bytes = 0.05
allocated-bytes = 0.05
held-bytes = 0.05
allocations = 0.0
calls = 0.0

# The same where something of [taken-with] is another: compilers and C libraries differ in what they make of the same source.
[tolerance-elsewhere]
instructions = 0.25
copied-bytes = 0.25
"""


class Malformed(Exception):
    """The file is not what it should be, with what to do about it."""


@dataclass(frozen=True)
class Budgets:
    """The file: what the figures were taken with, how far each kind may be above its budget, and the budgets."""

    taken_with: dict[str, str]
    tolerance: dict[str, float]
    elsewhere: dict[str, float]
    scenarios: dict[str, dict[str, float]]


def circumstances() -> dict[str, str]:
    """What the figures depend on beside the source."""
    return {
        "rustc": version(["rustc", "--version"]),
        "valgrind": version(["valgrind", "--version"]),
        "libc": " ".join(platform.libc_ver()),
        "processor": processor(Path("/proc/cpuinfo")),
    }


def version(command: list[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+\.\d+\S*", said)
    return found[0] if found else said.strip()


def processor(cpuinfo: Path) -> str:
    """The architecture, and whether it has the instructions that programs choose by at run time."""
    flags = cpuinfo.read_text(encoding="utf-8") if os.access(cpuinfo, os.R_OK) else ""
    return platform.machine() + (" with AVX2" if re.search(r"^flags.*\bavx2\b", flags, re.MULTILINE) else "")


def read(path: Path) -> Budgets:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        scenarios = {name: flat(table) for name, table in content["scenarios"].items()}
        budgets = Budgets(content["taken-with"], content["tolerance"], content["tolerance-elsewhere"], scenarios)
    except FileNotFoundError as error:
        raise Malformed(f"there is no {path}: scripts/guard --update writes it") from error
    except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise Malformed(f"{path} is no file of budgets: {error}; scripts/guard --update writes one") from error
    values = [value for table in (budgets.tolerance, budgets.elsewhere, *scenarios.values()) for value in table.values()]
    if any(isinstance(value, bool) or not isinstance(value, int | float) or value < 0 for value in values):
        raise Malformed(f"{path}: a budget or tolerance is not a number from 0 on")
    return budgets


def kind(figure: str) -> str:
    """What decides about a figure's tolerance: calls are of one kind, whatever they are."""
    return figure.split(".")[0]


def rounded(figure: str, value: float) -> float:
    return round(value, DIGITS.get(kind(figure), OTHER_DIGITS))


def flat(table: dict) -> dict[str, float]:
    calls = {f"calls.{name}": value for name, value in table.get("calls", {}).items()}
    return {name: value for name, value in table.items() if name != "calls"} | calls


def write(
    path: Path, taken_with: dict[str, str], scenarios: list[Scenario], figures: dict[str, dict[str, float]]
) -> None:
    """Writes figures as budgets, those of `scenarios` in their order."""
    text = HEAD + "\n[taken-with]\n" + "".join(f'{name} = "{value}"\n' for name, value in taken_with.items()) + TOLERANCE
    for scenario in scenarios:
        text += f"\n# {scenario.what}\n[scenarios.{scenario.name}]\n" + lines(figures[scenario.name])
    path.write_text(text, encoding="utf-8")


def lines(figures: dict[str, float]) -> str:
    """A scenario's figures. Calls that are never made have no line, and a budget of 0."""
    texts = {name: f"{rounded(name, value):f}".rstrip("0").rstrip(".") for name, value in figures.items()}
    singles = [f"{name} = {text}\n" for name, text in texts.items() if kind(name) != "calls"]
    calls = [f"{name.split('.')[1]} = {text}" for name, text in texts.items() if kind(name) == "calls" and text != "0"]
    return "".join(singles) + (f"calls = {{ {', '.join(calls)} }}\n" if calls else "")
