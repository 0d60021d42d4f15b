"""What Elasticsearch and OpenSearch answer to bulk requests. Pure.

Source: Elasticsearch's "Bulk index or delete documents": HTTP 200 says that the request was read, not that anything in
it was stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pillion.collector.plugin import Again, Delivered, Verdict
from pillion.collector.records.conversion import count, select

if TYPE_CHECKING:
    from pillion.collector.records import Content
    from pillion.http.message import Answer


class _Errors(msgspec.Struct):
    errors: bool


class _Item(msgspec.Struct):
    status: int
    error: Any = None

    @property
    def reason(self) -> str:
        return f"document: HTTP {self.status}{_said(self.error)}"


class _Items(msgspec.Struct):
    items: list[dict[str, _Item]]


_ERRORS = msgspec.json.Decoder(_Errors)
_ITEMS = msgspec.json.Decoder(_Items)


def _said(error: Any) -> str:
    """The server's words without what it repeats of the document."""
    if not isinstance(error, dict):
        return ""
    reason = str(error.get("reason", "")).partition(" Preview of field")[0]
    where = reason.find("in document with id")
    if where > 0:
        reason = reason[:where].rstrip()
    return f": {error.get('type', 'error')}: {reason[:200]}" if reason else f": {error.get('type', 'error')}"


def top_error(answer: Answer) -> str:
    try:
        error = msgspec.json.decode(answer.body, type=dict[str, Any]).get("error")
    except msgspec.DecodeError:
        return answer.text()
    return error[:200] if isinstance(error, str) else _said(error)[2:]


def judge_items(content: Content, answer: Answer, *, is_edit: bool) -> Verdict:
    """Each document has a status of its own: 429 and 5xx are sent again, alone; other 4xx never will be taken; 409 to
    `create` says that the document is there already. An edit (`is_edit`) that met another one is tried again."""
    try:
        if not _ERRORS.decode(answer.body).errors:
            return Delivered()
        items = [next(iter(item.values())) for item in _ITEMS.decode(answer.body).items]
    except (msgspec.DecodeError, StopIteration):
        return Again(reason=f"HTTP {answer.status}, but what follows is no answer to a bulk request")
    if len(items) != count(content):
        return Again(reason=f"the answer is about {len(items)} documents, not the {count(content)} sent")
    again = [item.status == 429 or item.status >= 500 or (is_edit and item.status == 409) for item in items]
    never = [
        item.reason if 400 <= item.status < 500 and item.status != 409 and not later else ""
        for item, later in zip(items, again, strict=True)
    ]
    rejected = [
        (reason, part)
        for reason in dict.fromkeys(never)
        if reason and (part := select(content, [each == reason for each in never])) is not None
    ]
    remaining = select(content, again)
    if remaining is None:
        return Delivered(rejected=tuple(rejected))
    reason = next(item.reason for item, later in zip(items, again, strict=True) if later)
    return Again(reason=reason, remaining=remaining, rejected=tuple(rejected))
