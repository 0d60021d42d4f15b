"""A record's body without some of its places, for outputs that say these elsewhere. Pure."""

from __future__ import annotations

from typing import Any

from pillion.collector.records import Body
from pillion.collector.records.accessor import Accessor
from pillion.collector.records.fields import MISSING


def without(body: Body, accessors: tuple[Accessor, ...]) -> Body:
    """A copy of what is left; `body` is somebody else's, too."""
    rest = body
    for accessor in accessors:
        if accessor.get(rest) is not MISSING:
            rest = _copied_on_the_way(rest, accessor)
            accessor.delete(rest)
    return rest


def _copied_on_the_way(body: Body, accessor: Accessor) -> Body:
    copy: Body = dict(body)
    holder: Any = copy
    for step in (accessor.key, *accessor.steps)[:-1]:
        inner = holder[step]
        holder[step] = inner = dict(inner) if isinstance(inner, dict) else list(inner)
        holder = inner
    return copy
