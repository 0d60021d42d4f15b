"""label_replace, label_join, and the labels of what is absent (promql/functions.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.scraper.labels import (
    MatchType,
    RegexpError,
    ValidationScheme,
    is_label_name,
    labels_of,
    regexp,
)
from pillion.scraper.labels.regexes import expand
from pillion.scraper.query.failure import ExecutionError
from pillion.scraper.query.syntax import RangeSelector, Selector
from pillion.scraper.query.values import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.scraper.labels import Labels
    from pillion.scraper.query.syntax import Expr
    from pillion.scraper.query.values import Vector


def replace(vector: Vector, target: str, replacement: str, source: str, expression: str) -> Vector:
    """label_replace. Raises ExecutionError."""
    try:
        compiled = regexp(expression)
    except RegexpError:
        raise ExecutionError(f"invalid regular expression in label_replace(): {expression}") from None
    if not is_label_name(target, ValidationScheme.UTF8):
        raise ExecutionError(f"invalid destination label name in label_replace(): {target}")
    template = compiled.template(replacement)
    found: Vector = []
    for labels, value in vector:
        known = dict(labels)
        match = compiled.fullmatch(known.get(source, ""))
        changed = labels if match is None else labels_of({**known, target: expand(template, match)})
        found.append((changed, value))
    return found


def join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """label_join. Raises ExecutionError."""
    for name in sources:
        if not is_label_name(name, ValidationScheme.UTF8):
            raise ExecutionError(f"invalid source label name in label_join(): {name}")
    if not is_label_name(target, ValidationScheme.UTF8):
        raise ExecutionError(f"invalid destination label name in label_join(): {target}")
    found: Vector = []
    for labels, value in vector:
        known = dict(labels)
        joined = separator.join(known.get(name, "") for name in sources)
        found.append((labels_of({**known, target: joined}), value))
    return found


def labels_of_absent(expr: Expr) -> Labels:
    """Those that a selector asks for by `=`, once."""
    selector = expr.selector if isinstance(expr, RangeSelector) else expr
    if not isinstance(selector, Selector):
        return ()
    found: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in selector.matchers:
        if matcher.name == NAME:
            continue
        if matcher.type is MatchType.EQUAL and matcher.name not in seen:
            found[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            found.pop(matcher.name, None)
    return labels_of(found)
