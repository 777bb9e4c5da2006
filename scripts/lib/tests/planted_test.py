#!/usr/bin/env python3
"""Tests of how bugs are planted, several at a time, with a compiler that only pretends and a simulation that is a script."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

LIB = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(LIB))
sys.dont_write_bytecode = True

import planted  # noqa: E402

# Builds what src/worker.sh is, and refuses what has the word nonsense in it.
CARGO = r"""#!/usr/bin/env bash
if grep nonsense src/worker.sh >&2; then exit 1; fi
mkdir -p "$CARGO_TARGET_DIR"
cp src/worker.sh "$CARGO_TARGET_DIR/simulation-1"
echo "{\"executable\":\"$CARGO_TARGET_DIR/simulation-1\"}"
"""
# What a bug does when it runs takes the place of the line in the middle.
WORKER = "#!/usr/bin/env bash\n# here\nexit 0\n"
FOUND = 'echo "seed 7 (short) fails: it is broken"; exit 1'


@unittest.skipUnless(shutil.which("patch"), "patch is not installed")
class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.root = self.folder / "root"
        (self.root / planted.PATCHES).mkdir(parents=True)
        (self.root / "src").mkdir()
        self.write(self.root / "src/worker.sh", WORKER)
        (self.folder / "bin").mkdir()
        self.write(self.folder / "bin/cargo", CARGO)
        self.environment = {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "CARGO_TARGET_DIR": str(self.folder / "target"),
            "SHARED": str(self.folder),
        }

    def write(self, path, text):
        path.write_text(text)
        path.chmod(0o755)

    def bug(self, name, does, instead="# here"):
        hunk = f"@@ -1,3 +1,3 @@\n #!/usr/bin/env bash\n-{instead}\n+{does}\n exit 0\n"
        (self.root / planted.PATCHES / f"{name}.patch").write_text(
            f"It does {name}.\n\n--- a/src/worker.sh\n+++ b/src/worker.sh\n{hunk}"
        )

    def planted(self, *words):
        """The exit code and the lines that were printed."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            with unittest.mock.patch.dict("os.environ", self.environment):
                try:
                    code = planted.main(self.root, list(words))
                except SystemExit as exited:
                    code = exited.code
        return code, said.getvalue().splitlines()

    def test_each_is_told_in_order_though_a_later_one_is_found_first(self):
        self.bug("a", f"sleep 0.5; {FOUND}")
        self.bug("b", FOUND)
        self.bug("c", FOUND)
        code, lines = self.planted("--jobs", "3")
        self.assertEqual(code, 0, lines)
        self.assertEqual([line.split()[:2] for line in lines[:3]], [["a", "found"], ["b", "found"], ["c", "found"]])
        self.assertIn("seed 7: it is broken", lines[0])
        self.assertEqual(lines[3:], ["planted: 3 bugs, 0 not found"])

    def test_each_way_not_to_find_one_fails_and_the_others_are_told(self):
        self.bug("a", ": nothing is broken")
        self.bug("b", ":", instead="# elsewhere")
        self.bug("c", "nonsense")
        self.bug("d", FOUND)
        for jobs in ("1", "2"):
            code, lines = self.planted("--jobs", jobs)
            self.assertEqual(code, 1)
            self.assertIn("no short seed of 5000 found it", lines[0])
            said = "\n".join(lines)
            self.assertIn("the patch does not apply any more", said)
            self.assertIn("it does not compile: nonsense", said)
            self.assertRegex(said, r"\nd +found after")
            self.assertEqual(lines[-1], "planted: 4 bugs, 3 not found")

    def test_a_bug_that_never_ends_is_one(self):
        self.bug("a", "exec sleep 60")
        with unittest.mock.patch.object(planted, "MOST_SECONDS", 0.2):
            code, lines = self.planted()
        self.assertEqual(code, 0)
        self.assertIn("the program did not end within", lines[0])

    def test_as_many_as_asked_for_run_at_the_same_time(self):
        meet = 'for _ in $(seq 0 "$TRIES"); do [[ ! -e $SHARED/{other} ]] || {{ {found}; }}; sleep 0.02; done'
        for name, other in (("a", "b"), ("b", "a")):
            meets = meet.format(other=other, found=FOUND)
            self.bug(name, f'touch "$SHARED/{name}"; {meets}; rm "$SHARED/{name}"')
        self.environment["TRIES"] = "5"
        self.assertEqual(self.planted("--jobs", "1")[0], 1)
        self.environment["TRIES"] = "500"
        self.assertEqual(self.planted("--jobs", "2")[0], 0)

    def test_no_bug_is_left_for_the_next_one(self):
        # Each of them changes the same line, so that none applies where another one is left.
        for name in "abcdef":
            self.bug(name, FOUND)
        code, lines = self.planted("--jobs", "2")
        self.assertEqual(code, 0, lines)
        self.assertEqual((self.root / "src/worker.sh").read_text(), WORKER)

    def test_those_named_are_planted_and_no_others(self):
        self.bug("a", ":")
        self.bug("b", FOUND)
        self.assertEqual(self.planted("b")[1][1:], ["planted: 1 bugs, 0 not found"])
        code, lines = self.planted("b", "z")
        self.assertEqual((code, lines), (2, ["no planted bug z: a, b"]))

    def test_no_bugs_are_a_failure(self):
        self.assertEqual(self.planted(), (1, ["planted: 0 bugs, 0 not found"]))

    def test_a_number_of_jobs_is_one_or_more(self):
        self.bug("a", FOUND)
        for wrong in ("0", "-1", "1.5", "two", "", "٣"):
            code, lines = self.planted(f"--jobs={wrong}")
            self.assertEqual(code, 2, wrong)
            self.assertIn(f"'{wrong}' is not a number of bugs, 1 or more", lines[-1])
        self.assertEqual(self.planted("--jobs=1")[0], 0)
        self.assertEqual(self.planted("--jobs=99")[0], 0)

    def test_an_interrupt_ends_what_runs_and_begins_no_more(self):
        for name in "abcd":
            self.bug(name, f'echo $$ >"$SHARED/{name}"; exec sleep 60')
        program = f"import signal, sys; sys.path.insert(0, {str(LIB)!r}); import pathlib, planted\n"
        # A shell lets what it runs in the background ignore it.
        program += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        program += f"sys.exit(planted.main(pathlib.Path({str(self.root)!r}), ['--jobs=2']))"
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(
                [sys.executable, "-B", "-c", program], env=os.environ | self.environment, stderr=subprocess.DEVNULL
            )
            self.addCleanup(process.kill)
            begun = [self.folder / name for name in "ab"]
            self.until(lambda: all(path.exists() and path.read_text() for path in begun))
            process.send_signal(number)
            self.assertNotEqual(process.wait(20), 0)
            for path in begun:
                self.assertFalse(Path("/proc", path.read_text().strip()).exists())
            for name in "cd":
                self.assertFalse((self.folder / name).exists(), name)
            for path in begun:
                path.unlink()

    def until(self, holds):
        deadline = time.monotonic() + 20
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
