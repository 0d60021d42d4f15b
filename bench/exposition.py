"""Exposition pages: samples a second of CPU time, ours beside the Python client's own parser, and what we remember.

The page is an agent's: histograms of ten buckets with four labels, counters, gauges. "again" is the same series with
other values; "a hundredth new" has other series in one line of a hundred, every time.
"""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench.figures import Figure
from pillion.scraper.exposition import Format, page_reader

SIZES = (100, 10_000, 100_000)
ROUNDS = 7
_UNIT = "1000 samples per s"
_BOUNDS = ("0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")


def exposition(_folder: Path) -> list[Figure]:
    figures = []
    for size in SIZES:
        name = f"page of {size:,} series"
        figures += [
            Figure(f"{name}: new", _UNIT, _rates(size, _new(size, Format.TEXT_0))),
            Figure(f"{name}: again", _UNIT, _rates(size, _again(size, Format.TEXT_0))),
        ]
    size = 10_000
    name = f"page of {size:,} series"
    changing = [page(size, seed, renamed=seed + 1) for seed in range(4)]
    timed = [page(size, seed, suffix=" 1790000000123") for seed in range(3)]
    measured = {
        "a hundredth new": _repeated(Format.TEXT_0, changing),
        "again, with times": _repeated(Format.TEXT_0, timed),
        "OpenMetrics, new": _new(size, Format.OPENMETRICS_1),
        "OpenMetrics, again": _again(size, Format.OPENMETRICS_1),
        "OpenMetrics, exemplars move": _repeated(
            Format.OPENMETRICS_1, [exemplars(size, seed) for seed in range(4)]
        ),
        "the Python client's parser": _client(page(size, 0)),
    }
    figures += [Figure(f"{name}: {what}", _UNIT, _rates(size, read)) for what, read in measured.items()]
    return [*figures, *_memory(100_000)]


def page(size: int, seed: int, *, suffix: str = "", renamed: int = 0, end: str = "") -> bytes:
    """`renamed` gives one series in a hundred a label value of its own."""
    chance = random.Random(seed)  # noqa: S311
    lines = []
    written = 0
    for family in range(size):
        if written >= size:
            break
        kind = ("histogram", "gauge", "counter")[family % 3]
        lines += [
            f"# HELP agent_{family}_seconds Of what the agent does.",
            f"# TYPE agent_{family}_seconds {kind}",
        ]
        for index in range(10):
            if written >= size:
                break
            value = chance.choice([repr(chance.random() * 1e3), str(chance.randrange(10**7)), "0"])
            tool = f"tool-{family % 50}" if not renamed or written % 100 else f"tool-{family}-{renamed}"
            if kind == "histogram":
                labels = f'method="GET",path="/v1/agents/{family % 3}/run",tool="{tool}"'
                series = f'agent_{family}_seconds_bucket{{{labels},le="{_BOUNDS[index]}"}}'
            else:
                labels = f'method="GET",path="/v1/agents/{index // 2}/run",tool="{tool}"'
                series = f'agent_{family}_seconds{{{labels},code="{200 + index % 2}"}}'
            lines.append(f"{series} {value}{suffix}")
            written += 1
    return ("\n".join(lines) + "\n" + end).encode()


def exemplars(size: int, seed: int) -> bytes:
    """One series in fifty has an exemplar, each time another one."""
    lines = page(size, seed, end="# EOF\n").split(b"\n")
    for at in range(seed, len(lines), 50):
        if b"_bucket{" in lines[at]:
            lines[at] += b' # {trace_id="4bf92f3577b34da6"} 0.25 1790000000.123'
    return b"\n".join(lines)


def _new(size: int, page_format: Format) -> Callable[[], object]:
    body = page(size, 0, end="# EOF\n" if page_format is Format.OPENMETRICS_1 else "")
    return lambda: page_reader(page_format).read(body)


def _again(size: int, page_format: Format) -> Callable[[], object]:
    end = "# EOF\n" if page_format is Format.OPENMETRICS_1 else ""
    return _repeated(page_format, [page(size, seed, end=end) for seed in range(3)])


def _repeated(page_format: Format, bodies: list[bytes]) -> Callable[[], object]:
    reader, turns = page_reader(page_format), cycle(bodies)
    reader.read(bodies[-1])
    return lambda: reader.read(next(turns))


def _client(body: bytes) -> Callable[[], object]:
    return lambda: list(text_string_to_metric_families(body.decode()))


def _rates(size: int, read: Callable[[], object]) -> tuple[float, ...]:
    """CPU time, as the machine is not ours alone; small pages several times, for the clock's sake."""
    times = max(1, 10_000 // size)
    rates = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            read()
        rates.append(size * times / (time.process_time() - begun) / 1000)
    return tuple(rates)


def _memory(size: int) -> list[Figure]:
    bodies = [page(size, seed) for seed in range(2)]
    reader = page_reader(Format.TEXT_0)
    gc.collect()
    tracemalloc.start()
    reader.read(bodies[0])
    gc.collect()
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    reader.read(bodies[1])
    again = tracemalloc.get_traced_memory()[1] - kept
    tracemalloc.stop()
    name = f"page of {size:,} series, {len(bodies[0]) // size} bytes each"
    return [
        Figure(f"{name}: remembered", "bytes per series", (kept / size,)),
        Figure(f"{name}: at most, when new", "bytes per series", (most / size,)),
        Figure(f"{name}: at most beside that, again", "bytes per series", (again / size,)),
    ]
