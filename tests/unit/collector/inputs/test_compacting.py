"""Records as text while they wait."""

from __future__ import annotations

from pillion.collector.inputs.compacting import compacted
from pillion.collector.network.forwardprotocol import EventTime
from pillion.collector.records import Records, Texts


def test_records_become_text_with_one_time_when_they_have_one() -> None:
    bodies = [{"a": "é"}, {"b": [1, {"c": EventTime(5)}]}]
    assert compacted(Records(times=[7, 7], bodies=bodies)) == Texts(
        data='{"a":"é"}\n{"b":[1,{"c":5}]}\n'.encode(), times=7
    )
    assert compacted(Records(times=[7, 8], bodies=bodies)).times == [7, 8]  # type: ignore[union-attr]


def test_binary_data_stays_as_it_is() -> None:
    records = Records(times=[7], bodies=[{"a": b"\xff"}])
    assert compacted(records) is records
