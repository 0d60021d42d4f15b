"""Record accessors: `$key['sub'][0]`, one place in a record's body.

Source: Fluent Bit's src/record_accessor/ra.l and ra.y (what one looks like) and src/flb_ra_key.c (where it leads).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pillion.collector.records.content import Body
from pillion.collector.records.fields import MISSING

_KEY = re.compile(r"\$([^\s$\[\]',;\"]+)")
_STEP = re.compile(r"[ \t]*\[[ \t]*(?:'((?:[^']|'')*)'|(0|[1-9][0-9]*))[ \t]*\]")


class Accessor(msgspec.Struct, frozen=True, kw_only=True):
    """`key` of the body, then for each of `steps` a key of a map or an index of an array."""

    key: str
    steps: tuple[str | int, ...] = ()

    def get(self, body: Body) -> Any:
        """The value there; `MISSING` when the way does not lead anywhere."""
        value = body.get(self.key, MISSING)
        for step in self.steps:
            value = _into(value, step)
        return value

    def set(self, body: Body, value: Any) -> bool:
        """Put `value` there, with the maps that lead to it; False when something else is in the way."""
        if not self.steps:
            body[self.key] = value
            return True
        holder: Any = body.setdefault(self.key, {})
        *way, last = self.steps
        for step in way:
            if isinstance(holder, dict) and isinstance(step, str):
                holder = holder.setdefault(step, {})
            else:
                holder = _into(holder, step)
        return _put(holder, last, value)

    def delete(self, body: Body) -> bool:
        """Take it out; False when it was not there."""
        if not self.steps:
            return body.pop(self.key, MISSING) is not MISSING
        holder: Any = body.get(self.key, MISSING)
        *way, last = self.steps
        for step in way:
            holder = _into(holder, step)
        if _into(holder, last) is MISSING:
            return False
        del holder[last]
        return True

    def __str__(self) -> str:
        steps = [
            f"[{step}]" if isinstance(step, int) else "['" + step.replace("'", "''") + "']"
            for step in self.steps
        ]
        return f"${self.key}{''.join(steps)}"


def parse_accessor(text: str) -> Accessor:
    """`$key['sub'][0]`, or `key`: text that does not begin with `$` is the name of a top-level key as it is.

    Raises ValueError, with what is wrong.
    """
    if not text.startswith("$"):
        if not text:
            raise ValueError("a key is missing")
        return Accessor(key=text)
    accessor, end = scan_accessor(text, 0)
    if end != len(text):
        raise ValueError(f"{text!r} is no record accessor: {text[end:]!r} does not belong there")
    return accessor


def scan_accessor(text: str, start: int) -> tuple[Accessor, int]:
    """The accessor that begins at `start`, and where it ends. Raises ValueError when there is none."""
    found = _KEY.match(text, start)
    if found is None:
        raise ValueError(f"{text[start:]!r} is no record accessor: it is written $key['sub'][0]")
    steps: list[str | int] = []
    end = found.end()
    while (step := _STEP.match(text, end)) is not None:
        steps.append(step[1].replace("''", "'") if step[1] is not None else int(step[2]))
        end = step.end()
    return Accessor(key=found[1], steps=tuple(steps)), end


def _put(holder: Any, step: str | int, value: Any) -> bool:
    if isinstance(step, str):
        if isinstance(holder, dict):
            holder[step] = value
        return isinstance(holder, dict)
    if not isinstance(holder, list) or step >= len(holder):
        return False
    holder[step] = value
    return True


def _into(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, dict) else MISSING
    return value[step] if isinstance(value, list) and step < len(value) else MISSING
