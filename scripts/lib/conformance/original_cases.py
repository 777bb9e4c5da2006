# -*- coding: utf-8 -*-
"""Runs Autobahn's cases with the original suite, in Python 2.7: original_cases.py PACKAGES REPORT ADDRESS CASES.

PACKAGES is the folder where autobahntestsuite is installed. Writes what kosoku_cases.py writes.
"""

import fnmatch
import json
import os
import site
import sys


def main(packages, report, address, *globs):
    # As site-packages, since some of what it needs shares a namespace.
    site.addsitedir(packages)
    sys.argv = ["wstest"]
    from autobahntestsuite import choosereactor  # noqa: F401 - it must be the first import
    from autobahntestsuite import fuzzing
    from twisted.internet import reactor

    known = fuzzing.CaseSet(
        fuzzing.CaseSetname, fuzzing.CaseBasename, fuzzing.Cases, fuzzing.CaseCategories, fuzzing.CaseSubCategories
    ).CasesById
    # Its own patterns are not those of kosoku_cases.py.
    cases = [case for case in known if any(fnmatch.fnmatchcase(case, wanted) for wanted in globs)]
    spec = {
        "outdir": report,
        "servers": [{"url": "ws://" + address}],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    factory = fuzzing.FuzzingClientFactory(spec)
    reactor.run()
    for name, cases in (("selected", factory.specCases), ("repeated", [])):
        with open(os.path.join(report, name + ".json"), "w") as out:
            json.dump(cases, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
