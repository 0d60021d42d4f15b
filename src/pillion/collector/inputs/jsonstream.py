"""JSON values one after the other, with or without white space between them. Pure."""

from __future__ import annotations

import json
from typing import Any

import orjson

_SPACE = " \t\r\n"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


class NotJsonError(ValueError):
    """The text is no JSON, or ends in the middle of it."""


def values(data: bytes) -> list[Any]:
    """All values of `data`, which is UTF-8. Raises NotJsonError."""
    try:
        return [orjson.loads(data)]
    except orjson.JSONDecodeError:
        pass
    try:
        return [orjson.loads(line) for line in data.splitlines() if line.strip()]
    except orjson.JSONDecodeError:
        return _one_by_one(data)


def _one_by_one(data: bytes) -> list[Any]:
    found = []
    try:
        text = data.decode()
        at = _after_space(text, 0)
        while at < len(text):
            value, end = _DECODER.raw_decode(text, at)
            found.append(value)
            at = _after_space(text, end)
    except (ValueError, RecursionError) as error:
        raise NotJsonError("it is no JSON") from error
    return found


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
