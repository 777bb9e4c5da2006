"""Autobahn's cases against `throng serve`: starts both, keeps the report, and has it judged."""

import json
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import conformance.tools as tools
from conformance import verdict
from conformance.server import Misbehaved, serving

# Section 9 sends messages of 16 MiB, and of 4 MiB in frames of 64 bytes, after which the original suite has an empty one. An
# echo waits whole in the outbox, with its frame header and with what else is under way.
SETTINGS = [
    "--app=echo",
    "--max-message=16MiB",
    "--max-frames-per-message=65537",
    "--outbox-limit=17MiB",
    "--buffer-limit=1GiB",
]
SUITES = ("kosoku", "autobahntestsuite")
# A suite that hangs is ended after so many seconds; a run takes a tenth of it.
WITHIN = 1800


def suite(options, below: Path) -> tuple[str, list]:
    """The suite's name with its version, and the command that runs it on a report, an address and cases."""
    here = Path(__file__).parent
    if options.suite == "kosoku":
        return tools.KOSOKU[0], [tools.python3(tools.KOSOKU, below), here / "kosoku_cases.py", options.parallel]
    python, packages = tools.python2(tools.AUTOBAHNTESTSUITE, below)
    return tools.AUTOBAHNTESTSUITE[0], [python, "-B", here / "original_cases.py", packages]


def run(root: Path, program: Path, below: Path, options) -> int:
    """Runs the cases and prints what came of them; returns an exit code."""
    reasons = verdict.explained((root / "docs/CONFORMANCE.md").read_text(encoding="utf-8"))
    report = below / f"{options.suite}-{options.compression}"
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir(parents=True)
    name, command = suite(options, below)
    # Pages of names of cases, of use to nobody but whom it fails.
    log = report / "log.txt"
    started, before = time.monotonic(), processor_seconds()
    with serving(program, *SETTINGS, f"--compression={options.compression}") as server, log.open("wb") as out:
        command = [str(word) for word in (*command, report, server.address, *options.cases)]
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=WITHIN).returncode
        except subprocess.TimeoutExpired:
            status = f"still running after {WITHIN} s"
        seconds, between = time.monotonic() - started, processor_seconds()
        stats = server.stats()
        server.end()
        server.gone()
    processor = {"suite": round(between - before, 1), "throng": round(processor_seconds() - between, 1)}
    print(f"the report of {name} is in {report}")
    if status != 0:
        said = log.read_bytes()[-4096:].decode(errors="replace")
        raise Misbehaved(f"{name} failed ({status}), and said:\n{said}")
    found = verdict.outcomes(json.loads((report / "index.json").read_bytes()))
    selected, repeated = (json.loads((report / f"{name}.json").read_bytes()) for name in ("selected", "repeated"))
    wrong = verdict.problems(found, selected, "*" in options.cases, options.compression, reasons)
    wrong += counted(stats, found, options.compression)
    summary = {
        "suite": name,
        "throng": version(program),
        "compression": options.compression,
        "seconds": round(seconds, 1),
        "processor_seconds": processor,
        "seconds_of_sections": verdict.sections(found),
        "counts": verdict.counts(found),
        "repeated": repeated,
        "problems": wrong,
    }
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        kept = options.keep / f"{options.suite}-{options.compression}.json"
        kept.write_text("".join(lines(summary, found)), encoding="utf-8")
        print(f"kept {kept}")
    tell(summary, found)
    return 1 if wrong else 0


def counted(stats: dict, found: dict[str, verdict.Outcome], compression: str) -> list[str]:
    """What is wrong with the server's own counts."""
    wrong = []
    if stats["bugs"]:
        wrong.append(f"the server counts {stats['bugs']} bugs of its own")
    about = [case for case in found if case.startswith(verdict.COMPRESSION)]
    # Those with a JSON text of 1 KiB or more: smaller messages, and pictures, may rightly go out as they are.
    compressible = [case for case in about if re.fullmatch(r"(12\.1|13\.\d)\.([4-9]|1\d)", case)]
    for counter, cases in (("compressed_in", about), ("compressed_out", compressible)):
        if (compression == "off" and stats[counter]) or (compression != "off" and cases and not stats[counter]):
            wrong.append(f"the server counts {stats[counter]} in {counter} with compression {compression}")
    return wrong


def processor_seconds() -> float:
    """What all child processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def version(program: Path) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1]


def lines(summary: dict, found: dict[str, verdict.Outcome]) -> Iterator[str]:
    """The summary as JSON with a case a line, in the order of their numbers."""
    text = json.dumps(summary, indent=2)
    cases = sorted(found, key=lambda case: [int(number) for number in re.findall(r"\d+", case)])
    yield text.removesuffix("\n}") + ',\n  "cases": {'
    for number, case in enumerate(cases):
        outcome = [found[case].behavior, found[case].behavior_close, found[case].milliseconds]
        yield f"{',' if number else ''}\n    {json.dumps(case)}: {json.dumps(outcome)}"
    yield "\n  }\n}\n"


def tell(summary: dict, found: dict[str, verdict.Outcome]) -> None:
    for problem in summary["problems"]:
        print(f"autobahn: FAILED: {problem}", file=sys.stderr)
    if summary["repeated"]:
        print(f"run again, as they ran out of time: {' '.join(summary['repeated'])}")
    slowest = sorted(found, key=lambda case: -found[case].milliseconds)[:5]
    print("slowest cases: " + ", ".join(f"{case} {found[case].milliseconds / 1000:.1f} s" for case in slowest))
    used = ", ".join(f"{who} {seconds:.0f}" for who, seconds in summary["processor_seconds"].items())
    counts = ", ".join(f"{count} {behavior}" for behavior, count in summary["counts"].items())
    print(
        f"autobahn: {summary['suite']}, compression {summary['compression']}: {len(found)} cases in"
        f" {summary['seconds']:.0f} s ({used} processor seconds): {counts}; {len(summary['problems'])} problems"
    )
