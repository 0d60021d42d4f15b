"""What arrives at a strict receiver: the checks of the remote-write compliance suites, 1.0 and 2.0, as ours."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.unit.scraper.remotewrite.lab import (
    QUICK,
    START,
    batch,
    config,
    eventually,
    running,
    series_set,
)

from pillion.scraper.configuration import WRITE_V1, WRITE_V2, MetadataConfig
from pillion.scraper.configuration.values import Milliseconds
from pillion.scraper.labels import Action, RelabelConfig, regexp
from pillion.scraper.samples import STALE, Exemplar, Metadata, SeriesSet
from pillion.testing.destinations.peer import Accepted, Reply, Reset
from pillion.testing.destinations.remotewrite import (
    NAN_BITS,
    STALE_BITS,
    V1_TYPE,
    V2_TYPE,
    RemoteWriteServer,
    Speaks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

both = pytest.mark.parametrize("protocol", [WRITE_V1, WRITE_V2])
NAN = struct.pack("<Q", NAN_BITS)


@pytest.fixture
def server() -> Iterator[RemoteWriteServer]:
    with RemoteWriteServer() as peer:
        yield peer
    assert peer.problems == []


@both
def test_values_arrive_bit_for_bit(server: RemoteWriteServer, tmp_path: Path, protocol: str) -> None:
    values = [0.0, -0.0, 1.5, float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308, NAN, STALE]
    series = series_set(len(values))
    with running(tmp_path, config(server, protobuf_message=protocol)) as remote:
        remote.append(batch(series, 0, values))
        eventually(lambda: server.samples == len(values))
    sent = [one if isinstance(one, bytes) else struct.pack("<d", one) for one in values]
    arrived = [server.series[labels][0] for labels in series.labels]
    assert [struct.pack("<Q", point.bits) for point in arrived] == sent
    assert arrived[-1].bits == STALE_BITS
    assert {point.time for point in arrived} == {START}


@both
def test_headers_and_protocol_are_as_specified(
    server: RemoteWriteServer, tmp_path: Path, protocol: str
) -> None:
    given = {"X-Scope-OrgID": "7", "content-encoding": "none", "X-Prometheus-Remote-Write-Version": "9"}
    with running(tmp_path, config(server, protobuf_message=protocol, headers=given)) as remote:
        remote.append(batch(series_set()))
        eventually(lambda: bool(server.samples))
    [seen] = server.requests
    assert seen.path == "/api/v1/write"
    assert seen.headers["x-scope-orgid"] == "7"
    assert "retry-attempt" not in seen.headers
    assert set(server.protocols) == {V1_TYPE if protocol == WRITE_V1 else V2_TYPE}


@both
def test_times_of_the_page_and_unusual_times_are_kept(
    server: RemoteWriteServer, tmp_path: Path, protocol: str
) -> None:
    series = series_set(4)
    times = [0, 1, -62_135_596_800_000, 1 << 50]
    with running(tmp_path, config(server, protobuf_message=protocol)) as remote:
        remote.append(batch(series, 0, [1.0, 2.0, 3.0, 4.0], times=times))
        eventually(lambda: server.samples == 4)
    assert [server.series[labels][0].time for labels in series.labels] == times


@both
def test_texts_of_any_kind_arrive(server: RemoteWriteServer, tmp_path: Path, protocol: str) -> None:
    long = "x" * 5000
    labels = tuple(
        sorted({"__name__": "metric.with ünïcode", "ключ": "значение", "l": long, "q": '"\\\n'}.items())
    )
    with running(tmp_path, config(server, protobuf_message=protocol)) as remote:
        remote.append(batch(SeriesSet((labels,), (None,))))
        eventually(lambda: server.samples == 1)
    assert list(server.series) == [labels]


@both
def test_external_labels_come_before_relabelling_and_never_replace(
    server: RemoteWriteServer, tmp_path: Path, protocol: str
) -> None:
    rules = (
        RelabelConfig(source_labels=("cluster",), target_label="where"),
        RelabelConfig(source_labels=("i",), regex=regexp("000001"), action=Action.DROP),
        RelabelConfig(regex=regexp("i"), action=Action.LABELDROP),
    )
    mine = config(server, protobuf_message=protocol, write_relabel_configs=rules)
    external = {"cluster": "c1", "job": "theirs", "empty": ""}
    series = SeriesSet(
        (*[series_set(1, name).labels[0] for name in ("a", "b")], series_set(2, "c").labels[1]),
        (None,) * 3,
    )
    with running(tmp_path, mine, external=external) as remote:
        remote.append(batch(series))
        eventually(lambda: server.samples == 2)
        [there] = remote.destinations
        assert there.totals.dropped_relabelled == 1
    assert list(server.series) == [
        (("__name__", name), ("cluster", "c1"), ("job", "j"), ("where", "c1")) for name in ("a", "b")
    ]


@both
def test_a_request_has_at_most_so_many_samples(
    server: RemoteWriteServer, tmp_path: Path, protocol: str
) -> None:
    queue = msgspec.structs.replace(QUICK, max_samples_per_send=100)
    with running(tmp_path, config(server, queue, protobuf_message=protocol)) as remote:
        remote.append(batch(series_set(250)))
        eventually(lambda: server.samples == 250)
    assert server.request_samples == [100, 100, 50]


def test_small_batches_travel_together_until_the_deadline(server: RemoteWriteServer, tmp_path: Path) -> None:
    queue = msgspec.structs.replace(
        QUICK, max_samples_per_send=10, batch_send_deadline=Milliseconds(3_600_000)
    )
    series = series_set(3)
    with running(tmp_path, config(server, queue), grace=30) as remote:
        for at in range(4):
            remote.append(batch(series, at))
        eventually(lambda: server.samples == 9)
        assert server.request_samples == [9]
    assert server.request_samples == [9, 3], "the end sends the rest at once"


@both
def test_exemplars_are_sent_when_asked_for(server: RemoteWriteServer, tmp_path: Path, protocol: str) -> None:
    exemplars = (
        Exemplar(index=1, labels=(("trace_id", "abc"),), value=0.5, time=START - 7),
        Exemplar(index=1, labels=(("trace_id", "def"),), value=0.6, time=None),
    )
    series = series_set(3)
    mine = [
        config(server, protobuf_message=protocol, send_exemplars=True, name="with"),
    ]
    with running(tmp_path, *mine) as remote:
        remote.append(batch(series, 0, exemplars=exemplars))
        eventually(lambda: remote.destinations[0].totals.exemplars == 2)
    [(labels, arrived)] = server.exemplars.items()
    assert labels == series.labels[1]
    assert [(one.labels, one.value, one.time) for one in arrived] == [
        ((("trace_id", "abc"),), 0.5, START - 7),
        ((("trace_id", "def"),), 0.6, START),
    ]


def test_exemplars_stay_at_home_by_default(server: RemoteWriteServer, tmp_path: Path) -> None:
    exemplar = Exemplar(index=0, labels=(("trace_id", "abc"),), value=0.5, time=1)
    with running(tmp_path, config(server)) as remote:
        remote.append(batch(series_set(), 0, exemplars=(exemplar,)))
        eventually(lambda: server.samples == 3)
    assert server.exemplars == {}


def test_metadata_and_start_times_are_in_the_series_of_v2(server: RemoteWriteServer, tmp_path: Path) -> None:
    meta = Metadata(name="m", type="counter", help="How often.", unit="seconds")
    series = series_set(3, metadata=meta)
    with running(tmp_path, config(server, protobuf_message=WRITE_V2)) as remote:
        for at in range(2):
            remote.append(batch(series, at, starts=[START - 10, 0, 1]))
        remote.append(batch(series, 2, starts=[START - 9, 0, 1]))
        eventually(lambda: server.samples == 9)
    found = server.metadata["m"]
    assert (found.type, found.help, found.unit) == (1, "How often.", "seconds")
    starts = [[point.start for point in server.series[labels]] for labels in series.labels]
    assert starts == [[START - 10, START - 10, START - 9], [0, 0, 0], [1, 1, 1]]


def test_metadata_has_requests_of_its_own_in_v1(server: RemoteWriteServer, tmp_path: Path) -> None:
    families = [Metadata(name=f"m{n}", type="gauge", help=f"Help {n}.") for n in range(5)]
    series = SeriesSet(tuple(series_set(1, meta.name).labels[0] for meta in families), tuple(families))
    often = MetadataConfig(send_interval=Milliseconds(50), max_samples_per_send=2)
    with running(tmp_path, config(server, metadata_config=often)) as remote:
        remote.append(batch(series))
        eventually(lambda: len(server.metadata) == 5 and server.samples == 5)
        eventually(lambda: remote.destinations[0].totals.metadata >= 10)
    assert (server.metadata["m3"].type, server.metadata["m3"].help) == (2, "Help 3.")
    assert 0 in server.request_samples, "metadata comes without samples"


def test_metadata_can_be_turned_off(server: RemoteWriteServer, tmp_path: Path) -> None:
    off = MetadataConfig(send=False, send_interval=Milliseconds(1))
    series = series_set(metadata=Metadata(name="m", type="gauge"))
    with running(tmp_path, config(server, metadata_config=off)) as remote:
        for at in range(3):
            remote.append(batch(series, at))
            eventually(lambda: server.samples == 3 * (at + 1))  # noqa: B023 - called at once
    assert server.metadata == {}


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────
@both
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_tried_again_until_it_is_over(
    server: RemoteWriteServer, tmp_path: Path, protocol: str, status: int
) -> None:
    server.plan(*[Reply(status=status, body=b"not now")] * 4)
    series = series_set(2)
    with running(tmp_path, config(server, protobuf_message=protocol)) as remote:
        remote.append(batch(series, 0))
        remote.append(batch(series, 1))
        eventually(lambda: remote.destinations[0].totals.samples == 4)
        totals = remote.destinations[0].totals
    bodies = {seen.body for seen in server.requests[:5]}
    assert len(bodies) == 1, "the same samples, and nothing before them"
    assert [seen.headers.get("retry-attempt") for seen in server.requests[:5]] == [None, "1", "2", "3", "4"]
    assert totals.samples == 4
    assert totals.samples_failed == 0
    assert totals.samples_retried >= 8


@both
@pytest.mark.parametrize("status", [401, 403, 404, 409, 413, 429])
def test_a_refusal_is_not_tried_again(
    server: RemoteWriteServer, tmp_path: Path, protocol: str, status: int
) -> None:
    server.plan(Reply(status=status, body=b"never"))
    series = series_set(2)
    with running(tmp_path, config(server, protobuf_message=protocol)) as remote:
        remote.append(batch(series, 0))
        eventually(lambda: remote.destinations[0].totals.samples_failed == 2)
        remote.append(batch(series, 1))
        eventually(lambda: server.samples == 2 and remote.destinations[0].pending == 0)
    assert [point.time for point in server.series[series.labels[0]]] == [START + 1]


def test_a_400_is_not_tried_again_in_v1(server: RemoteWriteServer, tmp_path: Path) -> None:
    server.plan(Reply(status=400, body=b"out of order sample"))
    with running(tmp_path, config(server)) as remote:
        remote.append(batch(series_set(2), 0))
        eventually(lambda: remote.destinations[0].totals.samples_failed == 2)
        remote.append(batch(series_set(2), 1))
        eventually(lambda: server.samples == 2)
    assert len(server.requests) == 2


def test_429_is_tried_again_when_told_so_and_as_late_as_asked(
    server: RemoteWriteServer, tmp_path: Path
) -> None:
    server.plan(Reply(status=429, headers=(("Retry-After", "1"),)))
    queue = msgspec.structs.replace(QUICK, retry_on_http_429=True)
    with running(tmp_path, config(server, queue)) as remote:
        remote.append(batch(series_set(2), 0))
        eventually(lambda: server.samples == 2)
        totals = remote.destinations[0].totals
    assert totals.samples_retried == 2
    assert totals.samples_failed == 0


@pytest.mark.parametrize("fault", [Reset(), Accepted()])
def test_a_lost_answer_is_tried_again(tmp_path: Path, fault: Reset | Accepted) -> None:
    with RemoteWriteServer(repeats=True) as server:
        server.plan(*[fault] * 3)
        with running(tmp_path, config(server)) as remote:
            remote.append(batch(series_set(2), 0))
            eventually(lambda: remote.destinations[0].totals.samples == 2)
    assert server.samples == 2
    assert server.problems == []


@pytest.mark.parametrize("speaks", [Speaks.V1_415, Speaks.V1_400, Speaks.V1_BLIND])
def test_a_receiver_without_v2_is_sent_v1_and_nothing_is_lost(tmp_path: Path, speaks: Speaks) -> None:
    with RemoteWriteServer(speaks=speaks) as server:
        series = series_set(250)
        queue = msgspec.structs.replace(QUICK, max_samples_per_send=100)
        with running(tmp_path, config(server, queue, protobuf_message=WRITE_V2)) as remote:
            for at in range(3):
                remote.append(batch(series, at))
            eventually(lambda: remote.destinations[0].totals.samples == 750)
            assert remote.destinations[0].protocol == WRITE_V1
        asked = [seen.headers["content-type"] for seen in server.requests]
    assert asked.count(V2_TYPE) == 1, "it is remembered"
    assert server.problems == []


def test_a_400_about_samples_does_not_end_v2(tmp_path: Path) -> None:
    with RemoteWriteServer() as server:
        with running(tmp_path, config(server, protobuf_message=WRITE_V2)) as remote:
            server.plan(*[Reply(status=400, body=b"bad sample")] * 2)
            remote.append(batch(series_set(2), 0))
            eventually(lambda: remote.destinations[0].totals.samples_failed == 2)
            for at in (1, 2):
                remote.append(batch(series_set(2), at))
            eventually(lambda: server.samples == 4)
            server.plan(Reply(status=400, body=b"bad sample"))
            remote.append(batch(series_set(2), 3))
            eventually(lambda: remote.destinations[0].totals.samples_failed == 4)
            assert remote.destinations[0].protocol == WRITE_V2
        asked = [seen.headers["content-type"] for seen in server.requests]
    assert asked.count(V1_TYPE) == 1, "tried once with v1, before v2 was known to be taken"


def test_what_was_not_written_counts_as_failed(server: RemoteWriteServer, tmp_path: Path) -> None:
    counted = (("X-Prometheus-Remote-Write-Samples-Written", "1"),)
    server.plan(
        Reply(status=200, headers=counted), Reply(status=400, headers=counted, body=b"1 of 3 is enough")
    )
    with running(tmp_path, config(server, protobuf_message=WRITE_V2)) as remote:
        for at in range(2):
            remote.append(batch(series_set(3), at))
            eventually(lambda: remote.destinations[0].totals.samples_failed == 2 * (at + 1))  # noqa: B023
        assert remote.destinations[0].totals.samples == 2


def test_old_samples_are_dropped_and_counted_when_there_is_a_limit(
    server: RemoteWriteServer, tmp_path: Path
) -> None:
    from tests.unit.scraper.remotewrite.lab import WallClock

    queue = msgspec.structs.replace(QUICK, sample_age_limit=Milliseconds(600_000))
    now = int(WallClock().now() * 1000)
    series = series_set(2)
    with running(tmp_path, config(server, queue)) as remote:
        remote.append(batch(series, now - 700_000))
        remote.append(batch(series, now, times=[now - 700_000, now]))
        remote.append(batch(series, now + 1))
        eventually(lambda: server.samples == 3 and remote.destinations[0].pending == 0)
        assert remote.destinations[0].totals.dropped_old == 3


def test_destinations_do_not_wait_for_each_other(server: RemoteWriteServer, tmp_path: Path) -> None:
    lost = config(None, name="nobody")
    with running(tmp_path, lost, config(server)) as remote:
        for at in range(5):
            remote.append(batch(series_set(2), at))
        eventually(lambda: [one.pending for one in remote.destinations] == [10, 0])
    assert server.samples == 10
