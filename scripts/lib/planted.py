"""Plants the bugs of tests/simulation/planted, one at a time, and runs the simulation until a seed finds each.

A patch begins with a sentence that says what it breaks; `Profile: crowd` in a line of its own asks for seeds of that profile
instead of short ones. A patch that does not apply, or does not compile, or that no seed finds, is a failure.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PATCHES = "tests/simulation/planted"
# What cargo needs to build the library and the simulation.
SOURCES = ("Cargo.toml", "Cargo.lock", "README.md", "src", "bench", "tests", "examples")
# Seeds within which a bug must be found, by profile, and the test that runs them.
PROFILES = {
    "short": ("short_seeds", "SIMULATION_SEEDS", 5_000),
    "long": ("long_seeds", "SIMULATION_LONG", 20),
    "hub": ("seeds_with_a_hub", "SIMULATION_HUB", 10_000),
    "crowd": ("crowds", "SIMULATION_LONG", 20),
    "replay": ("schedules_go_the_same_on_linux", "SIMULATION_REPLAYS", 300),
}
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


def build(tree: Path, target: Path) -> Path | str:
    """The simulation's program, or what the compiler said."""
    command = ["cargo", "test", "--quiet", "--locked", "--profile", "simulation", "--features", "simulation"]
    command += ["--test", "simulation", "--no-run", "--message-format=json-render-diagnostics"]
    # Most bugs are found within a second, and building takes ten.
    command += ["--config", "profile.simulation.package.throng.opt-level=1"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target))
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    program = re.findall(r'"executable":"([^"]*/simulation-[^"]*)"', done.stdout)
    return Path(program[-1]) if done.returncode == 0 and program else done.stderr


def hunt(program: Path, profile: str) -> str | None:
    """Runs seeds and returns how the first one failed; `None` when none did."""
    test, count_name, count = PROFILES[profile]
    environment = dict(os.environ, RUST_BACKTRACE="0", SIMULATION_FIRST="0")
    environment[count_name] = str(count)
    command = [str(program), "--exact", test, "--nocapture", "--test-threads=1"]
    try:
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"the program did not end within {MOST_SECONDS} s"
    if done.returncode == 0:
        return None
    output = done.stdout.decode(errors="replace")
    found = re.search(rf"seed (\d+) \({profile}\) fails: (.*)", output)
    return f"seed {found[1]}: {found[2][:160]}" if found else f"exit {done.returncode}: {output[-300:]}"


def examine(root: Path, bug: Bug, target: Path) -> tuple[bool, str]:
    """Plants one bug: whether it was found, and how or why not."""
    tree = target / "planted" / "tree"
    copy_sources(root, tree)
    command = ["patch", "--strip=1", "--fuzz=0", "--forward", f"--input={bug.path}"]
    applied = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    if applied.returncode != 0:
        return False, f"the patch does not apply any more: {applied.stdout.strip()}"
    program = build(tree, target / "planted" / "target")
    if isinstance(program, str):
        return False, f"it does not compile: {program.strip()[-2000:]}"
    found = hunt(program, bug.profile)
    return (True, found) if found else (False, f"no {bug.profile} seed of {PROFILES[bug.profile][2]} found it")


def main(root: Path, names: list[str]) -> int:
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")).resolve()
    bugs = [read_bug(path) for path in sorted((root / PATCHES).glob("*.patch"))]
    if unknown := set(names) - {bug.path.stem for bug in bugs}:
        print(f"no planted bug {', '.join(sorted(unknown))}: {', '.join(bug.path.stem for bug in bugs)}", file=sys.stderr)
        return 2
    prepare_target(target, target / "planted" / "target")
    failed = 0
    for bug in bugs:
        if names and bug.path.stem not in names:
            continue
        started = time.monotonic()
        found, how = examine(root, bug, target)
        failed += not found
        verdict = "found" if found else "NOT FOUND"
        print(f"{bug.path.stem:22} {verdict} after {time.monotonic() - started:3.0f} s  {how}", flush=True)
    print(f"planted: {len(names) or len(bugs)} bugs, {failed} not found")
    return 1 if failed or not bugs else 0
