"""Whatever outputs say, each record is delivered once to each of them, or is a dead letter; then it is settled."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collector_lab import TIME, Lab, lines_of, live

from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines

VERDICTS = st.sampled_from(
    ["take", "again", "half", "all but one", "reject one", "too large", "refuse", "raise"]
)
PUTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), min_size=1, max_size=12)
OUTPUT = st.fixed_dictionaries({"limit": st.integers(1, 200), "workers": st.sampled_from([1, 1, 3])})


def some(lines: list[str]) -> Content:
    return Lines(data="".join(f"{line}\n" for line in lines).encode(), time=TIME)


def verdict(word: str, content: Content) -> Verdict:
    lines = lines_of(content)
    half = len(lines) // 2
    match word:
        case "again":
            return Again(reason="down")
        case "half":
            return Again(reason="half", remaining=some(lines[half:]))
        case "all but one" if len(lines) > 1:
            return Again(reason="one", remaining=some(lines[:1]), rejected=(("odd", some(lines[1:2])),))
        case "reject one":
            return Delivered(rejected=(("bad", some(lines[-1:])),))
        case "too large":
            return TooLarge(reason="413")
        case "refuse":
            return Refused(reason="400")
        case "raise":
            raise ValueError("a mistake")
        case _:
            return Delivered()


@given(
    puts=PUTS,
    words=st.dictionaries(st.sampled_from(["x", "y"]), st.lists(VERDICTS, max_size=15), min_size=2),
    outputs=st.fixed_dictionaries({"x": OUTPUT, "y": OUTPUT}),
    disk=st.booleans(),
    mem_buf_limit=st.sampled_from([1, 40, 1000]),
)
@settings(max_examples=40, deadline=None)
def test_each_record_ends_once_in_each_output(
    puts: list[tuple[str, int]],
    words: dict[str, list[str]],
    outputs: dict[str, dict[str, Any]],
    disk: bool,
    mem_buf_limit: int,
) -> None:
    expected: list[tuple[str, str]] = []

    async def story(lab: Lab) -> None:
        for name, script in words.items():
            lab.outputs[name].script.extend(
                lambda content, word=word: verdict(word, content)  # type: ignore[misc]
                for word in script
            )
        for tag, amount in puts:
            lines = [f"line-{len(expected) + number}" for number in range(amount)]
            expected.extend((tag, line) for line in lines)
            await lab.put(tag, *lines)
        await lab.until(lambda: len(lab.hand.settled) == len(expected))

    inputs = {"in": {"mem_buf_limit": mem_buf_limit, "storage_type": "filesystem" if disk else "memory"}}
    with tempfile.TemporaryDirectory() as folder:
        lab = live(Path(folder), story, outputs=outputs, inputs=inputs, disk=disk)
        dead = {name: [letter["record"]["log"] for letter in lab.dead_letters(name)] for name in outputs}
    every = sorted(line for _, line in expected)
    for name, output in lab.outputs.items():
        assert sorted(output.texts + dead[name]) == every
        if outputs[name]["workers"] == 1 and not dead[name]:
            for tag in "ab":
                mine = [line for each, line in expected if each == tag]
                assert [line for line in output.texts if line in mine] == mine
    assert sorted(lab.hand.settled) == every
    assert lab.ending is not None
    assert not lab.ending.left
    statuses = {status.name: status for status in lab.pipeline.output_statuses}
    assert {name: (status.waiting_records, status.waiting_bytes) for name, status in statuses.items()} == {
        "x": (0, 0),
        "y": (0, 0),
    }
    assert {name: status.delivered + status.dead_letters for name, status in statuses.items()} == {
        "x": len(every),
        "y": len(every),
    }
