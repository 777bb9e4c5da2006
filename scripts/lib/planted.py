"""Plants the bugs of tests/simulation/planted, each by itself, and runs the simulation until a seed finds it.

A patch begins with a sentence that says what it breaks; `Profile: many` in a line of its own asks for seeds of that profile
instead of short ones. A patch that does not apply, or does not compile, or that no seed finds, is a failure.
"""

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from programs import Programs

PATCHES = "tests/simulation/planted"
# What cargo needs to build the library and the simulation.
SOURCES = ("Cargo.toml", "Cargo.lock", "README.md", "src", "bench", "tests", "examples")
# Seeds within which a bug must be found, by profile, and the test that runs them.
PROFILES = {
    "short": ("short_seeds", "SIMULATION_SEEDS", 5_000),
    "long": ("long_seeds", "SIMULATION_LONG", 20),
    "hub": ("seeds_with_a_hub", "SIMULATION_HUB", 10_000),
    "many": ("many_clients", "SIMULATION_LONG", 20),
    "load": ("seeds_under_load", "SIMULATION_LOAD", 20),
    "replay": ("schedules_go_the_same_on_linux", "SIMULATION_REPLAYS", 300),
}
WITHOUT_LTO = Path(__file__).resolve().parent / "without_lto.sh"
# A bug may well make a loop endless.
MOST_SECONDS = 240


@dataclass(frozen=True)
class Bug:
    """A patch, what it breaks, and the seeds that are to find it."""

    path: Path
    what: str
    profile: str


def read_bug(path: Path) -> Bug:
    text = path.read_text()
    head = text.split("--- a/", 1)[0]
    profile = re.search(r"^Profile: (\S+)$", head, re.MULTILINE)
    name = profile[1] if profile else "short"
    if name not in PROFILES:
        raise ValueError(f"{path}: no profile '{name}': {', '.join(PROFILES)}")
    return Bug(path, head.splitlines()[0], name)


ABOUT = """Plants bugs in copies of the sources, and has the simulation find each within some seeds (docs/TESTING.md)."""
CODES = "Exit codes: 0 each bug was found, 1 one was not, or its patch does not apply or compile, 2 wrong usage."


def main(root: Path, words: list[str]) -> int:
    bugs = [read_bug(path) for path in sorted((root / PATCHES).glob("*.patch"))]
    options = arguments(words)
    if unknown := set(options.names) - {bug.path.stem for bug in bugs}:
        print(f"no planted bug {', '.join(sorted(unknown))}: {', '.join(bug.path.stem for bug in bugs)}", file=sys.stderr)
        return 2
    # So that what was started is ended whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")).resolve()
    wanted = [bug for bug in bugs if bug.path.stem in options.names or not options.names]
    failed = examine_all(root, wanted, target, options.jobs)
    print(f"planted: {len(wanted)} bugs, {failed} not found")
    return 1 if failed or not wanted else 0


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/planted", description=ABOUT, epilog=CODES)
    parser.add_argument("names", nargs="*", metavar="BUG", help="which ones, by the names of their patches [default: all]")
    processors = len(os.sched_getaffinity(0))
    several = f"bugs at a time [default: {processors}, one for each processor]"
    parser.add_argument("--jobs", type=a_number, default=processors, metavar="N", help=several)
    return parser.parse_args(words)


def a_number(word: str) -> int:
    if not re.fullmatch("[0-9]*[1-9][0-9]*", word):
        raise argparse.ArgumentTypeError(f"'{word}' is not a number of bugs, 1 or more")
    return int(word)


def examine_all(root: Path, bugs: list[Bug], target: Path, jobs: int) -> int:
    """Tells of each bug in turn whether it was found, and returns how many were not."""
    jobs = max(1, min(jobs, len(bugs)))
    places, programs = queue.SimpleQueue(), Programs()
    for number in range(1, jobs + 1):
        place = target / "planted" / str(number)
        prepare_target(target, place / "target")
        places.put(place)

    def examined(bug: Bug) -> tuple[bool, str, float]:
        place, started = places.get(), time.monotonic()
        try:
            return *examine(root, bug, place, programs), time.monotonic() - started
        finally:
            places.put(place)

    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for bug, under_way in [(bug, pool.submit(examined, bug)) for bug in bugs]:
                found, how, seconds = under_way.result()
                failed += not found
                print(f"{bug.path.stem:22} {'found' if found else 'NOT FOUND'} after {seconds:3.0f} s  {how}", flush=True)
        except BaseException:
            # Otherwise the pool would wait for all bugs, those that have not begun as well.
            pool.shutdown(wait=False, cancel_futures=True)
            programs.end()
            raise
    return failed


def examine(root: Path, bug: Bug, place: Path, programs: Programs) -> tuple[bool, str]:
    """Plants one bug, in a place that no other uses now: whether it was found, and how or why not."""
    tree = place / "tree"
    copy_sources(root, tree)
    command = ["patch", "--strip=1", "--fuzz=0", "--forward", f"--input={bug.path}"]
    applied = programs.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if applied.returncode != 0:
        return False, f"the patch does not apply any more: {applied.stdout.strip()}"
    program = build(tree, place / "target", programs)
    if isinstance(program, str):
        return False, f"it does not compile: {program.strip()[-2000:]}"
    found = hunt(program, bug.profile, programs)
    return (True, found) if found else (False, f"no {bug.profile} seed of {PROFILES[bug.profile][2]} found it")


def copy_sources(root: Path, tree: Path) -> None:
    """A fresh copy of the sources. Files that are as they were keep their times, so that little is built again."""
    for name in SOURCES:
        source, target = root / name, tree / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("target"))
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def prepare_target(target: Path, own: Path) -> None:
    """A target directory of the copy's own: cargo takes two trees for one where they share it. It starts from what the
    simulation was built with, so that the dependencies are not built again."""
    built = target / "simulation"
    if not own.exists() and built.exists():
        shutil.copytree(built, own / "simulation", ignore=shutil.ignore_patterns("incremental", "*throng*"))


def build(tree: Path, target: Path, programs: Programs) -> Path | str:
    """The simulation's program, or what the compiler said."""
    command = ["cargo", "test", "--quiet", "--locked", "--profile", "simulation", "--features", "simulation"]
    command += ["--test", "simulation", "--no-run", "--message-format=json-render-diagnostics"]
    # Most bugs are found within a second: building takes longer. So little is optimized, and the library is compiled in many
    # small units, of which a bug changes few, each by itself.
    for setting in ("opt-level=1", "codegen-units=256"):
        command += ["--config", f"profile.simulation.package.throng.{setting}"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), RUSTC_WORKSPACE_WRAPPER=str(WITHOUT_LTO))
    done = programs.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    program = re.findall(r'"executable":"([^"]*/simulation-[^"]*)"', done.stdout)
    return Path(program[-1]) if done.returncode == 0 and program else done.stderr


def hunt(program: Path, profile: str, programs: Programs) -> str | None:
    """Runs seeds and returns how the first one failed; `None` when none did."""
    test, count_name, count = PROFILES[profile]
    environment = dict(os.environ, RUST_BACKTRACE="0", SIMULATION_FIRST="0")
    environment[count_name] = str(count)
    command = [str(program), "--exact", test, "--nocapture", "--test-threads=1"]
    try:
        done = programs.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"the program did not end within {MOST_SECONDS} s"
    if done.returncode == 0:
        return None
    output = done.stdout.decode(errors="replace")
    found = re.search(rf"seed (\d+) \({profile}\) fails: (.*)", output)
    return f"seed {found[1]}: {found[2][:160]}" if found else f"exit {done.returncode}: {output[-300:]}"
