"""Rust source with its comments and literals blanked out, so that rules look at code only."""

import re

_TOKEN = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<block>/\*)
    | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)")
    | (?P<string>\b(?:b|c)?"|")
    | (?P<char>\bb?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'|'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])')
    """,
    re.VERBOSE,
)


def code_only(text: str) -> str:
    """The same text with comments, strings and character literals replaced by blanks; lines stay where they are."""
    out = []
    at = 0
    while found := _TOKEN.search(text, at):
        out.append(text[at : found.start()])
        end = _end(text, found)
        out.append(_blank(text[found.start() : end]))
        at = end
    out.append(text[at:])
    return "".join(out)


def _end(text: str, found: re.Match) -> int:
    if found["block"]:
        return _end_of_block(text, found.end())
    if found["raw"]:
        closing = '"' + found["hashes"]
        end = text.find(closing, found.end())
        return len(text) if end < 0 else end + len(closing)
    if found["string"]:
        return _end_of_string(text, found.end())
    return found.end()


def _end_of_block(text: str, at: int) -> int:
    """Block comments nest in Rust."""
    depth = 1
    while depth:
        found = re.compile(r"/\*|\*/").search(text, at)
        if not found:
            return len(text)
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at


def _end_of_string(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == '"':
            return at + 1
        else:
            at += 1
    return len(text)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
