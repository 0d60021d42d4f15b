# ruff: noqa: T201
"""What a line costs in the collector's pure stages, beside a Python loop that decodes and encodes it.

    python bench/records.py [LINES]

The loop (`orjson.loads`, `orjson.dumps`, line by line) costs about what Fluent Bit's json parser does, on any machine:
figures are CPU time in microseconds per line, and in parts of the loop's. Each is the best of several rounds, taken in
turns, so that whatever slows the machine down slows all of them.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from pillion.collector import records
from pillion.collector.configuration.parsers import ParserSettings
from pillion.collector.multiline import builtin
from pillion.collector.parsers import build_parser
from pillion.collector.records import Date, Lines

ROUNDS = 7
CHUNK = 1000
"""Lines in a buffer: 256 KiB, as the tail input reads them."""
NOW = 1_800_000_000 * 10**9
ISO = "%Y-%m-%dT%H:%M:%S.%LZ"
APACHE = (
    r'^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^ ]*) +\S*)?" '
    r"(?<code>[^ ]*) (?<size>[^ ]*)$"
)


def json_line(number: int) -> bytes:
    """Like an agent's: 257 bytes."""
    return json.dumps({
        "time": f"2026-11-22T10:{number // 60000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}Z",
        "level": "INFO", "logger": "agent.api",
        "message": f'request {number} handled with some text and "quotes"',
        "path": "/v1/chat/completions", "status": 200, "duration_ms": 12.5 + number % 7,
        "request_id": f"{random.getrandbits(128):032x}",
    }).encode()  # fmt: skip


def text_line(number: int) -> bytes:
    return b'10.0.0.%d - bob [22/Nov/2026:10:11:%02d +0000] "GET /v1/chat/completions HTTP/1.1" 200 %d' % (
        number % 250, number % 60, number,
    )  # fmt: skip


def chunks(make: Callable[[int], bytes], amount: int) -> list[Lines]:
    return [
        Lines(data=b"".join([make(number) + b"\n" for number in range(first, first + CHUNK)]), time=NOW)
        for first in range(0, amount, CHUNK)
    ]


def main(amount: int) -> None:
    random.seed(1)
    jsons, texts = chunks(json_line, amount), chunks(text_line, amount)
    plain = build_parser(ParserSettings(name="json", format="json"))
    kept = build_parser(ParserSettings(name="json", format="json", time_format=ISO, time_keep=True))
    cut = build_parser(ParserSettings(name="json", format="json", time_format=ISO))
    apache = build_parser(
        ParserSettings(name="apache", format="regex", regex=APACHE, time_format="%d/%b/%Y:%H:%M:%S %z")
    )
    python = builtin("python")
    assert python is not None
    stream = python.stream()
    parsed = [plain.parse_lines(lines) for lines in jsons]
    timed = [kept.parse_lines(lines) for lines in jsons]
    date = Date()

    def decode_and_encode(lines: Lines) -> None:
        for line in lines.data.split(b"\n")[:-1]:
            orjson.dumps(orjson.loads(line))

    def feed(lines: Lines) -> None:
        for line in lines.data.decode().split("\n")[:-1]:
            stream.feed(line, NOW, None)

    def pass_through(lines: Lines) -> None:
        assert stream.pass_through(lines) is not None

    stages: list[tuple[str, list[Any], Callable[[Any], object]]] = [
        ("the loop: loads and dumps of every line", jsons, decode_and_encode),
        ("parser json", jsons, plain.parse_lines),
        ("parser json with its time, kept", jsons, kept.parse_lines),
        ("parser json with its time, cut out", jsons, cut.parse_lines),
        ("json_lines of parsed JSON, one date", parsed, lambda content: records.json_lines(content, date)),
        ("json_lines of parsed JSON, each its date", timed, lambda content: records.json_lines(content, date)),
        ("json_lines of JSON lines under log", jsons, lambda content: records.json_lines(content, date)),
        ("json_lines of plain lines under log", texts, lambda content: records.json_lines(content, date)),
        ("a field set in every record", parsed,
         lambda content: records.append_constants(content, {"host": "web-1"})),
        ("a field looked at", parsed, lambda content: records.peek_one(content, "level")),
        ("decoding", parsed, records.as_records),
        ("parser regex, an access log", texts, apache.parse_lines),
        ("multiline python, no traceback", texts, pass_through),
        ("multiline python, line by line", texts, feed),
    ]  # fmt: skip
    best = [float("inf")] * len(stages)
    for _ in range(ROUNDS):
        for index, (_, contents, stage) in enumerate(stages):
            begun = time.process_time()
            for content in contents:
                stage(content)
            best[index] = min(best[index], time.process_time() - begun)
    for (name, _, _), spent in zip(stages, best, strict=True):
        print(f"{name:42s} {spent / amount * 1e6:6.2f} µs {spent / best[0]:6.2f} loops")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
