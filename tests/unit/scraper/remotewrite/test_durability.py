"""Nothing is lost, and nothing overtakes: ends of the process at any moment, outages, bounds, other shard counts."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.unit.scraper.remotewrite.lab import (
    LOG,
    QUICK,
    START,
    HandClock,
    batch,
    config,
    eventually,
    open_log,
    running,
    series_set,
)

from pillion.scraper.configuration import WRITE_V1, WRITE_V2
from pillion.scraper.configuration.values import Milliseconds
from pillion.scraper.remotewrite.cursor import Cursor
from pillion.scraper.remotewrite.position import Position, PositionFile
from pillion.scraper.remotewrite.segments import segment_path
from pillion.scraper.samples import STALE, Exemplar, Metadata
from pillion.testing.destinations.peer import Reply, Silence
from pillion.testing.destinations.remotewrite import RemoteWriteServer

if TYPE_CHECKING:
    from pathlib import Path

    from pillion.scraper.samples import Batch, SeriesSet


def read_all(folder: Path, position: Position = Position(0, 0)) -> list[Batch]:  # noqa: B008 - a constant
    wal = open_log(folder)
    cursor = Cursor(wal, position, LOG)
    found = []
    while (record := cursor.read()) is not None:
        found.append(record.batch)
    cursor.close()
    wal.close()
    return found


def times(series: SeriesSet, server: RemoteWriteServer, index: int = 0) -> list[int]:
    return [point.time - START for point in server.series[series.labels[index]]]


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_was_appended_is_read_back_by_a_later_process(tmp_path: Path) -> None:
    meta = Metadata(name="m", type="gauge", help="h")
    one, two = series_set(3, metadata=meta), series_set(2, "n")
    exemplar = Exemplar(index=1, labels=(("a", "b"),), value=1.0, time=None)
    wal = open_log(tmp_path)
    wal.append(batch(one, 1, [1.0, STALE, 3.0], exemplars=(exemplar,)))
    wal.append(batch(two, 2, times=[5, 6], starts=[0, 7]))
    wal.append(batch(one, 3))
    wal.close()
    found = read_all(tmp_path)
    assert [each.series.labels for each in found] == [one.labels, two.labels, one.labels]
    assert found[0].series.metadata == one.metadata
    assert found[0].values[8:16] == STALE
    assert found[0].exemplars == (exemplar,)
    assert (list(found[1].times or ()), list(found[1].starts or ())) == ([5, 6], [0, 7])
    assert found[0].series is found[2].series


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_torn_end_is_cut_off_and_the_rest_is_kept(tmp_path: Path, cut: int) -> None:
    wal = open_log(tmp_path)
    for at in range(3):
        wal.append(batch(series_set(30, values := "m"), at, [random.random() for _ in range(30)]))
    del values
    wal.close()
    path = segment_path(tmp_path, 1)
    os.truncate(path, path.stat().st_size - cut)
    found = read_all(tmp_path)
    assert [each.time - START for each in found] == [0, 1]


def test_damage_in_the_middle_costs_the_rest_of_its_segment_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    wal = open_log(tmp_path, clock)
    for at in range(3):
        wal.append(batch(series_set(), at))
        clock.seconds += 3600
    wal.close()
    path = segment_path(tmp_path, 2)
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF
    path.write_bytes(data)
    with caplog.at_level(logging.ERROR):
        found = read_all(tmp_path)
    assert [each.time - START for each in found] == [0, 2]
    assert "segment 2 of the write-ahead log is damaged" in caplog.text


def test_files_that_are_none_of_the_log_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "00000002").write_bytes(b"")
    (tmp_path / "00000003").write_bytes(b"somebody else's")
    (tmp_path / "notes").write_text("x")
    wal = open_log(tmp_path)
    wal.append(batch(series_set()))
    wal.close()
    assert len(read_all(tmp_path)) == 1
    assert (tmp_path / "00000003").read_bytes() == b"somebody else's"


def test_beyond_its_bytes_the_oldest_segments_go_and_are_counted(tmp_path: Path) -> None:
    wal = open_log(tmp_path, limit_bytes=1 << 20)
    cursor = Cursor(wal, wal.end, LOG)
    for at in range(200):
        wal.append(batch(series_set(2000, f"m{at}"), at, [random.random() for _ in range(2000)]))
        wal.trim([Position(0, 0)])
    assert wal.size_bytes <= (1 << 20) + (1 << 17)
    seen = 0
    while cursor.read() is not None:
        seen += 2000
    assert seen + cursor.dropped == 400_000
    assert cursor.dropped > 0
    cursor.close()
    wal.close()


def test_beyond_its_age_a_segment_goes_but_never_the_current_one(tmp_path: Path) -> None:
    clock = HandClock()
    wal = open_log(tmp_path, clock, max_age=600.0)
    for at in range(0, 3_600_000, 15_000):
        wal.append(batch(series_set(), at))
        wal.trim([Position(0, 0)])
        clock.seconds += 15
    wal.close()
    found = [each.time - START for each in read_all(tmp_path)]
    assert found[-1] == 3_585_000
    assert 3_585_000 - 700_000 < found[0] <= 3_600_000 - 600_000


def test_what_everybody_has_is_removed(tmp_path: Path) -> None:
    clock = HandClock()
    wal = open_log(tmp_path, clock)
    for at in range(5):
        wal.append(batch(series_set(), at))
        clock.seconds += 1000
    wal.trim([wal.end, Position(4, 8)])
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["00000004", "00000005"]
    wal.close()


def test_a_full_disk_is_counted_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wal = open_log(tmp_path)
    wal.append(batch(series_set(), 0))
    own = wal._descriptor
    wal._descriptor = os.open("/dev/full", os.O_RDWR)
    truncate, os.ftruncate = os.ftruncate, lambda *_: None
    try:
        with caplog.at_level(logging.INFO):
            wal.append(batch(series_set(), 1))
            wal.append(batch(series_set(), 2))
    finally:
        os.ftruncate = truncate
        os.close(wal._descriptor)
        wal._descriptor = own
    wal.append(batch(series_set(), 3))
    assert wal.lost == 6
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    wal.close()
    assert [each.time - START for each in read_all(tmp_path)] == [0, 3]


def test_a_position_file_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    file = PositionFile(tmp_path / "p")
    assert file.load() == ()
    file.save((Position(1, 2, 3), Position(4, 5)))
    file.close()
    assert PositionFile(tmp_path / "p").load() == (Position(1, 2, 3), Position(4, 5))
    data = bytearray((tmp_path / "p").read_bytes())
    data[-1] ^= 1
    (tmp_path / "p").write_bytes(data)
    assert PositionFile(tmp_path / "p").load() == ()


# ── destinations ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_outage_and_a_restart_lose_nothing(tmp_path: Path) -> None:
    series = series_set(50)
    with RemoteWriteServer() as server:
        server.plan(*[Reply(status=503)] * 1_000)
        with running(tmp_path, config(server)) as remote:
            for at in range(20):
                remote.append(batch(series, at))
            eventually(lambda: remote.destinations[0].totals.samples_retried > 0)
        assert server.samples == 0
        server._faults.clear()
        with running(tmp_path, config(server)) as remote:
            assert remote.destinations[0].pending <= 1000
            remote.append(batch(series, 20))
            eventually(lambda: server.samples == 21 * 50)
            eventually(lambda: remote.destinations[0].pending == 0)
        assert times(series, server) == list(range(21))
        assert server.problems == []


def test_the_end_sends_what_is_left_within_its_time(tmp_path: Path) -> None:
    slow = msgspec.structs.replace(QUICK, batch_send_deadline=Milliseconds(3_600_000))
    with RemoteWriteServer() as server:
        with running(tmp_path, config(server, slow), grace=60) as remote:
            remote.append(batch(series_set(), 0))
        assert server.samples == 3


def test_the_end_does_not_wait_for_a_receiver_that_is_silent(tmp_path: Path) -> None:
    with RemoteWriteServer() as server:
        server.plan(Silence())
        with running(tmp_path, config(server)) as remote:
            remote.append(batch(series_set(), 0))
            eventually(lambda: len(server.requests) == 1)
            assert remote.close(0.1) == 3


def test_a_new_destination_is_not_sent_the_past(tmp_path: Path) -> None:
    with RemoteWriteServer() as server:
        with running(tmp_path, config(None, name="old")) as remote:
            remote.append(batch(series_set(), 0))
        with running(tmp_path, config(None, name="old"), config(server, name="new")) as remote:
            remote.append(batch(series_set(), 1))
            eventually(lambda: server.samples == 3)
        assert times(series_set(), server) == [1]


def test_a_log_that_somebody_removed_is_begun_anew(tmp_path: Path) -> None:
    with RemoteWriteServer() as server:
        with running(tmp_path, config(server)) as remote:
            for at in range(3):
                remote.append(batch(series_set(), at))
            eventually(lambda: server.samples == 9)
        for segment in (tmp_path / "remote-write").iterdir():
            segment.unlink()
        for at in range(3, 6):
            with running(tmp_path, config(server), grace=60) as remote:
                remote.append(batch(series_set(), at))
        assert times(series_set(), server) == list(range(6))
        assert server.problems == []


def test_a_reload_leaves_alone_what_has_not_changed(tmp_path: Path) -> None:
    with RemoteWriteServer() as server, RemoteWriteServer() as other:
        with running(tmp_path, config(server, name="a"), config(other, name="b")) as remote:
            first = remote.destinations[0]
            remote.append(batch(series_set(), 0))
            eventually(lambda: server.samples == other.samples == 3)
            remote.apply([config(server, name="a"), config(other, name="b", send_exemplars=True)], {})
            assert remote.destinations[0] is first
            remote.append(batch(series_set(), 1))
            eventually(lambda: server.samples == other.samples == 6)
            remote.apply([], {})
            assert remote.destinations == ()
        assert server.problems == other.problems == []


@pytest.mark.parametrize("protocol", [WRITE_V1, WRITE_V2])
def test_order_is_kept_whatever_the_number_of_shards(tmp_path: Path, protocol: str) -> None:
    """1000 series, a receiver that stumbles, restarts, and other numbers of shards in between."""
    series = series_set(1000)
    rng = random.Random(7)
    at = 0
    with RemoteWriteServer(repeats=True) as server:
        for shards in (1, 4, 4, 2):
            queue = msgspec.structs.replace(QUICK, min_shards=shards, max_shards=10, max_samples_per_send=130)
            with running(tmp_path, config(server, queue, protobuf_message=protocol)) as remote:
                for _ in range(6):
                    server.plan(*[Reply(status=500)] * rng.randrange(3))
                    remote.append(batch(series, at))
                    at += 1
                [there] = remote.destinations
                there._wanted = shards + 3
                there._stopping.gather()
                for _ in range(4):
                    remote.append(batch(series, at))
                    at += 1
                eventually(lambda: not any(thread.is_alive() for thread in there._threads))  # noqa: B023
                there.reshard()
                assert there.shards == shards + 3
                eventually(lambda: server.samples >= 400 * at // 1000)  # noqa: B023 - some are left for the next
        with running(tmp_path, config(server, protobuf_message=protocol)):
            eventually(lambda: server.samples == 1000 * at)
        assert server.problems == []
        assert all([p.time - START for p in points] == list(range(at)) for points in server.series.values())


_WRITER = """
import sys
from pathlib import Path
from tests.unit.scraper.remotewrite.lab import batch, config, running, series_set, QUICK
from pillion.scraper.configuration.values import Url
folder, port, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
there = config(None, protobuf_message=sys.argv[4], url=Url(f"http://127.0.0.1:{port}/api/v1/write"))
series = series_set(700)
with running(folder, there) as remote:
    for at in range(first, first + 100_000):
        remote.append(batch(series, at))
        print(at, flush=True)
"""


@pytest.mark.parametrize("protocol", [WRITE_V1, WRITE_V2])
def test_killed_in_the_middle_it_has_lost_nothing_and_nothing_overtakes(
    tmp_path: Path, protocol: str
) -> None:
    series = series_set(700)
    first = 0
    with RemoteWriteServer(repeats=True) as server:
        for round_ in range(4):
            writer = subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(tmp_path), str(server.port), str(first), protocol],
                stdout=subprocess.PIPE,
            )
            assert writer.stdout is not None
            for _ in range(20 + 7 * round_):
                line = writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().splitlines()
            writer.wait()
            writer.stdout.close()
            first = int((rest or [line])[-1]) + 1
        with running(tmp_path, config(server, protobuf_message=protocol)) as remote:
            remote.append(batch(series, first + 1))
            eventually(lambda: server.samples >= 700 * (first + 1))
            eventually(lambda: remote.destinations[0].pending == 0)
        assert server.problems == []
        for points in server.series.values():
            arrived = {point.time - START for point in points}
            # One more than was printed may have been appended before the end of each process.
            assert arrived >= set(range(first))
