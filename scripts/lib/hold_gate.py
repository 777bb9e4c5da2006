"""Judges the reports of two holds for scripts/hold-gate.

A small server has base costs - buffers, tables, histograms - that a division by 10,000 would smear over the connections.
So the bytes of a connection are the slope between two holds, and the base is the rest.
"""

import argparse
import json
import sys

# Where a run of `throng-bench c1m --json` has what is judged here: the one place to change when its report does.
FIELDS = {
    "connections": "throng.connections",
    "opened": "throng.opened",
    "closed": "throng.closed",
    "client_open": "throng.open_after_hold.client",
    "server_open": "throng.open_after_hold.server",
    "left_open": "throng.after.server_open",
    "cycles": "throng.hold.cycles",
    "min_pings": "throng.hold.min_pings_per_connection",
    "pong_timeouts": "throng.hold.pong_timeouts",
    "user_bytes": "throng.user.server_at_n",
    "user_bytes_empty": "throng.user.server_at_zero",
    "problems": "throng.problems",
}


class Malformed(Exception):
    """A report does not have what it should."""


def read(report: object) -> dict:
    """The fields above out of a report of one run."""
    runs = report.get("runs") if isinstance(report, dict) else None
    if not isinstance(runs, list) or len(runs) != 1:
        raise Malformed("the report has not one run: give c1m no --sweep")
    found = {}
    for name, path in FIELDS.items():
        value = runs[0]
        for step in path.split("."):
            if not isinstance(value, dict) or step not in value:
                raise Malformed(f"the report has no {path}: FIELDS in scripts/lib/hold_gate.py says where to look")
            value = value[step]
        wanted = list if name == "problems" else int
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise Malformed(f"{path} is {value!r}, not of type {wanted.__name__}")
        found[name] = value
    return found


def problems(hold: dict) -> list[str]:
    """What is wrong with one hold."""
    n = hold["connections"]
    wrong = [f"throng-bench: {problem}" for problem in hold["problems"]]
    for name in ("opened", "client_open", "server_open", "closed"):
        if hold[name] != n:
            wrong.append(f"{name} is {hold[name]:,}")
    if hold["cycles"] < 2:
        wrong.append(f"held through {hold['cycles']} ping cycles, not two")
    if hold["min_pings"] < hold["cycles"]:
        wrong.append(f"some connection answered {hold['min_pings']} pings in {hold['cycles']} cycles")
    for name in ("pong_timeouts", "left_open"):
        if hold[name]:
            wrong.append(f"{name} is {hold[name]:,}")
    return [f"{n:,} connections: {problem}" for problem in wrong]


def slope(few: dict, many: dict) -> float:
    """User bytes of the server for each connection more."""
    if few["connections"] >= many["connections"]:
        raise Malformed("the second report must be of more connections than the first")
    return (many["user_bytes"] - few["user_bytes"]) / (many["connections"] - few["connections"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("few", help="report of the smaller hold")
    parser.add_argument("many", help="report of the larger hold")
    parser.add_argument("--max-user-bytes", type=float, default=64, help="limit per connection [default: 64]")
    options = parser.parse_args(arguments)
    try:
        holds = []
        for path in (options.few, options.many):
            with open(path, encoding="utf-8") as file:
                holds.append(read(json.load(file)))
        per_connection = slope(*holds)
    except (Malformed, OSError, json.JSONDecodeError) as error:
        print(f"hold-gate: {error}", file=sys.stderr)
        return 1
    wrong = [problem for hold in holds for problem in problems(hold)]
    if per_connection > options.max_user_bytes:
        wrong.append(f"{per_connection:.1f} bytes of user memory per connection, over {options.max_user_bytes:g}")
    few, many = holds
    print(
        f"hold-gate: {per_connection:.1f} bytes of user memory per connection (limit {options.max_user_bytes:g}):"
        f" {few['user_bytes']:,} at {few['connections']:,}, {many['user_bytes']:,} at {many['connections']:,},"
        f" {many['user_bytes_empty']:,} without any"
    )
    for problem in wrong:
        print(f"hold-gate: FAILED: {problem}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
