"""What the collector costs for a million lines, beside a Python loop that decodes and encodes each of them.

The loop (`orjson.loads`, `orjson.dumps`, from file to file) costs what Fluent Bit's json parser and file output cost,
on any machine; figures are CPU seconds of whole processes, start and end included, and parts of the loop's in the same
round.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.collecting import PILLION, Cost, configure, cost_of, write_lines
from bench.figures import Figure

LINES = 1_000_000
ROUNDS = 3
_LOOP = """
import sys, orjson
with open(sys.argv[1], "rb") as lines, open(sys.argv[2], "wb") as out:
    for line in lines:
        out.write(orjson.dumps(orjson.loads(line)) + b"\\n")
"""
FILE = "[OUTPUT]\n    Name file\n    Match *\n    Path {folder}\n    File out\n    Format json_lines\n"
STDOUT = "[OUTPUT]\n    Name stdout\n    Match *\n    Format json_lines\n"
NULL = "[OUTPUT]\n    Name null\n    Match *\n"
_HTTP = (
    "[OUTPUT]\n    Name http\n    Match *\n    Host 127.0.0.1\n    Port {port}\n"
    "    Format json_lines\n    Compress gzip\n"
)
_FILTERS = (
    "[FILTER]\n    Name grep\n    Match *\n    Exclude level DEBUG\n"
    "[FILTER]\n    Name record_modifier\n    Match *\n    Record host web-1\n"
)


class Case(NamedTuple):
    what: str
    parser: str
    output: str
    filters: str = ""


CASES = (
    Case("no parser → null", "", NULL),
    Case("no parser → file", "", FILE),
    Case("no parser → stdout", "", STDOUT),
    Case("json → file", "json", FILE),
    Case("json → stdout", "json", STDOUT),
    Case("json with its time, kept → file", "kept", FILE),
    Case("json with its time, cut out → file", "timed", FILE),
    Case("json, grep, record_modifier → file", "json", FILE, _FILTERS),
    Case("json with its time, grep, record_modifier → file", "timed", FILE, _FILTERS),
    Case("json → http, gzip", "json", _HTTP),
)


def tail(path: str, parser: str, more: str = "") -> str:
    named = f"    Parser {parser}\n" if parser else ""
    return (
        f"[INPUT]\n    Name tail\n    Path {path}\n    Tag app\n    DB {{folder}}/tail.db\n    Read_From_Head On\n"
        + named
        + more
    )


def throughput(folder: Path) -> list[Figure]:
    figures = []
    for spaced in (True, False):
        lines = folder / "lines.log"
        write_lines(lines, LINES, spaced=spaced)
        figures += _against_the_loop(folder, lines, "spaced" if spaced else "compact")
        lines.unlink()
    return figures


def _against_the_loop(folder: Path, lines: Path, style: str) -> list[Figure]:
    loops: list[Cost] = []
    costs: dict[str, list[Cost]] = {case.what: [] for case in CASES}
    with _sink() as port:
        _collect(folder / "warm", lines, CASES[-1], port)
        for _ in range(ROUNDS):
            loops.append(_loop(folder, lines))
            for case in CASES:
                costs[case.what].append(_collect(folder / "run", lines, case, port))
    about = f"1 M lines, {style}"
    figures = [Figure(f"{about}: the loop", "CPU s", tuple(cost.cpu for cost in loops))]
    for what, spent in costs.items():
        figures += [
            Figure(f"{about}: {what}", "CPU s", tuple(cost.cpu for cost in spent)),
            Figure(
                "  in loops", "×", tuple(one.cpu / loop.cpu for one, loop in zip(spent, loops, strict=True))
            ),
            Figure("  peak RSS", "MB", tuple(cost.peak_mb for cost in spent)),
        ]
    return figures


def _loop(folder: Path, lines: Path) -> Cost:
    out = folder / "loop.out"
    cost = cost_of((sys.executable, "-c", _LOOP, str(lines), str(out)), folder / "run")
    out.unlink()
    return cost


def _collect(folder: Path, lines: Path, case: Case, port: int) -> Cost:
    text = (
        tail(str(lines), case.parser, "    Exit_On_Eof On\n")
        + case.filters
        + case.output.replace("{port}", str(port))
    )
    file = configure(folder, text)
    out = folder / "stdout"
    with out.open("wb") as stdout:
        cost = cost_of((PILLION, "collect", "-c", str(file)), folder, stdout=stdout)
    for left in (*folder.glob("tail.db*"), folder / "out", out):
        left.unlink(missing_ok=True)
    return cost


@contextmanager
def _sink() -> Iterator[int]:
    argv = (sys.executable, str(Path(__file__).with_name("sink.py")))
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline())
        finally:
            child.kill()
