#!/usr/bin/env python3
"""Whether a merged report is whole: merged.py REPORT CONNECTIONS. Used by scripts/test."""

import json
import sys

report = json.load(open(sys.argv[1], encoding="utf-8"))
wanted = int(sys.argv[2])
(run,) = report["runs"]
for name in ("floor", "throng"):
    measured = run[name]
    assert measured["problems"] == [], measured["problems"]
    assert measured["machines"] == 2, measured["machines"]
    for field in ("connections", "share", "opened", "closed"):
        assert measured[field] == wanted, f"{name}: {field} is {measured[field]}"
    for when in ("open_after_ramp", "open_after_hold"):
        assert measured[when] == {"client": wanted, "server": wanted}, f"{name}: {when} is {measured[when]}"
    counted = sum(count for _, count in measured["handshake_us"]["buckets"])
    assert counted == wanted, f"{name}: {counted} handshakes in the histogram"
    assert measured["probe"]["received"] == measured["probe"]["sent"] > 0, measured["probe"]
assert len(report["other_environments"]) == 1 and report["server_environment"] and report["part"] is None
print(f"the merged report of two load machines has {wanted} connections, and the server counts the same")
