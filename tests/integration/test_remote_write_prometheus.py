"""Debian's Prometheus as receiver: it has what was appended, to the bit, whatever happened on the way."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from tests.promql_lab import prometheus_program, running_prometheus
from tests.unit.scraper.remotewrite.lab import (
    QUICK,
    WallClock,
    batch,
    config,
    eventually,
    running,
    series_set,
)

from pillion.scraper.configuration import WRITE_V1, WRITE_V2
from pillion.scraper.configuration.values import Url
from pillion.scraper.samples import STALE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.promql_lab import Prometheus

pytestmark = pytest.mark.skipif(prometheus_program() is None, reason="there is no Prometheus here")


def held(prometheus: Prometheus, name: str, seconds: float) -> dict[str, list[tuple[float, str]]]:
    """By the label `i`: its samples, text of the values as Prometheus writes them."""
    _, answer = prometheus.get("/api/v1/query", query=f"{name}[1h]", time=seconds)
    return {
        found["metric"]["i"]: [(time, value) for time, value in found["values"]]
        for found in answer["data"]["result"]
    }


@pytest.mark.parametrize("protocol", [WRITE_V1, WRITE_V2])
def test_prometheus_holds_what_was_appended(tmp_path: Path, protocol: str) -> None:
    """2.42 takes a request of 2.0 for an empty one: it is sent 1.0 then, and has everything all the same."""
    rng = random.Random(3)
    series = series_set(500)
    now = int(WallClock().now() * 1000) - 100_000
    rows = [
        [rng.choice([rng.random(), float(rng.randrange(10**6)), -1e-300]) for _ in range(500)]
        for _ in range(20)
    ]
    (tmp_path / "prometheus").mkdir()
    with running_prometheus(tmp_path / "prometheus") as prometheus:
        there = config(None, QUICK, protobuf_message=protocol, url=Url(f"{prometheus.url}/api/v1/write"))
        for part in (range(12), range(12, 20)):  # a restart between them
            with running(tmp_path / "data", there, external={"cluster": "c"}, grace=60) as remote:
                for at in part:
                    remote.append(batch(series, now + at * 1000, rows[at]))
                eventually(lambda: remote.destinations[0].pending == 0)
                totals = remote.destinations[0].totals
                assert totals.samples_failed == 0
                assert totals.samples == 500 * len(part)
        found = held(prometheus, "m", now / 1000 + 60)
        _, labels = prometheus.get("/api/v1/series", **{"match[]": 'm{i="000000"}'})
    assert labels["data"] == [{"__name__": "m", "cluster": "c", "i": "000000", "job": "j"}]
    assert len(found) == 500
    for index in range(500):
        expected = [(round((now + at * 1000) / 1000, 3), rows[at][index]) for at in range(20)]
        assert [(round(time, 3), float(value)) for time, value in found[f"{index:06d}"]] == expected


def test_prometheus_takes_our_staleness_markers_for_its_own(tmp_path: Path) -> None:
    now = int(WallClock().now() * 1000) - 60_000
    series = series_set(2)
    (tmp_path / "prometheus").mkdir()
    with running_prometheus(tmp_path / "prometheus") as prometheus:
        there = config(None, QUICK, url=Url(f"{prometheus.url}/api/v1/write"))
        with running(tmp_path / "data", there, grace=60) as remote:
            remote.append(batch(series, now, [1.0, math.inf]))
            remote.append(batch(series, now + 1000, [STALE, 2.0]))
            eventually(lambda: remote.destinations[0].pending == 0)
        _, answer = prometheus.get("/api/v1/query", query="m", time=now / 1000 + 2)
    assert [(one["metric"]["i"], one["value"][1]) for one in answer["data"]["result"]] == [("000001", "2")]
