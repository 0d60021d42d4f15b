"""Query parameters of conversations, as apimachinery reads them (pkg/runtime/conversion.go)."""

from __future__ import annotations

from collections.abc import Mapping

from pillion.apiserver.statuses import bad_request
from pillion.units import quote

Query = Mapping[str, tuple[str, ...]]


def text(query: Query, name: str) -> str:
    """The first value; empty when there is none."""
    values = query.get(name, ())
    return values[0] if values else ""


def flag(query: Query, name: str) -> bool:
    """`false` in any case, `0` and absence are False; everything else, the empty text too, is True."""
    values = query.get(name, ())
    return bool(values) and values[0].lower() not in ("false", "0")


def number(query: Query, name: str) -> int | None:
    """None: not asked for. Raises ApiError."""
    value = text(query, name)
    if not value:
        return None
    try:
        return int(value, 10)
    except ValueError:
        raise bad_request(f"strconv.ParseInt: parsing {quote(value)}: invalid syntax") from None
