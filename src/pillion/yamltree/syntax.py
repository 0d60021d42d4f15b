"""Broken YAML, explained: libyaml says what it stumbled over, these rules add what to do about it."""

from __future__ import annotations

import yaml
from yaml.reader import ReaderError

from pillion.yamltree.nodes import Mark
from pillion.yamltree.problem import Problem

_BACKSLASH = "in double quotes a backslash starts an escape, use single quotes"
_HINTS = {
    "mapping values are not allowed in this context": (
        'check the indentation of this line, and put a value that holds ": " in quotes'
    ),
    "did not find expected key": "check the indentation: the line fits no block above it",
    "did not find expected '-' indicator": "check the indentation: the line fits no list above it",
    "block sequence entries are not allowed in this context": "start the list on a line of its own",
    "found unknown escape character": _BACKSLASH,
    "found invalid Unicode character escape code": _BACKSLASH,
    "did not find expected hexdecimal number": _BACKSLASH,
    "did not find expected <document start>": "put --- between two documents",
    "could not find expected ':'": "a key needs a colon and a blank after it",
    "control characters are not allowed": "remove the character",
}
_NO_TABS = "indent with spaces, YAML allows no tabs there"


def explain(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """The problem behind a parser's error."""
    if isinstance(error, ReaderError):
        # libyaml counts the bytes of the UTF-8 text here.
        before = text.encode()[: error.position].decode(errors="ignore")
        line = before.count("\n")
        mark = Mark(line + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return Problem(file=file, mark=mark, message=error.reason, hint=_HINTS.get(error.reason, ""))
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(file=file, mark=Mark(1, 1), message=str(error))
    message = error.problem or "not YAML"
    mark = Mark(error.problem_mark.line + 1, error.problem_mark.column + 1)
    opened = error.context_mark.line + 1 if error.context_mark is not None else mark.line
    return Problem(file=file, mark=mark, message=message, hint=_hint(message, _character(text, mark), opened))


def _hint(message: str, character: str, opened: int) -> str:
    if character == "\t" or "tab character" in message:
        return _NO_TABS
    if message == "found character that cannot start any token":
        return f"put a value that starts with {character} in quotes" if character.strip() else ""
    if message == "found unexpected end of stream":
        return f"the quote opened on line {opened} is never closed"
    if message in ("did not find expected ',' or '}'", "did not find expected ',' or ']'"):
        return f"the bracket opened on line {opened} is not closed"
    return _HINTS.get(message, "")


def _character(text: str, mark: Mark) -> str:
    lines = text.split("\n")
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    return line[mark.column - 1 : mark.column]
