"""What Envoy writes to stderr, as messages. Pure."""

from __future__ import annotations

import msgspec

FORMAT = "%l\t%n\t%j"
"""Of --log-format: level, logger, the message with its newlines escaped."""
_LEVELS = {"trace": 10, "debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""Python's numbers for Envoy's levels."""
_FIRST, _LAST = 300, 700
"""Characters. Envoy repeats a whole file when it cannot take it: what it could not do stands before that, and why
mostly behind it."""
_EXPECTED = (
    # It has no use in a container of its own, and pillion's bootstrap says so where it matters.
    "There is no configured limit to the number of allowed active downstream connections",
    # It is we who send it.
    "caught ENVOY_SIGTERM",
)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    level: int
    """As Python's logging has them."""
    logger: str
    text: str


def parse_line(line: str) -> Message | None:
    """None: nobody needs it. A line that is not of FORMAT (a crash, the loader) is an error in full."""
    level, first, rest = line.partition("\t")
    logger, second, text = rest.partition("\t")
    if not (first and second) or level not in _LEVELS:
        return Message(level=40, logger="", text=line.rstrip()) if line.strip() else None
    if any(text.startswith(expected) for expected in _EXPECTED):
        return None
    return Message(level=_LEVELS[level], logger=logger, text=_readable(text))


def _readable(text: str) -> str:
    """JSON's escapes of quotes and newlines, in one line."""
    text = text.replace("\\n", "; ").replace('\\"', '"').replace("\\\\", "\\").rstrip("; ")
    return text if len(text) <= _FIRST + _LAST else f"{text[:_FIRST]} … {text[-_LAST:]}"
