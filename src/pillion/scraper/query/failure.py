"""Why a query has no answer."""

from __future__ import annotations


class QueryError(Exception):
    """The text is one line, in Prometheus' words where it has some."""


class ParseError(QueryError):
    """It cannot be read. `position` counts characters from 0."""

    def __init__(self, query: str, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(f"{_place(query, position)}: parse error: {reason}")


class ExecutionError(QueryError):
    """It can be read, and what it asks for cannot be worked out."""


def _place(query: str, position: int) -> str:
    """Line and column, both from 1; columns are bytes (promql/parser/posrange, StartPosInput)."""
    if not query:
        return "unknown position"
    before = query[:position]
    line_start = before.rfind("\n") + 1
    return f"{before.count(chr(10)) + 1}:{len(before[line_start:].encode()) + 1}"
