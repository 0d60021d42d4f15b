"""What the file output writes, where, and what it does when the disk takes only a part."""

from __future__ import annotations

import gzip
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
from tests.plugin_lab import OutputSurroundings

from pillion.collector.outputs.file import PLUGIN, FileOutput, FileSettings
from pillion.collector.outputs.fileformats import file_name
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import count

TIME = 1_700_000_000_123_456_789
RECORDS = Records(times=[TIME, TIME + 1], bodies=[{"a": 1, "b": "x y"}, {"a": None, "m": {"k": [1.5]}}])


def output(**settings: object) -> FileOutput:
    return PLUGIN.build(FileSettings(**settings), OutputSurroundings())  # type: ignore[arg-type]


def written(folder: Path, content: Content, **settings: object) -> str:
    file = output(path=str(folder), file="out", **settings)
    assert file.deliver("app.log", content) == Delivered()
    return (folder / "out").read_bytes().decode()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(
            {},
            'app.log: [1700000000.123456789, {"a":1,"b":"x y"}]\n'
            'app.log: [1700000000.123456790, {"a":null,"m":{"k":[1.5]}}]\n',
            id="the tag, the time and the record, by default",
        ),
        pytest.param(
            {"format": "plain"},
            '{"a":1,"b":"x y"}\n{"a":null,"m":{"k":[1.5]}}\n',
            id="plain: the record only",
        ),
        pytest.param(
            {"format": "csv"},
            '1700000000.123456789,1,"x y"\n1700000000.123456790,nil,{"k"=>[1.500000]}\n',
            id="csv: values as msgpack prints them",
        ),
        pytest.param(
            {"format": "csv", "delimiter": "tab", "csv_column_names": True},
            'timestamp\t"a"\t"b"\n'
            '1700000000.123456789\t1\t"x y"\n1700000000.123456790\tnil\t{"k"=>[1.500000]}\n',
            id="csv with names and tabs",
        ),
        pytest.param(
            {"format": "csv", "delimiter": ";"},
            '1700000000.123456789,1,"x y"\n1700000000.123456790,nil,{"k"=>[1.500000]}\n',
            id="a delimiter that Fluent Bit does not know is passed over",
        ),
        pytest.param(
            {"format": "ltsv"},
            '"time":1700000000.123457\t"a":1\t"b":"x y"\n'
            '"time":1700000000.123457\t"a":nil\t"m":{"k"=>[1.500000]}\n',
            id="ltsv",
        ),
        pytest.param(
            {"format": "ltsv", "delimiter": "comma", "label_delimiter": "\\t"},
            '"time"\t1700000000.123457,"a"\t1,"b"\t"x y"\n'
            '"time"\t1700000000.123457,"a"\tnil,"m"\t{"k"=>[1.500000]}\n',
            id="ltsv with other delimiters",
        ),
        pytest.param(
            {"format": "template", "template": "{time} a={a} b={b} {{m} {x {a}"},
            "1700000000.123457 a=1 b=x y {{m} {x 1\n"
            '1700000000.123457 a=nil b={b} {{"k"=>[1.500000]} {x nil\n',
            id="template: text plain, other values printed, what is not there left as it is",
        ),
        pytest.param(
            {"format": "template", "template": "{}|{t}|{tim}|{times}|}"},
            "1700000000.123457|1700000000.123457|1700000000.123457|{times}|}\n" * 2,
            id="template: any beginning of `time` is the time, as in Fluent Bit",
        ),
        pytest.param(
            {"format": "json_lines", "json_date_format": "epoch"},
            '{"date":1700000000,"a":1,"b":"x y"}\n{"date":1700000000,"a":null,"m":{"k":[1.5]}}\n',
            id="json_lines, which is ours: as stdout writes them",
        ),
    ],
)
def test_each_format_is_written_as_fluent_bit_writes_it(
    tmp_path: Path, settings: dict[str, object], expected: str
) -> None:
    assert written(tmp_path, RECORDS, **settings) == expected


def test_the_msgpack_format_has_fluent_bits_events(tmp_path: Path) -> None:
    file = output(path=str(tmp_path), file="out", format="msgpack")
    assert file.deliver("t", RECORDS) == Delivered()
    packed = (tmp_path / "out").read_bytes()
    events = msgpack.unpackb(b"\x92" + packed)
    assert [body for _, body in events] == RECORDS.bodies
    assert next(list(when) for when, _ in events) == [
        msgpack.ExtType(0, bytes.fromhex("6553f100075bcd15")),
        {},
    ]


@pytest.mark.parametrize("form", ["out_file", "plain", "csv", "ltsv", "template", "json_lines"])
def test_all_forms_of_a_chunk_are_written_alike(tmp_path: Path, form: str) -> None:
    lines = Lines(data=b'one "two"\nthree\n', time=TIME)
    texts = Texts(data=b'{"log":"one \\"two\\""}\n{"log":"three"}\n', times=[TIME, TIME])
    records = Records(times=[TIME, TIME], bodies=[{"log": 'one "two"'}, {"log": "three"}])
    found = set()
    for index, content in enumerate((lines, texts, records)):
        folder = tmp_path / str(index)
        folder.mkdir()
        found.add(written(folder, content, format=form, template="{time} {log}"))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("app.log", "app.log"),
        ("kube.var.log.containers.x-y_z", "kube.var.log.containers.x-y_z"),
        ("a/b\\c", "a/b/c"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/./x", "_/_/etc/_/x"),
        ("a b*c", "a_b_c"),
        ("ä", "__"),
        ("//", "_"),
        ("", "_"),
    ],
)
def test_a_tag_becomes_a_path_that_stays_below_its_folder(tag: str, name: str) -> None:
    assert file_name(tag) == name


def test_without_a_name_each_tag_has_a_file(tmp_path: Path) -> None:
    file = output(path=str(tmp_path), format="plain")
    file.deliver("one", RECORDS)
    file.deliver("two", RECORDS)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["one", "two"]


def test_a_missing_folder_is_waited_for_or_made(tmp_path: Path) -> None:
    where = tmp_path / "a/b"
    file = output(path=str(where), file="out", format="plain")
    assert file.deliver("t", RECORDS) == Again(reason=f"cannot open {where}/out: No such file or directory")
    where.mkdir(parents=True)
    assert file.deliver("t", RECORDS) == Delivered()
    assert output(path=str(tmp_path / "c/d"), file="out", mkdir=True).deliver("t", RECORDS) == Delivered()
    assert (tmp_path / "c/d/out").exists()


def test_a_file_that_is_renamed_is_made_anew(tmp_path: Path) -> None:
    file = output(path=str(tmp_path), file="out", format="plain")
    file.deliver("t", RECORDS)
    (tmp_path / "out").rename(tmp_path / "out.1")
    file.deliver("t", RECORDS)
    assert (tmp_path / "out").read_text() == (tmp_path / "out.1").read_text() != ""


def test_column_names_are_written_once(tmp_path: Path) -> None:
    file = output(path=str(tmp_path), file="out", format="csv", csv_column_names=True)
    file.deliver("t", RECORDS)
    file.deliver("t", RECORDS)
    assert (tmp_path / "out").read_text().count("timestamp") == 1


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A write that would go beyond is cut short, and the next one fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("form", ["plain", "out_file", "csv", "ltsv", "template", "json_lines", "msgpack"])
@pytest.mark.parametrize("percent", [0, 1, 30, 77, 99])
def test_what_does_not_fit_is_cut_back_to_the_last_whole_record(
    tmp_path: Path, form: str, percent: int
) -> None:
    content = Records(
        times=[TIME] * 100, bodies=[{"n": number, "log": "line\n" * (number % 4)} for number in range(100)]
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    settings = {"path": str(tmp_path), "format": form, "template": "{n} {log}", "csv_column_names": True}
    assert output(file="whole", **settings).deliver("t", content) == Delivered()
    file = output(file="cut", **settings)
    with file_size_limit(whole.stat().st_size * percent // 100):
        verdict = file.deliver("t", content)
    assert isinstance(verdict, Again)
    assert "File too large" in verdict.reason
    assert verdict.remaining is not None
    before = cut.read_bytes()
    assert whole.read_bytes().startswith(before)
    assert form in ("msgpack", "csv") or not before or before.endswith(b"\n")
    assert (count(verdict.remaining) == 100) == (not before)
    assert file.deliver("t", verdict.remaining) == Delivered()
    assert cut.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("form", ["plain", "out_file", "csv", "ltsv", "template", "json_lines"])
def test_half_a_record_of_a_killed_process_stays_alone_on_its_line(tmp_path: Path, form: str) -> None:
    settings = {"path": str(tmp_path), "format": form, "template": "{a}"}
    assert output(file="whole", **settings).deliver("t", RECORDS) == Delivered()
    whole, torn = (tmp_path / "whole").read_bytes(), tmp_path / "torn"
    torn.write_bytes(whole + b'{"log":"half a rec')
    for _ in range(2):
        assert output(file="torn", **settings).deliver("t", RECORDS) == Delivered()
    assert torn.read_bytes() == whole + b'{"log":"half a rec\n' + whole + whole


def test_dev_stdout_and_its_like_are_streams(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    file = output(path=str(tmp_path), file="fifo", format="plain")
    assert file.deliver("t", RECORDS) == Again(reason=f"cannot open {fifo}: No such device or address")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert file.deliver("t", RECORDS) == Delivered()
    assert os.read(reader, 100) == b'{"a":1,"b":"x y"}\n{"a":null,"m":{"k":[1.5]}}\n'
    os.close(reader)
    assert isinstance(file.deliver("t", RECORDS), Again)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert file.deliver("t", RECORDS) == Delivered()
    assert os.read(reader, 100) == b'{"a":1,"b":"x y"}\n{"a":null,"m":{"k":[1.5]}}\n'
    file.close()
    os.close(reader)


def test_a_full_file_is_renamed_packed_and_the_oldest_removed(tmp_path: Path) -> None:
    file = output(
        path=str(tmp_path), file="out", format="plain", rotate=True, rotate_max_size=50, rotate_max_files=2
    )
    for _ in range(5):
        assert file.deliver("t", RECORDS) == Delivered()
    rotated = sorted(found for found in tmp_path.iterdir() if found.name != "out")
    assert len(rotated) == 2
    assert all(found.name.startswith("out.20") and found.name.endswith(".gz") for found in rotated)
    assert gzip.decompress(rotated[0].read_bytes()).count(b"\n") in (2, 4)


def test_nothing_is_removed_that_was_not_rotated(tmp_path: Path) -> None:
    keep = ["out.log", "out.2026", "out.bak.20260101_000000", "outside.20260101_000000"]
    for name in keep:
        (tmp_path / name).write_text("mine")
    file = output(
        path=str(tmp_path), file="out", format="plain", rotate=True, rotate_max_size=1, rotate_max_files=1
    )
    for _ in range(4):
        file.deliver("t", RECORDS)
    assert {found.name for found in tmp_path.iterdir()} >= set(keep)


@pytest.mark.parametrize("settings", [{"rotate_max_size": 0}, {"rotate_max_files": 0}])
def test_a_rotation_that_cannot_be_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        FileSettings(rotate=True, **settings)  # type: ignore[arg-type]


def test_fsync_is_an_option(tmp_path: Path) -> None:
    assert written(tmp_path, RECORDS, format="plain", fsync=True).count("\n") == 2
