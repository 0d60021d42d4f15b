"""/api/v1/series, labels, label/NAME/values and metadata (web/api/v1/api.go)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pillion.scraper.labels import ValidationScheme, is_label_name
from pillion.scraper.web.answers import ApiError, Kind, success
from pillion.scraper.web.parameters import MAX_TIME, MIN_TIME, Parameters
from pillion.units import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pillion.http.server import Response
    from pillion.scraper.labels import Labels
    from pillion.scraper.samples import Metadata, Window
    from pillion.scraper.web.view import TargetsView

_TRUNCATED = "results truncated due to limit"
_ESCAPED = "U__"
_CODE = re.compile(r"__|_([0-9a-fA-F]{1,5})_")
_ESCAPED_NAME = re.compile(rf"(?:[^_]|{_CODE.pattern})*")
_SURROGATES = range(0xD800, 0xE000)


def series(window: Window, asked: Parameters) -> Response:
    limit = asked.limit()
    if not asked.all("match[]"):
        raise ApiError(Kind.BAD_DATA, "no match[] parameter provided")
    found = sorted(_selected(window, asked))
    return _limited([dict(labels) for labels in found], limit)


def label_names(window: Window, asked: Parameters) -> Response:
    limit = asked.limit()
    names = {name for labels in _selected(window, asked) for name, _ in labels}
    return _limited(sorted(names), limit)


def label_values(window: Window, name: str, asked: Parameters) -> Response:
    limit = asked.limit()
    name = unescaped(name)
    if not is_label_name(name, ValidationScheme.UTF8):
        raise ApiError(Kind.BAD_DATA, f"invalid label name: {quote(name)}")
    values = {value for labels in _selected(window, asked) for key, value in labels if key == name}
    return _limited(sorted(values), limit)


def unescaped(name: str) -> str:
    """`U__a_2e_b` is `a.b`: names that a URL cannot have (common/model, UnescapeName with values). What is not escaped
    as it should be is itself."""
    escaped = name.removeprefix(_ESCAPED)
    if escaped == name or not _ESCAPED_NAME.fullmatch(escaped):
        return name
    codes = [int(code, 16) for code in _CODE.findall(escaped) if code]
    if any(code in _SURROGATES for code in codes):
        return name
    return _CODE.sub(lambda code: chr(int(code[1], 16)) if code[1] else "_", escaped)


def _selected(window: Window, asked: Parameters) -> set[Labels]:
    start, end = asked.time("start", MIN_TIME), asked.time("end", MAX_TIME)
    selections = asked.matchers() or [()]
    return set().union(*(window.series(matchers, start, end) for matchers in selections))


def _limited(found: Sequence[Any], limit: int) -> Response:
    return success(found[:limit], [_TRUNCATED] if len(found) > limit else [])


def metadata(targets: TargetsView, asked: Parameters) -> Response:
    """Of all active targets; what they say differently of one metric is all there."""
    limit, each_limit = _count(asked, "limit"), _count(asked, "limit_per_metric")
    wanted = asked.get("metric")
    found: dict[str, set[Metadata]] = {}
    for target in targets.active():
        for each in target.metadata:
            if not wanted or each.name == wanted:
                found.setdefault(each.name, set()).add(each)
    shown = {}
    for name in sorted(found)[:limit]:
        entries = sorted(found[name], key=lambda each: (each.type, each.help, each.unit))
        shown[name] = [{"type": e.type, "help": e.help, "unit": e.unit} for e in entries[:each_limit]]
    return success(shown)


def target_metadata(targets: TargetsView, asked: Parameters) -> Response:
    """One entry for each target and metric."""
    limit = _count(asked, "limit")
    selections = asked.matchers("match_target")
    wanted = asked.get("metric")
    found: list[dict[str, object]] = []
    for target in targets.active():
        labels = dict(target.labels)
        if not all(matcher.matches_labels(labels) for matchers in selections for matcher in matchers):
            continue
        for each in target.metadata:
            if wanted and each.name != wanted:
                continue
            name = {} if wanted else {"metric": each.name}
            about = {"type": each.type, "help": each.help, "unit": each.unit}
            found.append({"target": labels, **name, **about})
    return success(found[:limit])


def _count(asked: Parameters, name: str) -> int | None:
    """None: as many as there are; a negative number says so too."""
    given = asked.get(name)
    if not given:
        return None
    if re.fullmatch(r"[+-]?[0-9]+", given) is None:
        raise ApiError(Kind.BAD_DATA, f"{name} must be a number")
    return int(given) if int(given) >= 0 else None
