"""Runs Autobahn's cases with kosoku: kosoku_cases.py PARALLEL REPORT ADDRESS CASES. Runs in an environment that has it.

Writes Autobahn's report to the folder REPORT, and there selected.json, the cases that should be in it, and repeated.json,
those that were run again.
"""

import asyncio
import fnmatch
import json
import sys
from pathlib import Path

from kosoku import FailureError, run_fuzzingclient
from kosoku._report import write_reports
from kosoku.cases import CASES

# How often a case that ran out of time is run again, and how many may be: more are no matter of a busy machine.
REPEATS = 2
MOST_REPEATED = 10


def take_messages_as_bytes() -> None:
    """Lets the cases of 12 and 13 judge messages that come uncompressed although the extension is on.

    RFC 7692 allows them (section 6: an endpoint chooses for each message), and the original suite takes them; kosoku 0.1.0 gives
    them to these cases as str, which they cannot hash. A compressed one comes as bytes.
    """
    for case in CASES.values():
        if case.__name__.startswith(("Case12_", "Case13_")):
            # A local function would see the last case's.
            case.onMessage = as_bytes(case.onMessage)


def as_bytes(judge):
    def on_message(self, message, binary):
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        judge(self, message, binary)

    return on_message


async def run(address: str, parallel: int, cases: list[str]):
    try:
        return await run_fuzzingclient(address, cases, concurrency=parallel)
    except FailureError as failure:
        # It has the results of all cases, those that passed as well.
        return failure.results


def out_of_time(result) -> bool:
    """Whether kosoku gave the case up: sections 1 to 10 have half a second or a second for most of it."""
    return not result.passed and any(entry[0] in ("KLE", "TIE") for entry in result.wirelog)


async def run_patiently(address: str, parallel: int, cases: list[str]) -> tuple[list, list[str]]:
    """Results of all cases, and which were repeated: a few that ran out of time, one by one, as the machine may be busy."""
    results = {result.case_id: result for result in await run(address, parallel, cases)}
    repeated = []
    for _ in range(REPEATS):
        late = [case for case, result in results.items() if out_of_time(result)]
        if not 0 < len(late) <= MOST_REPEATED:
            break
        repeated += late
        results |= {result.case_id: result for result in await run(address, 1, late)}
    return list(results.values()), repeated


def main(parallel: str, report: str, address: str, *globs: str) -> None:
    take_messages_as_bytes()
    selected = [case for case in CASES if any(fnmatch.fnmatchcase(case, wanted) for wanted in globs)]
    results, repeated = asyncio.run(run_patiently(address, int(parallel), selected)) if selected else ([], [])
    write_reports(results, report)
    for name, cases in (("selected", selected), ("repeated", repeated)):
        (Path(report) / f"{name}.json").write_text(json.dumps(cases), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
