"""How large types are, and what public functions may ask for."""

import re
from collections.abc import Iterator

from tree import Complaint, Tree

# Fields of a struct.
MOST_FIELDS = 12
# Tables, each with what it is a table of: settings, limits and metrics have as many fields as there are.
TABLES = {
    ("src/hub/config.rs", "Sizes"): "limits of the hub that no setting changes",
    ("src/worker/limits.rs", "Limits"): "limits of a worker, most of them settings",
}

_TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod tests\b", re.MULTILINE)
_STRUCT = re.compile(r"\bstruct (\w+)[^;{(]*\{")
_PUBLIC_FN = re.compile(r"^\s*pub (?:const |async |unsafe )*fn (\w+)", re.MULTILINE)
# Tests, and what is built for tests and measurements only.
_NOT_PRODUCT = re.compile(r"/tests/|^src/(?:simulation|guard)/|/inspect\.rs$")


def product(tree: Tree, path: str) -> str:
    """The code of a file without its tests; nothing for a file of tests."""
    if _NOT_PRODUCT.search(path):
        return ""
    code = tree.code(path)
    tests = _TESTS.search(code)
    return code if tests is None else code[: tests.start()]


def number_of_fields(tree: Tree) -> Iterator[Complaint]:
    """No type keeps more than can be understood at once."""
    exceptions = set(TABLES)
    for path in tree.rust("src/"):
        code = product(tree, path)
        for found in _STRUCT.finditer(code):
            fields = len(_parts(code, found.end() - 1))
            if fields <= MOST_FIELDS:
                continue
            if (path, found[1]) in exceptions:
                exceptions.remove((path, found[1]))
            else:
                line = code.count("\n", 0, found.start()) + 1
                yield Complaint(path, line, f"{found[1]} has {fields} fields, over {MOST_FIELDS}: part it by what owns them")
    # A tree without a library has but a few files, of a test.
    for path, name in sorted(exceptions):
        if "src/lib.rs" in tree.files:
            yield Complaint("scripts/lib/shapes.py", 1, f"{name} in {path} needs no exception any more: take it out of TABLES")


def no_public_bool_parameters(tree: Tree) -> Iterator[Complaint]:
    """`f(true)` says nothing to a reader: an enum does, or two functions. A setter of one switch is understood."""
    for path in tree.rust("src/"):
        code = product(tree, path)
        for found in _PUBLIC_FN.finditer(code):
            opening = code.find("(", found.end())
            for parameter in _parts(code, opening):
                name, _, kind = parameter.partition(":")
                if kind.strip() == "bool":
                    line = code.count("\n", 0, found.start(1)) + 1
                    yield Complaint(path, line, f"{found[1]}({name.strip()}: bool): use an enum, or two functions")


def _parts(code: str, opening: int) -> list[str]:
    """What stands between the bracket there and the one that closes it, parted at its commas."""
    parts, depth, start = [], 0, opening + 1
    for at in range(opening, len(code)):
        char = code[at]
        if char in "([{<":
            depth += 1
        elif char in ")]}" or (char == ">" and code[at - 1] not in "-="):
            depth -= 1
        if depth == 0 or (depth == 1 and char == ","):
            parts.append(code[start:at].strip())
            start = at + 1
        if depth == 0:
            break
    return [part for part in parts if part]
