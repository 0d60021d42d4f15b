"""Debian's Prometheus with given samples in it, to compare our answers with its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pillion.scraper.labels import Labels

Samples = Mapping[Labels, Sequence[tuple[int, float]]]
_BUNDLED = Path(sys.prefix) / "share/pillion/prometheus/usr/bin/prometheus"


def prometheus_program() -> str | None:
    return shutil.which("prometheus") or (str(_BUNDLED) if _BUNDLED.exists() else None)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def write_request(samples: Samples) -> bytes:
    """prometheus.WriteRequest, in snappy's block format with literals only."""
    body = b""
    for labels, points in samples.items():
        series = b"".join(_field(1, _field(1, n.encode()) + _field(2, v.encode())) for n, v in labels)
        for time, value in points:
            series += _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time))
        body += _field(1, series)
    packed = _varint(len(body))
    for start in range(0, len(body), 65536):
        piece = body[start : start + 65536]
        packed += b"\xf4" + struct.pack("<H", len(piece) - 1) + piece  # 61 << 2: two bytes of length follow
    return packed


class Prometheus:
    def __init__(self, url: str) -> None:
        self.url = url

    def write(self, samples: Samples) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v1/write",
            data=write_request(samples),
            headers={"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def get(self, path: str, **params: object) -> tuple[int, dict[str, Any]]:
        query = urllib.parse.urlencode(params, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def running_prometheus(
    folder: Path, *, text: str = "global: {evaluation_interval: 1m}\n", port: int | None = None
) -> Iterator[Prometheus]:
    """With a remote-write receiver; by default with nothing to scrape, on a port of its choice."""
    program = prometheus_program()
    assert program is not None
    config = folder / "prometheus.yml"
    config.write_text(text)
    port = port or free_port()
    log = (folder / "log").open("ab")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:  # its last message before it answers
            log.write(line)
            if b"ready to receive web requests" in line:
                break
        assert process.poll() is None, (folder / "log").read_text()
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.communicate(timeout=30)
        log.close()
