"""What the status of an answer says about the records that were sent. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.http.message import retry_after

if TYPE_CHECKING:
    from pillion.http.message import Answer


def judge_status(
    answer: Answer,
    *,
    now: float,
    shown: str | None = None,
    again: frozenset[int] = frozenset({408, 425, 429}),
    never: frozenset[int] = frozenset(),
) -> Verdict:
    """What the status alone says: success; too large (413); again (5xx, 3xx, which we do not follow, and `again`); or
    never (every other one). `never` takes statuses out of these. `shown` replaces the answer's own text in the reason.
    """
    if answer.is_success:
        return Delivered()
    text = answer.text() if shown is None else shown
    reason = f"HTTP {answer.status}" + (f": {text}" if text else "")
    if answer.status == 413:
        return TooLarge(reason=reason)
    if answer.status in again or (answer.status not in never and not 400 <= answer.status < 500):
        return Again(reason=reason, after=retry_after(answer, now))
    return Refused(reason=reason)
