"""Remote write: CPU time of this process for one batch, from `append` to the answer of a local receiver.

That is the log, its reading, encoding, compression and HTTP; the receiver is another process, which looks at nothing.
"memory" is what the process has more than before, with the batches it takes to get there.
"""

from __future__ import annotations

import logging
import random
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure
from pillion.scraper.configuration import WRITE_V1, WRITE_V2, RemoteWriteConfig
from pillion.scraper.configuration.values import Url
from pillion.scraper.labels import labels_of
from pillion.scraper.remotewrite.remotewrite import RemoteWrite
from pillion.scraper.samples import Batch, Metadata, SeriesSet
from pillion.units import Instant

SIZES = (100, 10_000, 100_000)
ROUNDS = 10

_RECEIVER = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
ANSWER = (b"HTTP/1.1 200 OK\\r\\nX-Prometheus-Remote-Write-Samples-Written: 2000\\r\\n"
          b"Content-Length: 0\\r\\n\\r\\n")
def serve(sock):
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            more = sock.recv(1 << 16)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\\r\\n\\r\\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\\r\\n") if line[:15] == b"content-length:")
        while len(data) < length:
            data += sock.recv(1 << 16)
        data = data[length:]
        sock.sendall(ANSWER)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class _Clock:
    def now(self) -> Instant:
        return Instant(time.time())  # noqa: TID251 - it is the clock


def remote_write(folder: Path) -> list[Figure]:
    figures = []
    with receiver() as port:
        for protocol, shown in ((WRITE_V1, "1.0"), (WRITE_V2, "2.0")):
            for size in SIZES:
                own = folder / f"{shown}-{size}"
                milliseconds, grown = _measure(own, port, protocol, size)
                name = f"remote write {shown}: {size:,} series"
                figures.append(Figure(f"{name}: CPU", "ms per batch", milliseconds))
                if size == 10_000 and protocol == WRITE_V1:  # later ones reuse what it has freed
                    figures.append(Figure(f"{name}: memory", "MiB", (grown,)))
    return figures


def _measure(folder: Path, port: int, protocol: str, size: int) -> tuple[tuple[float, ...], float]:
    config = RemoteWriteConfig(
        name="bench", url=Url(f"http://127.0.0.1:{port}/write"), protobuf_message=protocol
    )
    log = logging.getLogger("bench.remotewrite")
    remote = RemoteWrite(folder, _Clock(), log, environment={}, limit_bytes=256 << 20, max_age=7200.0)
    spent = []
    series = _series(size)
    before = _resident()
    waiting = threading.Event()
    try:
        remote.apply([config], {"cluster": "bench"})
        [there] = remote.destinations
        for number in range(ROUNDS + 2):
            values = [float(random.randrange(10**6)) for _ in range(size)]  # noqa: S311
            now = int(time.time() * 1000)  # noqa: TID251 - the sample's
            batch = Batch(series=series, time=now, values=struct.pack(f"<{size}d", *values))
            begun = time.process_time()
            remote.append(batch)
            if size < config.queue_config.max_samples_per_send:
                there.drain()  # its deadline would only make this wait
                there.join(60)
            while there.pending:
                waiting.wait(0.02)
            if number > 1:
                spent.append((time.process_time() - begun) * 1000)
            if size < config.queue_config.max_samples_per_send:
                there._start(there.positions)  # noqa: SLF001 - what drain has ended
        grown = _resident() - before
    finally:
        remote.close(10)
    return tuple(spent), grown


def _series(size: int) -> SeriesSet:
    """Labels as an agent's: 17 series of a histogram with different `le`, some paths and codes."""
    family = Metadata(name="http_request_duration_seconds", type="histogram", help="How long requests took.")
    labels = [
        labels_of({
            "__name__": f"http_request_duration_seconds_{number // 5000}_bucket", "instance": "127.0.0.1:8080",
            "job": "agent", "path": f"/api/v1/path{number // 17 % 60}", "code": str(200 + number // 1020 % 5),
            "le": str(number % 17),
        })
        for number in range(size)
    ]  # fmt: skip
    return SeriesSet(tuple(labels), (family,) * size)


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@contextmanager
def receiver() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", _RECEIVER], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
