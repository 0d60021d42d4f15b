"""What the tests of remote write have in common: batches, a clock, a log in a folder, a running RemoteWrite."""

from __future__ import annotations

import logging
import struct
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pillion.scraper.configuration import QueueConfig, RemoteWriteConfig
from pillion.scraper.configuration.values import Milliseconds, Url
from pillion.scraper.labels import labels_of
from pillion.scraper.remotewrite.log import WriteAheadLog
from pillion.scraper.remotewrite.remotewrite import RemoteWrite
from pillion.scraper.samples import Batch, Exemplar, Metadata, SeriesSet
from pillion.units import Instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pillion.testing.destinations.peer import HttpPeer

LOG = logging.getLogger("pillion.scraper.test")
START = 1_800_000_000_000
"""Milliseconds."""
PATIENCE = 60.0
QUICK = QueueConfig(
    batch_send_deadline=Milliseconds(20), min_backoff=Milliseconds(5), max_backoff=Milliseconds(50)
)


class WallClock:
    """Real time, for tests with threads."""

    def now(self) -> Instant:
        return Instant(time.time())


class HandClock:
    def __init__(self, seconds: float = START / 1000) -> None:
        self.seconds = seconds

    def now(self) -> Instant:
        return Instant(self.seconds)


def series_set(count: int = 3, name: str = "m", metadata: Metadata | None = None, **labels: str) -> SeriesSet:
    return SeriesSet(
        tuple(
            labels_of({"__name__": name, "i": f"{index:06d}", "job": "j", **labels}) for index in range(count)
        ),
        (metadata,) * count,
    )


def batch(
    series: SeriesSet,
    at: int = 0,
    values: Sequence[float | bytes] | None = None,
    *,
    times: Sequence[int] | None = None,
    starts: Sequence[int] | None = None,
    exemplars: tuple[Exemplar, ...] = (),
) -> Batch:
    """`at`: milliseconds after START, or an absolute time when it is large."""
    found: Sequence[float | bytes] = [float(at)] * len(series) if values is None else values
    column = b"".join([one if isinstance(one, bytes) else struct.pack("<d", one) for one in found])
    return Batch(
        series=series,
        time=at if abs(at) > 1 << 35 else START + at,
        values=column,
        times=None if times is None else array("q", times),
        starts=None if starts is None else array("q", starts),
        exemplars=exemplars,
    )


def config(peer: HttpPeer | None = None, queue: QueueConfig = QUICK, **keys: Any) -> RemoteWriteConfig:
    url = "http://127.0.0.1:1/w" if peer is None else f"http://127.0.0.1:{peer.port}/api/v1/write"
    return RemoteWriteConfig(**{"url": Url(url), "queue_config": queue, "name": "there", **keys})


def open_log(folder: Path, clock: Any = None, **bounds: Any) -> WriteAheadLog:
    return WriteAheadLog(
        folder, clock or HandClock(), LOG, **{"limit_bytes": 256 << 20, "max_age": 7200.0, **bounds}
    )


@contextmanager
def running(
    folder: Path,
    *configs: RemoteWriteConfig,
    external: Mapping[str, str] | None = None,
    grace: float = 0.0,
    **bounds: Any,
) -> Iterator[RemoteWrite]:
    remote = RemoteWrite(
        folder,
        WallClock(),
        LOG,
        environment={},
        **{"limit_bytes": 256 << 20, "max_age": 1e12, **bounds},
    )
    try:
        remote.apply(configs, external or {})
        yield remote
    finally:
        remote.close(grace)


def eventually(claim: Callable[[], bool]) -> None:
    """Fails when it has not become true in PATIENCE."""
    import threading

    until = time.monotonic() + PATIENCE
    waiting = threading.Event()
    while not claim():
        assert time.monotonic() < until, "it has not become true in time"
        waiting.wait(0.005)
