"""The pure rules: verdicts, waits, numbers of shards, which series go where."""

from __future__ import annotations

import pytest
from tests.unit.scraper.remotewrite.lab import series_set

from pillion.http.message import Answer, NoAnswer
from pillion.scraper.labels import Relabelling
from pillion.scraper.remotewrite.backoff import Backoff
from pillion.scraper.remotewrite.request import Protocol
from pillion.scraper.remotewrite.resharding import Counted, Rate, Resharding
from pillion.scraper.remotewrite.selection import Selection, Share, shard_of
from pillion.scraper.remotewrite.verdict import (
    Again,
    Never,
    OtherProtocol,
    Verdict,
    Written,
    headers_of,
    judge,
    shown,
)

V1, V2 = Protocol.V1, Protocol.V2
COUNTED = {"x-prometheus-remote-write-samples-written": "3"}


def verdict(
    status: int,
    protocol: Protocol = V1,
    headers: dict[str, str] | None = None,
    *,
    retries_429: bool = False,
    has_spoken_v2: bool = False,
) -> Verdict:
    answer = Answer(status=status, headers=headers or {}, body=b"why")
    return judge(answer, protocol, now=1000.0, retries_429=retries_429, has_spoken_v2=has_spoken_v2)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success_is_success(status: int) -> None:
    assert verdict(status) == Written()
    assert verdict(status, V2, COUNTED) == Written(samples=3, exemplars=0)


def test_success_without_counts_is_no_success_in_v2() -> None:
    found = verdict(204, V2)
    assert isinstance(found, OtherProtocol)
    assert found.is_certain


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 599])
@pytest.mark.parametrize("protocol", [V1, V2])
def test_a_server_error_is_for_again(status: int, protocol: Protocol) -> None:
    reason = f"server returned HTTP status {status}: why"
    assert verdict(status, protocol, {"retry-after": "7"}) == Again(reason=reason, after=7.0)
    assert verdict(status, protocol) == Again(reason=reason)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429])
def test_everything_else_is_for_never(status: int) -> None:
    assert verdict(status) == Never(reason=f"server returned HTTP status {status}: why")


def test_429_is_for_again_only_when_told_so() -> None:
    assert isinstance(verdict(429, retries_429=True), Again)
    assert isinstance(verdict(429, V2), Never)


def test_retry_after_may_be_a_date() -> None:
    found = verdict(503, V1, {"retry-after": "Thu, 01 Jan 1970 00:17:00 GMT"})
    assert isinstance(found, Again)
    assert found.after == 20.0


@pytest.mark.parametrize(
    ("status", "headers", "spoken", "kind"),
    [
        (415, {}, True, OtherProtocol),
        (400, {}, False, OtherProtocol),
        (400, {}, True, Never),
        (400, COUNTED, False, Never),
        (404, {}, False, Never),
    ],
)
def test_what_says_that_v2_is_not_known(
    status: int, headers: dict[str, str], spoken: bool, kind: type[Verdict]
) -> None:
    assert isinstance(verdict(status, V2, headers, has_spoken_v2=spoken), kind)


def test_partly_written_is_counted_and_not_repeated() -> None:
    assert verdict(400, V2, COUNTED, has_spoken_v2=True) == Never(
        reason="server returned HTTP status 400: why", samples=3
    )


def test_no_answer_is_for_again() -> None:
    found = judge(NoAnswer(reason="gone"), V1, now=0.0, retries_429=False, has_spoken_v2=False)
    assert found == Again(reason="gone")


def test_at_most_a_kib_of_an_answer_is_shown() -> None:
    assert shown(b"x" * 5000) == "x" * 1024
    assert shown(b"two\nlines \xff") == "two lines \ufffd"


def test_headers_cannot_be_overridden() -> None:
    found = dict(headers_of(V2, {"content-type": "text/plain", "retry-attempt": "9", "A": "b"}, attempt=3))
    assert found == {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version": "2.0.0",
        "Retry-Attempt": "3",
        "A": "b",
    }


def test_waits_double_up_to_their_most() -> None:
    backoff = Backoff(least=0.03, most=5.0)
    waits = [backoff.wait(None) for _ in range(10)]
    assert waits == pytest.approx([0.03, 0.06, 0.12, 0.24, 0.48, 0.96, 1.92, 3.84, 5.0, 5.0])


def test_what_is_asked_for_takes_one_turn_and_the_next_is_twice_as_long() -> None:
    backoff = Backoff(least=0.03, most=5.0)
    assert [backoff.wait(after) for after in (1.5, None, 60.0, None, 0.0, -3.0)] == [
        1.5,
        3.0,
        60.0,
        5.0,
        5.0,
        5.0,
    ]


def test_a_rate_begins_with_the_first_events() -> None:
    rate = Rate()
    found = []
    for events in (0, 100, 100, 0):
        rate.tick(events)
        found.append(rate.value)
    assert found == [0, 10, 10, 8]


def counted(appended: int, sent: int, seconds: float, dropped: int = 0) -> Counted:
    return Counted(appended=appended, sent=sent, dropped=dropped, seconds=seconds)


@pytest.mark.parametrize(
    ("shards", "what", "behind", "since", "wanted"),
    [
        (1, counted(100_000, 100_000, 5.0), 0.0, 0.0, 1),
        (1, counted(100_000, 100_000, 25.0), 0.0, 0.0, 3),
        (1, counted(100_000, 10_000, 10.0), 100.0, 0.0, 50),
        (1, counted(100_000, 100_000, 5.0), 60.0, 0.0, 2),
        (4, counted(100_000, 100_000, 5.0), 0.0, 0.0, 1),
        (4, counted(100_000, 100_000, 5.0), 11.0, 0.0, 4),
        (10, counted(100_000, 100_000, 85.0), 0.0, 0.0, 10),
        (1, counted(100_000, 100_000, 25.0), 0.0, 11.0, 1),
        (2, counted(100_000, 0, 0.0), 100.0, 0.0, 2),
        (1, counted(200_000, 100_000, 25.0, dropped=100_000), 0.0, 0.0, 3),
    ],
)
def test_the_number_of_shards(shards: int, what: Counted, behind: float, since: float, wanted: int) -> None:
    resharding = Resharding(least=1, most=50)
    assert resharding.desire(shards, what, behind=behind, since_sent=since) == wanted


def test_every_series_has_one_shard() -> None:
    series = series_set(1000)
    shares = [
        {one.index for one in Selection({}, Relabelling([]), Share(number, 7)).select(series)}
        for number in range(7)
    ]
    assert sum(map(len, shares)) == 1000
    assert set().union(*shares) == set(range(1000))
    assert min(map(len, shares)) > 100


def test_a_series_has_the_same_shard_in_every_process() -> None:
    assert [shard_of((("__name__", f"m{n}"),), 5) for n in range(8)] == [3, 3, 3, 3, 4, 4, 3, 2]
