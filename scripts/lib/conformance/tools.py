"""Other people's programs: found on this machine, or installed below the target directory, or from Debian by root."""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# Every package with all that it needs, so that each machine has the same.
KOSOKU = ["kosoku==0.1.0"]
WEBSOCKETS = ["websockets==17.4"]
AIOHTTP = [
    "aiohttp==3.14.5",
    "aiohappyeyeballs==2.7.1",
    "aiosignal==1.4.0",
    "attrs==26.1.0",
    "frozenlist==1.8.0",
    "idna==3.20",
    "multidict==7.2.1",
    "propcache==0.5.4",
    "typing_extensions==4.16.0",
    "yarl==1.25.1",
]
# The last ones for Python 2.7; what it needs besides has had its last release for that too.
AUTOBAHNTESTSUITE = ["autobahntestsuite==25.10.1", "autobahn==0.10.9", "Twisted==19.10.0"]
# undici 7 and later want a newer Node.js than Debian 12 has.
NPM = ["ws@8.23.0", "undici@6.29.1"]

INSTALLED_WITHIN = 900


class Unavailable(Exception):
    """Something that cannot be had on this machine, with what to do about it."""


def python3(requirements: list[str], below: Path) -> Path:
    """The interpreter of a virtual environment with these packages."""
    folder = below / name_of(requirements, sys.version)
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        if not run(sys.executable, "-m", "venv", folder):
            # Debian has the part that brings pip in a package of its own.
            shutil.rmtree(folder, ignore_errors=True)
            install("python3-venv")
            check(run(sys.executable, "-m", "venv", folder), "python3 cannot make a virtual environment")
        installed = run(folder / "bin/python", "-m", "pip", "install", "--only-binary", ":all:", *requirements)
        check(installed, f"pip could not install {requirements[0]}")
        (folder / "complete").touch()
    return folder / "bin/python"


def python2(requirements: list[str], below: Path) -> tuple[Path, Path]:
    """A Python 2.7 of this machine, and a folder with these packages for it."""
    interpreter = find_python2()
    folder = below / name_of(requirements, str(interpreter))
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        installed = run(interpreter, "-m", "pip", "install", "--target", folder, *requirements)
        check(installed, f"the pip of {interpreter} could not install {requirements[0]}")
        (folder / "complete").touch()
    return interpreter, folder


def find_python2() -> Path:
    """One with pip: on the path, or of a pyenv, whose shims only work for the version chosen there."""
    found = [shutil.which(name) for name in ("python2.7", "python2", "pypy2", "pypy")]
    root = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    found += sorted(glob.glob(f"{glob.escape(root)}/versions/2.7*/bin/python2.7"), reverse=True)
    for interpreter in filter(None, found):
        if run(interpreter, "-c", "import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))"):
            return Path(interpreter)
    raise Unavailable("there is no Python 2.7 with pip: put one on the path as python2.7")


def node(packages: list[str], below: Path) -> tuple[str, Path]:
    """Node.js, and a folder with these packages."""
    program = found("node", "nodejs") or installed_program("nodejs", "node", "nodejs")
    folder = below / name_of(packages, "npm")
    if not (folder / "complete").exists():
        npm = found("npm") or installed_program("npm", "npm")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # Otherwise npm would look for a project in the folders above.
        (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
        check(run(npm, "install", "--prefix", folder, *quiet, *packages), f"npm could not install {' '.join(packages)}")
        (folder / "complete").touch()
    return program, folder


def browser(package: str, *names: str) -> str:
    """A browser that is there by one of these names, or Debian's."""
    return found(*names) or installed_program(package, *names)


def found(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


def installed_program(package: str, *names: str) -> str:
    install(package)
    program = found(*names)
    if program is None:
        raise Unavailable(f"Debian's {package} brought none of {', '.join(names)}")
    return program


def install(package: str) -> None:
    """Debian's package."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"{package} is not installed: apt-get install {package}")
    print(f"installing Debian's {package}", flush=True)
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    # The lists of a machine may be old, or not there at all; most often they do.
    done = run(*command) or (run("apt-get", "update") and run(*command))
    check(done, f"apt-get could not install {package}")


def name_of(requirements: list[str], where: str) -> str:
    """A folder's name that changes with what should be in it."""
    first = re.sub(r"[^a-z0-9.]+", "-", requirements[0])
    return f"{first}-{hashlib.sha256(repr((requirements, where)).encode()).hexdigest()[:8]}"


# The end of what the last command said.
_said = ""


def run(*command) -> bool:
    """Whether the command works."""
    global _said
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALLED_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _said = str(error)
        return False
    _said = done.stdout.decode(errors="replace")[-2000:]
    return done.returncode == 0


def check(worked: bool, otherwise: str) -> None:
    if not worked:
        raise Unavailable(f"{otherwise}:\n{_said}")
