"""Whether lines of the access log are lost is read from Envoy's counts."""

from __future__ import annotations

import pytest

from pillion.proxy.application.accesslog import Writes, are_failing

_BEFORE = Writes(completed=5, failed=2)


@pytest.mark.parametrize(
    ("now", "were_failing", "expected"),
    [
        (Writes(completed=5, failed=2), False, False),
        (Writes(completed=5, failed=2), True, True),
        (Writes(completed=6, failed=2), True, False),
        (Writes(completed=6, failed=3), False, True),
        (Writes(completed=5, failed=3), True, True),
    ],
    ids=["nothing", "nothing since a failure", "written again", "some of them", "none of them"],
)
def test_writes_fail_until_one_is_complete(now: Writes, *, were_failing: bool, expected: bool) -> None:
    assert are_failing(_BEFORE, now, were_failing=were_failing) is expected


def test_a_file_that_cannot_be_opened_fails_as_one_that_is_full() -> None:
    stats: dict[str, int | str] = {"filesystem.write_completed": 7, "filesystem.reopen_failed": 1}
    assert Writes.of(stats) == Writes(completed=7, failed=1)
    assert Writes.of({"filesystem.write_failed": 3, "filesystem.reopen_failed": 1}) == Writes(failed=4)
