"""The command line of scripts/conformance."""

import argparse
import os
import signal
import sys
from pathlib import Path

from conformance import clients, suites
from conformance.server import Misbehaved
from conformance.tools import Unavailable
from conformance.verdict import Malformed

# What a step of scripts/test returns when it could not run here, after saying why.
SKIPPED = 77
MODES = ("off", "shared", "dedicated")

ABOUT = """Has others judge whether the server speaks RFC 6455 and RFC 7692: Autobahn's cases, and clients of other people.

It needs a release build of throng in the target directory (scripts/test build makes it), installs the others below the target
directory, and browsers from Debian where it is root.
"""
CODES = "Exit codes: 0 passed, 1 failed, 2 wrong usage, 77 something cannot be had on this machine."


def arguments(words: list[str]) -> argparse.Namespace:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("scripts/conformance", description=ABOUT, epilog=CODES, formatter_class=as_written)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    cases = commands.add_parser("autobahn", help="Autobahn's cases", epilog=CODES)
    cases.add_argument("--compression", choices=MODES, default="shared", help="the server's mode [default: shared]")
    cases.add_argument(
        "--cases", nargs="+", default=["*"], metavar="GLOB", help="which ones, as 9.7.1 or '12.*' [default: all]"
    )
    cases.add_argument(
        "--suite",
        choices=suites.SUITES,
        default=suites.SUITES[0],
        help="kosoku, or the original where a Python 2.7 with pip is installed [default: kosoku]",
    )
    cases.add_argument("--parallel", type=int, default=4, metavar="N", help="cases of kosoku at a time [default: 4]")
    cases.add_argument("--keep", type=Path, metavar="DIR", help="where to write a summary with a line for each case")
    cases.set_defaults(run=suites.run)

    client = commands.add_parser("client", help="a client of other people", epilog=CODES)
    client.add_argument("name", choices=clients.NAMES)
    client.add_argument(
        "--compression", nargs="+", choices=MODES, default=MODES, help="the server's modes [default: all of them]"
    )
    client.set_defaults(run=clients.run)
    return parser.parse_args(words)


def main(root: Path, words: list[str]) -> int:
    options = arguments(words)
    # So that what was started is ended whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target").absolute()
    program = target / "release/throng"
    if not os.access(program, os.X_OK):
        print(f"conformance: {program} is missing: scripts/test build makes it", file=sys.stderr)
        return 1
    try:
        return options.run(root, program, target / "conformance", options)
    except Unavailable as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    except (Misbehaved, Malformed, OSError, ValueError) as error:
        print(f"conformance: FAILED: {error}", file=sys.stderr)
        return 1
