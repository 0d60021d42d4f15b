"""Chunks on disk: settled when they are there, back after a crash, damage cut out, marks remembered."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.collector_lab import PATIENCE, TIME, lines_of

from pillion.collector.buffer import DamagedChunk, DiskBuffer, Label, frames
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.status import Notices
from pillion.errors import HostError

LOG = logging.getLogger("pillion.collector.test")


def lines(*texts: str) -> Lines:
    return Lines(data="".join(f"{text}\n" for text in texts).encode(), time=TIME)


def label(content: Content, *outputs: str) -> Label:
    return Label(tag="a", kind="", outputs=outputs or ("out",), records=1, bytes=100, since=1.0)


def run(
    folder: Path, story: Callable[[DiskBuffer], Awaitable[None]], *, resident_bytes: int = 1 << 20
) -> None:
    """A collector's life with this folder. What `story` leaves stays."""

    async def main() -> None:
        buffer = DiskBuffer(folder, log=LOG, notices=Notices(LOG), resident_bytes=resident_bytes)
        try:
            async with asyncio.timeout(PATIENCE):
                await story(buffer)
        finally:
            await buffer.close(5)

    asyncio.run(main())


def store(folder: Path, *contents: Content, outputs: tuple[str, ...] = ("out",)) -> None:
    async def story(buffer: DiskBuffer) -> None:
        for content in contents:
            buffer.add(label(content, *outputs), content, settled=lambda: None)
        await buffer.written()

    run(folder, story)


def recovered(folder: Path) -> list[Content]:
    found: list[Content] = []

    async def story(buffer: DiskBuffer) -> None:
        found.extend(chunk.content() for chunk in buffer.recovered)

    run(folder, story)
    return found


def segment(folder: Path) -> Path:
    [path] = folder.glob("*.chunks")
    return path


@pytest.mark.parametrize(
    "content",
    [
        lines("one", "zwei ü"),
        Texts(data=b'{"a":1}\n', times=TIME),
        Texts(data=b'{"a":1}\n{"a":2}\n', times=[TIME, -5]),
        Records(times=[1, 2], bodies=[{"a": [1.5, None, True]}, {"b": b"\x00\xff", "c": {"d": "ü"}}]),
    ],
    ids=["lines", "texts of one time", "texts", "records"],
)
def test_a_chunk_comes_back_as_it_was(content: Content, tmp_path: Path) -> None:
    encoded = frames.encode("t", content, outputs=("o",), records=2, size=9, since=1.5)
    [frame] = frames.scan(frames.HEADER + encoded)
    assert isinstance(frame, frames.Frame)
    assert frame.label.outputs == ("o",)
    data = (frames.HEADER + encoded)[frame.offset : frame.offset + frame.length]
    if isinstance(content, Texts) and isinstance(content.times, list):
        frame = frames.Frame(
            number=0, label=frame.label, offset=frame.offset, length=frame.length, crc=frame.crc
        )
    assert frames.decode(frame, data) == content


def test_a_number_that_msgpack_does_not_have_is_kept_too() -> None:
    content = Records(times=[7], bodies=[{"n": 1 << 70}])
    encoded = frames.encode("t", content, outputs=("o",), records=1, size=9, since=1.5)
    [frame] = frames.scan(frames.HEADER + encoded)
    assert isinstance(frame, frames.Frame)
    back = frames.decode(frame, (frames.HEADER + encoded)[frame.offset :])
    assert isinstance(back, Texts)
    assert back.times in (7, [7])


def test_a_chunk_is_settled_once_it_is_on_disk(tmp_path: Path) -> None:
    settled: list[str] = []

    async def story(buffer: DiskBuffer) -> None:
        chunk = buffer.add(label(lines("x")), lines("x"), settled=lambda: settled.append("x"))
        assert settled == []
        await buffer.written()
        assert settled == ["x"]
        assert chunk.frame is not None
        assert buffer.pending_bytes["out"] == 100

    run(tmp_path, story)
    assert [lines_of(content) for content in recovered(tmp_path)] == [["x"]]


def test_a_chunk_that_is_delivered_first_needs_no_disk(tmp_path: Path) -> None:
    async def story(buffer: DiskBuffer) -> None:
        settled: list[str] = []
        chunk = buffer.add(label(lines("x")), lines("x"), settled=lambda: settled.append("x"))
        buffer.done(chunk, "out")
        assert settled == ["x"]
        assert buffer.chunks == 0

    run(tmp_path, story)
    assert recovered(tmp_path) == []
    assert list(tmp_path.glob("*.chunks")) == []


def test_what_one_output_has_is_not_sent_to_it_again_after_a_restart(tmp_path: Path) -> None:
    store(tmp_path, lines("x"), outputs=("quick", "slow"))

    async def quick_has_it(buffer: DiskBuffer) -> None:
        [chunk] = buffer.recovered
        buffer.done(chunk, "quick")

    async def slow_waits(buffer: DiskBuffer) -> None:
        [chunk] = buffer.recovered
        assert [chunk.label.outputs[number] for number in chunk.pending] == ["slow"]
        buffer.done(chunk, "slow")

    run(tmp_path, quick_has_it)
    run(tmp_path, slow_waits)
    assert recovered(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_end_is_cut_off_and_the_rest_comes_back(cut: int, tmp_path: Path) -> None:
    store(tmp_path, lines("first"), lines("last"))
    whole = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(whole[:-cut])
    assert [lines_of(content) for content in recovered(tmp_path)] == [["first"]]


def test_damage_in_the_middle_does_not_hide_what_comes_after_it(tmp_path: Path) -> None:
    store(tmp_path, lines("first"), lines("second"), lines("third"))
    raw = bytearray(segment(tmp_path).read_bytes())
    second = raw.find(b"CHNK", raw.find(b"CHNK") + 1)
    raw[second + 5] ^= 0xFF  # its head's checksum
    segment(tmp_path).write_bytes(raw)
    assert [lines_of(content) for content in recovered(tmp_path)] == [["first"], ["third"]]


def test_damaged_data_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    store(tmp_path, lines("first"))
    raw = segment(tmp_path).read_bytes()
    segment(tmp_path).write_bytes(raw.replace(b"first", b"worst"))
    with pytest.raises(DamagedChunk, match="checksum"):
        recovered(tmp_path)


def test_a_file_of_another_version_is_left_alone_and_said(tmp_path: Path) -> None:
    (tmp_path / "00000007.chunks").write_bytes(b"pillion chunks 9\nwhatever")

    async def story(buffer: DiskBuffer) -> None:
        assert buffer.recovered == []
        buffer.add(label(lines("x")), lines("x"), settled=lambda: None)
        await buffer.written()

    run(tmp_path, story)
    assert sorted(path.name for path in tmp_path.glob("*.chunks")) == ["00000007.chunks", "00000008.chunks"]


def test_two_collectors_do_not_share_a_folder(tmp_path: Path) -> None:
    async def story(_: DiskBuffer) -> None:
        with pytest.raises(HostError, match="another collector"):
            DiskBuffer(tmp_path, log=LOG, notices=Notices(LOG))

    run(tmp_path, story)


def test_more_than_fits_into_memory_is_read_back(tmp_path: Path) -> None:
    async def story(buffer: DiskBuffer) -> None:
        chunks = [buffer.add(label(lines(str(n))), lines(str(n)), settled=lambda: None) for n in range(5)]
        await buffer.written()
        assert sum(chunk.resident is None for chunk in chunks) >= 2
        assert [lines_of(chunk.content()) for chunk in chunks] == [[str(n)] for n in range(5)]

    run(tmp_path, story, resident_bytes=250)


def test_room_is_waited_for_and_something_always_fits_into_nothing(tmp_path: Path) -> None:
    async def story(buffer: DiskBuffer) -> None:
        await buffer.room("out", 1000, limit=150)
        chunk = buffer.add(label(lines("x")), lines("x"), settled=lambda: None)
        await buffer.room("out", 50, limit=150)
        await buffer.room("other", 1000, limit=150)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(buffer.room("out", 100, limit=150))
            await asyncio.sleep(0)
            assert not waiting.done()
            buffer.done(chunk, "out")

    run(tmp_path, story)


def test_a_disk_that_refuses_is_said_and_written_to_when_it_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "chunks"

    async def story(buffer: DiskBuffer) -> None:
        settled: list[str] = []
        shutil.rmtree(folder)
        buffer.add(label(lines("x")), lines("x"), settled=lambda: settled.append("x"))
        while str(folder) not in buffer.notices.current:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert settled == []
        folder.mkdir()
        await buffer.written()
        assert settled == ["x"]
        assert str(folder) not in buffer.notices.current

    run(folder, story)
    assert [lines_of(content) for content in recovered(folder)] == [["x"]]
