"""Requests over TLS: as many as go, by h2load, or so many each second."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.proxypeers import load_core

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "HTTP/1.1": ("--h1", "-c", "16"),
    "HTTP/2": ("-c", "4", "-m", "8"),
}
"""Requests under way at one time: 16, and 4 connections of 8."""


class Load(NamedTuple):
    per_second: float
    requests: int


class Latency(NamedTuple):
    """Milliseconds."""

    p50: float
    p99: float


def load(url: str, protocol: str, seconds: int) -> Load:
    """Raises RuntimeError when one request fails."""
    said = _h2load(*PROTOCOLS[protocol], "-D", str(seconds), url)
    per_second = re.search(r"finished in .*?, ([0-9.]+) req/s", said)
    assert per_second is not None, said
    return Load(float(per_second[1]), _succeeded(said))


def paced(url: str, per_second: int, seconds: int) -> Latency:
    """HTTP/1.1 at an even pace. Raises RuntimeError when one request fails."""
    at = urlsplit(url)
    script = str(Path(__file__).with_name("pacedclient.py"))
    argv = (*load_core(), sys.executable, script, at.scheme, str(at.port), str(per_second), str(seconds))
    asked = subprocess.run(argv, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise RuntimeError(asked.stderr)
    took = sorted(json.loads(asked.stdout))
    return Latency(statistics.median(took), took[int(len(took) * 0.99)])


def _h2load(*arguments: str) -> str:
    argv = (*load_core(), "h2load", "-t", "1", *arguments)
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _succeeded(said: str) -> int:
    counts = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", said)
    statuses = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", said)
    assert counts is not None, said
    if statuses is None or int(counts[3]) or int(counts[4]):
        raise RuntimeError(f"requests failed: {said}")
    return int(counts[2])
