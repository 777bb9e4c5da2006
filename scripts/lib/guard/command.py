"""The command line of scripts/guard."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from conformance import tools
from conformance.command import SKIPPED
from guard import budgets, figures, verdict

ABOUT = """Counts what a worker's operations cost - instructions, system calls, allocations, bytes copied and held - and fails where a
figure is above its budget in bench/budgets.toml. No clock is in it: the same program has the same figures in every run.

It builds throng-guard in the release profile and runs it under valgrind, which it installs from Debian where it is root.
"""
CODES = "Exit codes: 0 within the budgets, 1 above them or failed, 2 wrong usage, 77 valgrind cannot be had on this machine."
# The features of the release build (scripts/test build), and its packages, so that its dependencies are not built again.
BUILD = "cargo build --release --locked -p throng --features throng/serve,throng/guard -p throng-bench --bin throng-guard"


def arguments(words: list[str]) -> argparse.Namespace:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("scripts/guard", description=ABOUT, epilog=CODES, formatter_class=as_written)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="only these [default: all]")
    parser.add_argument("--list", action="store_true", help="say what scenarios there are")
    parser.add_argument("--update", action="store_true", help="write the figures of all scenarios as the new budgets")
    parser.add_argument("--program", type=Path, metavar="PATH", help="a throng-guard to run instead of building one")
    options = parser.parse_args(words)
    if options.update and options.scenarios:
        parser.error("--update is for all scenarios: budgets of one file are taken together")
    return options


def main(root: Path, words: list[str]) -> int:
    options = arguments(words)
    try:
        tools.found("valgrind") or tools.installed_program("valgrind", "valgrind")
        program = options.program.absolute() if options.program else build(root)
        return guard(root / budgets.WHERE, program, options)
    except tools.Unavailable as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    except (figures.Broken, budgets.Malformed, OSError, subprocess.CalledProcessError) as error:
        print(f"guard: FAILED: {error}", file=sys.stderr)
        return 1


def build(root: Path) -> Path:
    subprocess.run(BUILD.split(), cwd=root, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target").absolute()
    return target / "release/throng-guard"


def guard(file: Path, program: Path, options: argparse.Namespace) -> int:
    known = figures.scenarios(program)
    if options.list:
        print("\n".join(f"{scenario.name:18} {scenario.what}" for scenario in known))
        return 0
    names = [scenario.name for scenario in known]
    if unknown := set(options.scenarios) - set(names):
        print(f"guard: no scenario {', '.join(sorted(unknown))}: {', '.join(names)}", file=sys.stderr)
        return 2
    wanted = [scenario for scenario in known if not options.scenarios or scenario.name in options.scenarios]
    here = budgets.circumstances()
    if options.update:
        budgets.write(file, here, known, figures.measure(program, known))
        print(f"guard: the figures of {len(known)} scenarios are the new budgets: {file}")
        return 0
    return check(budgets.read(file), names, figures.measure(program, wanted), here)


def check(planned: budgets.Budgets, known: list[str], measured: dict[str, dict[str, float]], here: dict[str, str]) -> int:
    """Prints figures beside their budgets, and judges."""
    differing = verdict.differing(planned, here)
    lines = list(verdict.judge(planned, measured, bool(differing)))
    print(f"{'scenario':18} {'figure':16} {'measured':>14} {'budget':>14} {'difference':>10}")
    print("\n".join(map(str, lines)))
    if differing:
        wider = ", ".join(f"{kind} {share:.0%}" for kind, share in planned.elsewhere.items())
        print(f"\nATTENTION: the budgets were taken elsewhere: {'; '.join(differing)}.")
        print(f"Some figures may therefore be further above their budgets: {wider}. Take new ones: scripts/guard --update")
    if below := sum(line.verdict == verdict.BELOW for line in lines):
        print(f"\n{below} figures are more than {verdict.FAR_BELOW:.0%} below their budgets: lower them (scripts/guard --update)")
    over = (line for line in lines if line.verdict == verdict.OVER)
    wrong = [f"{one.scenario}: {one.figure} is {one.value:,.10g}, its budget {one.budget:,.10g}" for one in over]
    wrong += [f"{problem}: scripts/guard --update" for problem in verdict.strangers(planned, known, list(measured))]
    for problem in wrong:
        print(f"guard: FAILED: {problem}", file=sys.stderr)
    print(f"guard: {len(lines)} figures of {len(measured)} scenarios, {len(wrong)} problems")
    return 1 if wrong else 0
