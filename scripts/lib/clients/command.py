"""The command line of scripts/clients."""

import argparse
import os
import signal
import sys
from pathlib import Path

from clients import javascript
from conformance.command import SKIPPED
from conformance.server import Misbehaved
from conformance.tools import Unavailable

ABOUT = """Tests the clients for throng's hub.

What needs a server takes the release build of throng in the target directory (scripts/test build makes it). Packages of others are
installed below the target directory, and browsers from Debian where this is root.
"""
CODES = "Exit codes: 0 passed, 1 failed, 2 wrong usage, 77 something cannot be had on this machine."


def arguments(words: list[str]) -> argparse.Namespace:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("scripts/clients", description=ABOUT, epilog=CODES, formatter_class=as_written)
    parser.add_argument(
        "part",
        choices=javascript.PARTS,
        help="unit: tests with a simulated server; package: types and size; examples: the READMEs', as they stand;"
        " node, chromium, firefox: a real server that is killed under the client",
    )
    parser.add_argument("--program", type=Path, metavar="PATH", help="the throng to test with [default: the release build]")
    return parser.parse_args(words)


def main(root: Path, words: list[str]) -> int:
    options = arguments(words)
    # So that what was started is ended whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target").absolute()
    program = options.program or target / "release/throng"
    try:
        javascript.PARTS[options.part](root / "clients/js", program, target / "conformance")
    except Unavailable as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    except (Misbehaved, OSError, ValueError) as error:
        print(f"clients: FAILED: {error}", file=sys.stderr)
        return 1
    return 0
