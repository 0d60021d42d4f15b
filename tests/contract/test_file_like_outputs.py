"""One exam for all outputs that write to a descriptor: standard output into a pipe or a file, a file, a FIFO."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.plugin_lab import OutputSurroundings, wait_for

from pillion.collector.outputs import file
from pillion.collector.outputs.stdout import Stdout, rendering
from pillion.collector.outputs.stream import Descriptor
from pillion.collector.plugin import Again, Delivered, Output
from pillion.collector.records import Content, Lines, Records, Texts, as_texts


class Bench:
    """An output, and what its reader has seen."""

    def __init__(self, output: Output, seen: Callable[[], bytes]) -> None:
        self.output = output
        self.seen = seen

    def numbers(self) -> list[int]:
        return [json.loads(line)["n"] for line in self.seen().splitlines()]


class Reader(threading.Thread):
    """Reads a pipe to its end, when it is told to begin."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self.seen = b""
        self.reads = threading.Event()

    def run(self) -> None:
        self.reads.wait()
        while data := os.read(self._descriptor, 65536):
            self.seen += data


PLACES = ["standard output, a pipe", "standard output, a file", "file", "file, a FIFO"]


@pytest.fixture(params=PLACES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    path = tmp_path / "out"
    place = request.param
    plain = file.FileSettings(path=str(tmp_path), file="out", format="plain")
    if place == "file":
        output: Output = file.PLUGIN.build(plain, OutputSurroundings())
        yield Bench(output, path.read_bytes)
        output.close()
        return
    if place == "standard output, a file":
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        output = Stdout(Descriptor(descriptor), rendering("json_lines", None))
        yield Bench(output, path.read_bytes)
        output.close()
        os.close(descriptor)
        return
    if place == "file, a FIFO":
        os.mkfifo(path)
        reader = Reader(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        writer = os.open(path, os.O_WRONLY)  # so that the reader sees no end between two deliveries
        os.set_blocking(reader._descriptor, True)
        output = file.PLUGIN.build(plain, OutputSurroundings())
    else:
        read, writer = os.pipe()
        reader = Reader(read)
        output = Stdout(Descriptor(writer), rendering("json_lines", None))
    reader.start()
    reader.reads.set()
    yield Bench(output, lambda: reader.seen)
    output.close()
    os.close(writer)
    reader.join(30)
    os.close(reader._descriptor)


def chunk(first: int, end: int, form: type = Records) -> Content:
    records = Records(
        times=[5] * (end - first), bodies=[{"n": number, "x": "y" * 50} for number in range(first, end)]
    )
    return records if form is Records else as_texts(records)


def test_chunks_come_in_order_whatever_their_form(bench: Bench) -> None:
    for first, form in ((0, Records), (100, Texts), (200, Records)):
        assert bench.output.deliver("t", chunk(first, first + 100, form)) == Delivered()
    wait_for(lambda: len(bench.seen().splitlines()) == 300)
    assert bench.numbers() == list(range(300))


def test_lines_are_wrapped(bench: Bench) -> None:
    assert bench.output.deliver("t", Lines(data=b'a "b"\nc\n', time=5)) == Delivered()
    wait_for(lambda: bench.seen().count(b"\n") == 2)
    assert [json.loads(line) for line in bench.seen().splitlines()] == [{"log": 'a "b"'}, {"log": "c"}]


def test_several_workers_do_not_mix_their_lines(bench: Bench) -> None:
    def work(worker: int) -> None:
        for index in range(20):
            first = (worker * 20 + index) * 50
            assert bench.output.deliver(f"t{worker}", chunk(first, first + 50)) == Delivered()

    workers = [threading.Thread(target=work, args=[worker]) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    wait_for(lambda: bench.seen().count(b"\n") == 4000)
    numbers = bench.numbers()
    assert sorted(numbers) == list(range(4000))
    assert all(
        numbers[at : at + 50] == list(range(numbers[at], numbers[at] + 50)) for at in range(0, 4000, 50)
    )


def test_interruptions_at_any_moment_lose_and_repeat_nothing(bench: Bench) -> None:
    done = threading.Event()

    def interrupt() -> None:
        while not done.is_set():
            bench.output.interrupt()
            done.wait(0.0005)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    for first in range(0, 20_000, 2000):
        left: Content = chunk(first, first + 2000, Texts)
        while isinstance(verdict := bench.output.deliver("t", left), Again):
            left = left if verdict.remaining is None else verdict.remaining
        assert verdict == Delivered()
    done.set()
    interrupting.join(30)
    wait_for(lambda: bench.seen().count(b"\n") == 20_000)
    assert bench.numbers() == list(range(20_000))


def test_an_interruption_ends_no_later_delivery(bench: Bench) -> None:
    bench.output.interrupt()
    assert bench.output.deliver("t", chunk(0, 10)) == Delivered()


def test_it_says_how_much_it_wants_at_a_time(bench: Bench) -> None:
    assert bench.output.limit_bytes >= 1 << 16
