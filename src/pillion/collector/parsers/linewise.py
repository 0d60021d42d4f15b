"""What parsers that read one line after the other have in common."""

from __future__ import annotations

from collections.abc import Callable

from pillion.collector.records import Body, Content, Lines, Records

Parse = Callable[[str, int], tuple[int, Body] | None]


def parse_each(parse: Parse, lines: Lines) -> Content:
    """`parse` for each line; one that does not match stays what it is, under `lines.key`."""
    texts = lines.data.decode().split("\n")
    texts.pop()
    now, key = lines.time, lines.key
    times: list[int] = []
    bodies: list[Body] = []
    matched = False
    for text in texts:
        parsed = parse(text, now)
        if parsed is None:
            times.append(now)
            bodies.append({key: text})
        else:
            matched = True
            times.append(parsed[0])
            bodies.append(parsed[1])
    return Records(times=times, bodies=bodies) if matched else lines
