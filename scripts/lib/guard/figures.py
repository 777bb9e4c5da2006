"""Runs of throng-guard, and what one operation of them costs."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# What the C library copies with depends on the processor, and valgrind counts an instruction that copies many bytes once for each:
# with these settings (ld.so(8), GLIBC_TUNABLES) it copies with AVX2 everywhere where there is AVX2, and never past the caches.
TUNABLES = (
    "glibc.cpu.hwcaps=-ERMS,-FSRM,-AVX512F,-AVX512VL:glibc.cpu.x86_non_temporal_threshold=0x40000000"
    ":glibc.cpu.x86_rep_movsb_threshold=0x40000000:glibc.cpu.x86_rep_stosb_threshold=0x40000000"
)
# Valgrind's tools, and where they say what they have counted.
INSTRUCTIONS = (["--tool=callgrind", "--callgrind-out-file=/dev/null"], r"Collected : (\d+)")
COPIED = (["--tool=dhat", "--mode=copy", "--dhat-out-file=/dev/null"], r"Total: +([\d,]+) bytes")
# A run takes a second.
MOST_SECONDS = 300


class Broken(Exception):
    """A run that tells nothing, with why."""


@dataclass(frozen=True)
class Scenario:
    """One of the program's scenarios: what an operation is, how often to do it, and which figures are of interest."""

    name: str
    what: str
    count: int
    measures: str


@dataclass(frozen=True)
class Run:
    """What one run said of itself, and what a tool of valgrind's has counted, if it ran under one."""

    said: dict
    counted: int


def scenarios(program: Path) -> list[Scenario]:
    lines = execute([str(program), "--list"]).stdout.splitlines()
    return [Scenario(**json.loads(line)) for line in lines]


def measure(program: Path, wanted: list[Scenario]) -> dict[str, dict[str, float]]:
    """The figures of scenarios, by name. Each takes a few runs, of which the machine has as many at a time as it has cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def start(scenario: Scenario, tool: tuple[list[str], str] | None) -> list:
            return [pool.submit(run, program, scenario, count, tool) for count in (scenario.count, 2 * scenario.count)]

        pending = {scenario: [start(scenario, tool) for tool in TOOLS[scenario.measures]] for scenario in wanted}
        return {
            scenario.name: FIGURES[scenario.measures](scenario, [[one.result() for one in pair] for pair in pairs])
            for scenario, pairs in pending.items()
        }


def run(program: Path, scenario: Scenario, count: int, tool: tuple[list[str], str] | None) -> Run:
    command, pattern = ([], "") if tool is None else (["valgrind", *tool[0]], tool[1])
    done = execute([*command, str(program), scenario.name, str(count)])
    counted = re.search(pattern, done.stderr) if pattern else None
    if pattern and counted is None:
        raise Broken(f"{scenario.name}: valgrind does not say what it has counted:\n{done.stderr[-1000:]}")
    try:
        return Run(json.loads(done.stdout), int(counted[1].replace(",", "")) if counted else 0)
    except ValueError as error:
        raise Broken(f"{scenario.name}: {done.stdout!r} is no report: {error}") from error


def execute(command: list[str]) -> subprocess.CompletedProcess:
    """Runs a command in an environment that is the same everywhere."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "GLIBC_TUNABLES": TUNABLES}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MOST_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Broken(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise Broken(f"{' '.join(command)}: exit {done.returncode}:\n{done.stderr[-2000:]}")
    return done


def slope(pair: list[Run], value) -> float:
    """What one operation more costs."""
    few, many = pair
    operations = many.said["operations"] - few.said["operations"]
    if operations <= 0:
        raise Broken(f"{many.said['operations']} operations are no more than {few.said['operations']}")
    return (value(many) - value(few)) / operations


def costs(scenario: Scenario, pairs: list[list[Run]]) -> dict[str, float]:
    instructions, copied = pairs
    if [run.said for run in instructions] != [run.said for run in copied]:
        raise Broken(f"{scenario.name}: two runs that are alike say different things of themselves")
    figures = {
        "instructions": slope(instructions, lambda run: run.counted),
        # The system's copy into the server's buffer is not the server's.
        "copied-bytes": slope(copied, lambda run: run.counted - run.said["calls"]["bytes_in"]),
        "allocations": slope(copied, lambda run: run.said["allocations"]),
        "allocated-bytes": slope(copied, lambda run: run.said["allocated_bytes"]),
    }
    calls = (name for name in instructions[0].said["calls"] if not name.startswith("bytes_"))
    return figures | {f"calls.{name}": slope(copied, lambda run, name=name: run.said["calls"][name]) for name in calls}


def memory(_: Scenario, pairs: list[list[Run]]) -> dict[str, float]:
    return {"held-bytes": slope(pairs[0], lambda run: run.said["held_bytes"])}


def bare(_: Scenario, pairs: list[list[Run]]) -> dict[str, float]:
    return {"instructions": slope(pairs[0], lambda run: run.counted)}


# Which runs the figures of a scenario are made of, by what it measures, and how.
TOOLS = {"costs": [INSTRUCTIONS, COPIED], "memory": [None], "bare": [INSTRUCTIONS]}
FIGURES = {"costs": costs, "memory": memory, "bare": bare}
