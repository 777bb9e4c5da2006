"""The repository's text files, and complaints about them."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rust_text import code_only

# Written by programs, or by other people.
NOT_OURS = ("results/", "Cargo.lock", "LICENSE-")
PROGRAM_SUFFIXES = {".rs", ".sh", ".py", ".c", ".h", ".js", ".mjs", ".ts"}
TEXT_SUFFIXES = PROGRAM_SUFFIXES | {".toml", ".md", ".conf", ".service", ".yml", ".yaml", ".json", ".html"}


@dataclass(frozen=True)
class Complaint:
    """What is wrong, where, and what to do."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass
class Tree:
    """The files of the repository by path, those that are text."""

    files: dict[str, str]
    _code: dict[str, str] = field(default_factory=dict)

    def rust(self, *under: str) -> list[str]:
        """Paths of Rust files, all or those below the given folders."""
        paths = [path for path in self.files if path.endswith(".rs")]
        return [path for path in paths if path.startswith(under)] if under else paths

    def code(self, path: str) -> str:
        """A Rust file without comments and literals."""
        if path not in self._code:
            self._code[path] = code_only(self.files[path])
        return self._code[path]

    def grep(self, path: str, pattern: str) -> Iterator[tuple[int, re.Match]]:
        """Matches in a Rust file's code, with their line numbers."""
        code = self.code(path)
        for found in re.finditer(pattern, code, re.MULTILINE):
            yield code.count("\n", 0, found.start()) + 1, found


def read_tree(root: Path) -> Tree:
    """Every text file that is or would be committed."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True).stdout
        paths = [path.decode() for path in listed.split(b"\0") if path]
    except (OSError, subprocess.CalledProcessError):
        # A release without its history.
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        paths = [str(path) for path in found if path.parts[0] not in {".git", "target"}]
    files = {}
    for path in sorted(set(paths)):
        file = root / path
        if path.startswith(NOT_OURS) or not file.is_file() or file.is_symlink():
            continue
        content = file.read_bytes()
        if file.suffix in TEXT_SUFFIXES or content.startswith(b"#!") or file.name.startswith("."):
            files[path] = content.decode(errors="replace")
    return Tree(files)
